//! Encrypts with XChaCha20-Poly1305 in chunks of 64 KiB (the STREAM
//! construction), with a key in a file.
//!
//! A stream is `HXC1`, 16 bytes that tell the key, 19 random bytes, and the
//! chunks, of which the last one is marked as such: none can be left out.

use std::io::{Error as IoError, ErrorKind as Io, Result as IoResult, Write};
use std::path::PathBuf;

use chacha20poly1305::aead::stream::{NewStream, StreamBE32, StreamPrimitive};
use chacha20poly1305::aead::{Aead, OsRng, rand_core::RngCore};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use hayloft_plugin_api::{Codec, Encryptor, Error, Result, StreamOptions};
use hayloft_plugin_api::{config::SecretSource, export_plugin, from_writer};

const CHUNK: usize = 64 << 10;
const HEADER: usize = 4 + 16 + 19;

/// The encryptor `frames`. Its setting is `<key_file>`, which holds 64
/// hexadecimal digits.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frames {
    key_file: PathBuf,
}

impl Frames {
    /// Reads the key; refuses a file that others can read.
    fn codec(&self, encrypts: bool) -> Result<Box<dyn Codec>> {
        let file = SecretSource::from_parts(None, Some(self.key_file.clone()), None);
        let text = file.resolve()?.unwrap_or_default();
        let bytes = hex::decode(text.expose().trim()).unwrap_or_default();
        let shown = self.key_file.display();
        let key = XChaCha20Poly1305::new_from_slice(&bytes).map_err(|_| {
            Error::msg(format!("key file {shown} does not hold 64 hexadecimal digits"))
                .hint(format!("make one: (umask 077; openssl rand -hex 32 > {shown})"))
        })?;
        // Tells which key it is, and nothing about it.
        let id = key.encrypt(&[0xff; 24].into(), &[][..]).map_err(|_| damaged())?;
        let mut chunks = Chunks {
            header: [b"HXC1", &id[..]].concat(),
            key,
            encrypts,
            stream: None,
            at: 0,
            held: Vec::new(),
            out: Vec::new(),
        };
        if encrypts {
            let mut nonce = [0; 19];
            OsRng
                .try_fill_bytes(&mut nonce)
                .map_err(|e| Error::msg(format!("no random numbers: {e}")))?;
            chunks.out = [&chunks.header[..], &nonce].concat();
            chunks.stream = Some(StreamBE32::from_aead(chunks.key.clone(), &nonce.into()));
        }
        Ok(from_writer(chunks, |it| &mut it.out, |mut it| it.next(true).map(|()| it.out)))
    }
}

impl Encryptor for Frames {
    type Config = Self;

    fn new(config: Self) -> Result<Self> {
        Ok(config)
    }

    fn encoder(&self, _: StreamOptions) -> Result<Box<dyn Codec>> {
        self.codec(true)
    }

    fn decoder(&self) -> Result<Box<dyn Codec>> {
        self.codec(false)
    }
}

struct Chunks {
    key: XChaCha20Poly1305,
    header: Vec<u8>,
    encrypts: bool,
    /// There is none before the header has been read.
    stream: Option<StreamBE32<XChaCha20Poly1305>>,
    at: u32,
    /// Not done yet: there may be more, and then it is not the last chunk.
    held: Vec<u8>,
    out: Vec<u8>,
}

impl Chunks {
    fn next(&mut self, last: bool) -> IoResult<()> {
        let held = std::mem::take(&mut self.held);
        if let Some(stream) = &self.stream {
            let done = match self.encrypts {
                true => stream.encrypt(self.at, last, &held[..]),
                false => stream.decrypt(self.at, last, &held[..]),
            };
            self.out.extend(done.map_err(|_| damaged())?);
            self.at =
                self.at.checked_add(1).ok_or_else(|| IoError::other("the stream is too long"))?;
        } else if last || !held.starts_with(b"HXC1") {
            return Err(damaged());
        } else if !held.starts_with(&self.header) {
            // Not damage: becomes `ErrorKind::NOT_FOUND` at the boundary.
            return Err(IoError::new(
                Io::NotFound,
                "it needs another key than that in the key file",
            ));
        } else {
            self.stream = Some(StreamBE32::from_aead(self.key.clone(), held[20..].into()));
        }
        Ok(())
    }
}

impl Write for Chunks {
    fn write(&mut self, data: &[u8]) -> IoResult<usize> {
        let tag = if self.encrypts { 0 } else { 16 };
        let size = if self.stream.is_some() { CHUNK + tag } else { HEADER };
        if self.held.len() == size {
            self.next(false)?;
        }
        let n = data.len().min(size - self.held.len());
        self.held.extend(&data[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> IoResult<()> {
        Ok(())
    }
}

/// Becomes `ErrorKind::CORRUPT` at the boundary.
fn damaged() -> IoError {
    IoError::new(Io::InvalidData, "a chunk is damaged or missing")
}

export_plugin! {
    id: "frames",
    description: "Encrypts with XChaCha20-Poly1305 and a key in a file",
    encryptors: [Frames as "frames" { suffix: ".hxc", magic: "48584331" }],
}
