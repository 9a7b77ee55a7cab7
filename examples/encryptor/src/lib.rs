//! Encrypts with XChaCha20-Poly1305 in chunks of 64 KiB (the STREAM
//! construction), with a key in a file.
//!
//! A stream is `HXC1`, 16 bytes that tell the key, 19 random bytes, and the
//! chunks, of which the last one is marked as such: none can be left out.

mod chunks;

use std::path::PathBuf;

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, OsRng, rand_core::RngCore},
};
use hayloft_plugin_api::{
    Codec, Encryptor, Error, ErrorKind, Result, StreamOptions, config::SecretSource, export_plugin,
    from_writer,
};
use serde::Deserialize;

/// The settings: `<key_file>`, which holds 64 hexadecimal digits.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    key_file: PathBuf,
}

/// The encryptor `frames`.
#[derive(Debug)]
pub struct Frames(Config);

struct Key {
    cipher: XChaCha20Poly1305,
    /// Tells which key it is, and nothing about it.
    id: Vec<u8>,
}

impl Frames {
    /// Reads the key; refuses a file that others can read.
    fn key(&self) -> Result<Key> {
        let file = SecretSource::from_parts(None, Some(self.0.key_file.clone()), None);
        let text = file.resolve()?.unwrap_or_default();
        let shown = self.0.key_file.display();
        let bytes = from_hexadecimal(text.expose()).ok_or_else(|| {
            Error::msg(format!("key file {shown} does not hold 64 hexadecimal digits"))
                .hint(format!("make one: (umask 077; openssl rand -hex 32 > {shown})"))
        })?;
        let cipher = XChaCha20Poly1305::new(&bytes.into());
        let id = cipher.encrypt(XNonce::from_slice(&[0xff; 24]), [].as_slice());
        Ok(Key { cipher, id: id.map_err(|_| Error::msg("the cipher refuses the key"))? })
    }
}

fn from_hexadecimal(text: &str) -> Option<[u8; 32]> {
    let digits = text.is_ascii().then(|| text.trim())?;
    let bytes = (0..digits.len()).step_by(2);
    let bytes: Option<Vec<u8>> =
        bytes.map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect();
    bytes?.try_into().ok()
}

impl Encryptor for Frames {
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        Ok(Self(config))
    }

    fn encoder(&self, _: StreamOptions) -> Result<Box<dyn Codec>> {
        let mut nonce = [0; chunks::NONCE];
        OsRng
            .try_fill_bytes(&mut nonce)
            .map_err(|e| Error::new(ErrorKind::TRANSIENT, format!("no random numbers: {e}")))?;
        let encoder = chunks::Encoder::new(self.key()?, nonce);
        Ok(from_writer(encoder, |it| &mut it.out, chunks::Encoder::finish))
    }

    fn decoder(&self) -> Result<Box<dyn Codec>> {
        let decoder = chunks::Decoder::new(self.key()?);
        Ok(from_writer(decoder, |it| &mut it.out, chunks::Decoder::finish))
    }
}

export_plugin! {
    id: "frames",
    description: "Encrypts with XChaCha20-Poly1305 and a key in a file",
    encryptors: [Frames as "frames" { suffix: ".hxc", magic: "48584331" }],
}
