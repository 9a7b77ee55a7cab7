//! Decrypting.
//!
//! The library reads from a reader and cannot wait for more. So it is asked
//! only when all that it will want is there: the whole header, then one whole
//! chunk and a byte more, which tells that the chunk is not the last one.

use std::{
    fmt,
    io::{self, Read},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use age::{DecryptError, Decryptor, Identity, stream::StreamReader};
use hayloft_plugin_api::{Codec, Error, ErrorKind, Op, Result, Step};

use crate::keys::AnyIdentity;

const MAGIC: &[u8] = b"age-encryption.org/v1\n";
/// The last line of the header begins with this.
const LAST_LINE: &[u8] = b"\n--- ";
/// Stands between the header and the chunks.
const NONCE: usize = 16;
/// Hundreds of recipients fit in here.
const LONGEST_HEADER: usize = 1 << 20;
const CHUNK: usize = 64 << 10;
const ENCRYPTED_CHUNK: usize = CHUNK + 16;

/// Decrypts what it is given.
pub(crate) struct AgeDecoder {
    feed: Feed,
    state: State,
    /// Decrypted bytes, of which `given` have been given out.
    ready: Vec<u8>,
    given: usize,
}

enum State {
    Header(Vec<AnyIdentity>),
    Chunks(StreamReader<Feed>),
    Done,
}

impl fmt::Debug for AgeDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgeDecoder").finish_non_exhaustive()
    }
}

/// Encrypted bytes that have come; the library has the other end.
#[derive(Debug, Clone, Default)]
struct Feed(Arc<Mutex<Gathered>>);

#[derive(Debug, Default)]
struct Gathered {
    bytes: Vec<u8>,
    read: usize,
}

impl Feed {
    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes input until there are `most` bytes.
    fn gather(&self, input: &[u8], most: usize) -> usize {
        let mut gathered = self.lock();
        let n = input.len().min(most.saturating_sub(gathered.left().len()));
        if gathered.read == gathered.bytes.len() || gathered.read > ENCRYPTED_CHUNK {
            let read = std::mem::take(&mut gathered.read);
            gathered.bytes.drain(..read);
        }
        gathered.bytes.extend_from_slice(&input[..n]);
        n
    }
}

impl Gathered {
    fn left(&self) -> &[u8] {
        &self.bytes[self.read..]
    }
}

impl Read for Feed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut gathered = self.lock();
        let n = gathered.left().read(buffer)?;
        gathered.read += n;
        Ok(n)
    }
}

impl AgeDecoder {
    pub(crate) fn new(identities: Vec<AnyIdentity>) -> Self {
        let state = State::Header(identities);
        Self { feed: Feed::default(), state, ready: Vec::new(), given: 0 }
    }

    fn give(&mut self, output: &mut [u8]) -> usize {
        let n = output.len().min(self.ready.len() - self.given);
        output[..n].copy_from_slice(&self.ready[self.given..self.given + n]);
        self.given += n;
        n
    }

    /// Decrypts the next piece if it is there. Returns false if more input is
    /// needed.
    fn advance(&mut self, ended: bool) -> Result<bool> {
        match &mut self.state {
            State::Header(identities) => {
                if !header_is_whole(self.feed.lock().left())? {
                    return if ended { Err(truncated()) } else { Ok(false) };
                }
                let decryptor = Decryptor::new(self.feed.clone()).map_err(failure)?;
                let identities = identities.iter().map(|it| &**it as &dyn Identity);
                self.state = State::Chunks(decryptor.decrypt(identities).map_err(failure)?);
            }
            State::Chunks(reader) => {
                if !ended && self.feed.lock().left().len() <= ENCRYPTED_CHUNK {
                    return Ok(false);
                }
                self.ready.resize(CHUNK, 0);
                self.given = 0;
                let n = reader.read(&mut self.ready).map_err(|e| failure(e.into()))?;
                self.ready.truncate(n);
                if n == 0 {
                    self.state = State::Done;
                }
            }
            State::Done => {}
        }
        Ok(true)
    }
}

impl Codec for AgeDecoder {
    fn step(&mut self, input: &[u8], output: &mut [u8], op: Op) -> Result<Step> {
        let mut step = Step::default();
        loop {
            step.produced += self.give(&mut output[step.produced..]);
            if self.given < self.ready.len() {
                return Ok(step);
            }
            if matches!(self.state, State::Done) {
                step.done = true;
                return Ok(step);
            }
            let most = match self.state {
                State::Header(_) => LONGEST_HEADER,
                _ => 2 * ENCRYPTED_CHUNK,
            };
            step.consumed += self.feed.gather(&input[step.consumed..], most);
            let ended = op == Op::FINISH && step.consumed == input.len();
            if !self.advance(ended)? {
                return Ok(step);
            }
        }
    }
}

/// Tells whether the header, and the nonce behind it, are there.
fn header_is_whole(bytes: &[u8]) -> Result<bool> {
    let known = bytes.len().min(MAGIC.len());
    if bytes[..known] != MAGIC[..known] {
        return Err(Error::new(ErrorKind::CORRUPT, "this is not encrypted with age"));
    }
    let last = bytes.windows(LAST_LINE.len()).position(|it| it == LAST_LINE);
    let end = last.and_then(|start| {
        let rest = &bytes[start + LAST_LINE.len()..];
        Some(start + LAST_LINE.len() + rest.iter().position(|byte| *byte == b'\n')? + 1)
    });
    match end {
        Some(end) => Ok(bytes.len() >= end + NONCE),
        None if bytes.len() >= LONGEST_HEADER => {
            Err(Error::new(ErrorKind::CORRUPT, "the header of the age stream has no end"))
        }
        None => Ok(false),
    }
}

fn truncated() -> Error {
    Error::new(ErrorKind::CORRUPT, "the age stream ends too early")
}

fn failure(error: DecryptError) -> Error {
    let corrupt = |message: &str| Error::new(ErrorKind::CORRUPT, message);
    match error {
        DecryptError::NoMatchingKeys | DecryptError::KeyDecryptionFailed => Error::new(
            ErrorKind::NOT_FOUND,
            "no identity or passphrase at hand opens the age stream",
        )
        .hint("it needs the secret key of one of those it was encrypted for"),
        DecryptError::DecryptionFailed => {
            Error::new(ErrorKind::NOT_FOUND, "the passphrase does not open the age stream")
        }
        DecryptError::InvalidMac => corrupt("the header of the age stream was changed"),
        DecryptError::InvalidHeader => corrupt("the header of the age stream is damaged"),
        DecryptError::UnknownFormat => corrupt("the age stream is of an unknown version"),
        DecryptError::ExcessiveWork { required, .. } => Error::new(
            ErrorKind::UNSUPPORTED,
            format!("the age stream demands a work factor of {required}, too much"),
        ),
        DecryptError::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof => truncated(),
        DecryptError::Io(e) => {
            Error::from(e).with_kind(ErrorKind::CORRUPT).context("the age stream is damaged")
        }
        _ => corrupt("the age stream cannot be decrypted"),
    }
}
