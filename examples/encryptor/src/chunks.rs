//! The chunks of a stream.

use std::io::{Error, ErrorKind, Result, Write};

use chacha20poly1305::{
    XChaCha20Poly1305,
    aead::stream::{DecryptorBE32, EncryptorBE32},
};

use crate::Key;

pub(crate) const NONCE: usize = 19;
const MAGIC: &[u8] = b"HXC1";
const CHUNK: usize = 64 << 10;
const TAG: usize = 16;
const HEADER: usize = MAGIC.len() + TAG + NONCE;

pub(crate) struct Encoder {
    pub(crate) out: Vec<u8>,
    stream: EncryptorBE32<XChaCha20Poly1305>,
    /// Not encrypted yet: there may be more, and then it is not the last.
    held: Vec<u8>,
}

impl Encoder {
    pub(crate) fn new(key: Key, nonce: [u8; NONCE]) -> Self {
        let out = [MAGIC, &key.id, &nonce].concat();
        let stream = EncryptorBE32::from_aead(key.cipher, &nonce.into());
        Self { out, stream, held: Vec::new() }
    }

    pub(crate) fn finish(mut self) -> Result<Vec<u8>> {
        let last = self.stream.encrypt_last(self.held.as_slice()).map_err(|_| too_long())?;
        self.out.extend(last);
        Ok(self.out)
    }
}

impl Write for Encoder {
    fn write(&mut self, data: &[u8]) -> Result<usize> {
        let n = data.len().min(CHUNK + 1 - self.held.len());
        self.held.extend(&data[..n]);
        if self.held.len() > CHUNK {
            let chunk = self.stream.encrypt_next(&self.held[..CHUNK]).map_err(|_| too_long())?;
            self.out.extend(chunk);
            self.held.drain(..CHUNK);
        }
        Ok(n)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

pub(crate) struct Decoder {
    pub(crate) out: Vec<u8>,
    key: Key,
    stream: Option<DecryptorBE32<XChaCha20Poly1305>>,
    held: Vec<u8>,
}

impl Decoder {
    pub(crate) fn new(key: Key) -> Self {
        Self { out: Vec::new(), key, stream: None, held: Vec::new() }
    }

    pub(crate) fn finish(mut self) -> Result<Vec<u8>> {
        let stream = self.stream.ok_or_else(|| corrupt("the stream is cut off"))?;
        let last = stream.decrypt_last(self.held.as_slice()).map_err(|_| damaged())?;
        self.out.extend(last);
        Ok(self.out)
    }

    /// Looks at the header when it is there, wrong ones as early as possible.
    fn begin(&mut self) -> Result<()> {
        let Self { held, key, .. } = self;
        if !held.starts_with(&MAGIC[..held.len().min(MAGIC.len())]) {
            return Err(corrupt("the stream does not begin with HXC1"));
        }
        if held.len() >= HEADER {
            let (id, nonce) = held[MAGIC.len()..HEADER].split_at(TAG);
            if id != key.id {
                // Not damage: becomes `ErrorKind::NOT_FOUND` at the boundary.
                let message = "it was encrypted with another key than that in the key file";
                return Err(Error::new(ErrorKind::NotFound, message));
            }
            self.stream = Some(DecryptorBE32::from_aead(key.cipher.clone(), nonce.into()));
            held.drain(..HEADER);
        }
        Ok(())
    }
}

impl Write for Decoder {
    fn write(&mut self, data: &[u8]) -> Result<usize> {
        const MOST: usize = CHUNK + TAG;
        let n = data.len().min(MOST + 1 - self.held.len());
        self.held.extend(&data[..n]);
        if self.stream.is_none() {
            self.begin()?;
        }
        if let Some(stream) = self.stream.as_mut().filter(|_| self.held.len() > MOST) {
            self.out.extend(stream.decrypt_next(&self.held[..MOST]).map_err(|_| damaged())?);
            self.held.drain(..MOST);
        }
        Ok(n)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// `InvalidData` becomes `ErrorKind::CORRUPT` at the boundary.
fn corrupt(message: &str) -> Error {
    Error::new(ErrorKind::InvalidData, message)
}

fn damaged() -> Error {
    corrupt("a chunk is damaged or missing")
}

fn too_long() -> Error {
    Error::other("the stream is longer than 2^32 chunks")
}
