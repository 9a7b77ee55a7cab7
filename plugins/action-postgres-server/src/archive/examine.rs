//! Reading a copy of a file to its last bit, and telling what is wrong.

use std::io::{self, Read};

use hayloft_plugin_api::{ByteRange, Error, ErrorKind, Result};
use hayloft_postgres::wal::{FileName, History, RecordCheck, SegmentHeader, WalDamage, Walked};

use super::{Archive, Stored, compare, digest, pace::Pace, read, source};

/// How much is in memory at a time, in bytes.
const BUFFER: usize = 256 << 10;
/// What is kept of the content of histories and labels, in bytes.
const MOST_TEXT: usize = 64 << 10;

/// What is in a copy.
#[derive(Debug)]
pub(crate) struct Examined {
    /// Bytes of content.
    pub(crate) length: u64,
    /// BLAKE3 of the content, in hexadecimal digits.
    pub(crate) content: String,
    /// Of a segment, whole or partial.
    pub(crate) header: Option<SegmentHeader>,
    /// Of a segment: what a walk through its records found.
    pub(crate) walked: Option<Walked>,
    /// Of a history or label, its text.
    pub(crate) text: Option<String>,
}

/// Why a copy is not what it should be.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It is damaged.
    Damaged(String),
    /// No key that is here opens it. `intact`: its bytes are those that were
    /// written, as far as is known.
    NoKey {
        /// What was tried.
        why: String,
        /// Whether a note of its bytes agrees with them; nothing without one.
        intact: Option<bool>,
    },
    /// The storage, or what would decode it, did not do its work.
    Unreadable(String),
    /// It was removed while it was looked at.
    Gone,
}

impl Fault {
    /// The word for it, for programs.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Damaged(_) => "damaged",
            Self::NoKey { .. } => "no_key",
            Self::Unreadable(_) => "unreadable",
            Self::Gone => "gone",
        }
    }

    /// What is wrong, for people.
    pub(crate) fn why(&self) -> String {
        match self {
            Self::NoKey { why, intact: Some(true) } => {
                format!("{why} (its bytes are those that were written)")
            }
            Self::Damaged(why) | Self::Unreadable(why) | Self::NoKey { why, .. } => why.clone(),
            Self::Gone => "it was removed meanwhile".to_owned(),
        }
    }

    /// Tells whether nothing speaks against the copy but that it cannot be
    /// read here.
    pub(crate) fn is_only_locked(&self) -> bool {
        matches!(self, Self::NoKey { intact: Some(true), .. })
    }
}

impl Archive<'_> {
    /// Reads a copy and checks all of it: what encodes it, its header, its
    /// length, every record. Where the way to its timeline is known, each page
    /// must be of the right one.
    ///
    /// # Errors
    ///
    /// [`Fault`]. A segment whose log ends before it does is none: see
    /// [`Walked::ended`].
    pub(crate) fn examine(
        &self,
        copy: &Stored,
        history: Option<&History>,
        pace: &Pace,
    ) -> Result<Examined, Fault> {
        self.examined(copy, history, pace).map_err(|error| self.fault(copy, &error, pace))
    }

    fn examined(&self, copy: &Stored, history: Option<&History>, pace: &Pace) -> Result<Examined> {
        let raw = self.storage(&copy.storage)?.get(&copy.object.key, ByteRange::ALL)?;
        let mut reader = read::decoded(self.host, &copy.object.key, Box::new(pace.reader(raw)))?;
        let mut content = Content::new(copy.name, history);
        let mut buffer = vec![0; BUFFER];
        loop {
            let read = compare::full(&mut reader, &mut buffer)?;
            content.take(&buffer[..read])?;
            if read < buffer.len() {
                return content.finish();
            }
        }
    }

    fn fault(&self, copy: &Stored, error: &Error, pace: &Pace) -> Fault {
        let why = error.to_string();
        let there = || {
            let storage = self.storage(&copy.storage)?;
            storage.stat(&copy.object.key).map(|it| it.is_some())
        };
        match error.kind() {
            ErrorKind::CORRUPT => Fault::Damaged(why),
            ErrorKind::NOT_FOUND => match there() {
                Ok(true) => self.locked(copy, why, pace),
                Ok(false) => Fault::Gone,
                Err(error) => Fault::Unreadable(error.to_string()),
            },
            _ => Fault::Unreadable(why),
        }
    }

    /// What can be told of a copy that cannot be decrypted: by what was noted
    /// of its bytes when they were written.
    fn locked(&self, copy: &Stored, why: String, pace: &Pace) -> Fault {
        let noted = self.storage(&copy.storage).and_then(|storage| {
            let raw = storage.get(&copy.object.key, ByteRange::ALL)?;
            digest::intact(storage, &self.server.name, copy.name, &mut pace.reader(raw))
        });
        match noted {
            Ok(Some(false)) => Fault::Damaged(
                "its bytes are not those that were written, and no key opens it".to_owned(),
            ),
            Ok(intact) => Fault::NoKey { why, intact },
            Err(error) => Fault::Unreadable(error.to_string()),
        }
    }
}

/// Content that is being read.
struct Content<'h> {
    name: FileName,
    history: Option<&'h History>,
    length: u64,
    hasher: blake3::Hasher,
    header: Option<SegmentHeader>,
    check: Option<RecordCheck>,
    text: Vec<u8>,
}

impl<'h> Content<'h> {
    fn new(name: FileName, history: Option<&'h History>) -> Self {
        let hasher = blake3::Hasher::new();
        Self { name, history, length: 0, hasher, header: None, check: None, text: Vec::new() }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        match self.name {
            FileName::Segment(name) | FileName::Partial(name) => {
                if self.length == 0 {
                    let header = source::check_head(bytes, name).map_err(read::damaged)?;
                    self.header = Some(header);
                    self.check = Some(RecordCheck::new(name, &header, self.history));
                }
                if let Some(check) = &mut self.check {
                    check.feed(bytes);
                }
            }
            FileName::History(_) | FileName::Backup { .. } => {
                let room = MOST_TEXT.saturating_sub(self.text.len()).min(bytes.len());
                self.text.extend_from_slice(&bytes[..room]);
            }
        }
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn finish(self) -> Result<Examined> {
        read::check_length(self.name, self.length, self.header.as_ref())?;
        let walked = self.check.map(RecordCheck::finish).transpose();
        let walked = walked.map_err(|it: WalDamage| read::damaged(it.to_string()))?;
        if let FileName::History(timeline) = self.name {
            History::parse(timeline, &self.text).map_err(|e| read::damaged(e.to_string()))?;
        }
        let has_text = walked.is_none();
        Ok(Examined {
            length: self.length,
            content: self.hasher.finalize().to_hex().to_string(),
            header: self.header,
            walked,
            text: has_text.then(|| String::from_utf8_lossy(&self.text).into_owned()),
        })
    }
}

/// Reads everything, and tells the hash of it in hexadecimal digits.
pub(super) fn hash(reader: &mut dyn Read) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = compare::full(reader, &mut buffer)?;
        hasher.update(&buffer[..read]);
        if read < buffer.len() {
            return Ok(hasher.finalize().to_hex().to_string());
        }
    }
}
