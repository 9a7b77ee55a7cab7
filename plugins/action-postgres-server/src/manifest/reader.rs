//! Reading, a line at a time.

use std::io::{BufRead, BufReader, Read};

use blake3::Hasher;
use hayloft_plugin_api::{Error, ErrorKind, Result};

use super::{End, Entry, FORMAT, FRAME, File, Frame, Header, Line, Part};

/// More than a line has: that of a file of some 2 TiB.
const LONGEST: u64 = 256 << 20;
const BUFFER: usize = 256 << 10;

/// Reads a manifest. The head is read, and can be trusted to be of a manifest;
/// that all of it is there and undamaged is known when [`Reader::next`] has
/// returned `None`.
pub(crate) struct Reader {
    from: BufReader<Box<dyn Read + Send>>,
    hasher: Hasher,
    line: Vec<u8>,
    header: Header,
    parts: Vec<Part>,
    entries: u64,
    ended: bool,
    digest: String,
}

impl Reader {
    /// Reads the head: the header and the table of parts.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UNSUPPORTED`] for a manifest of a later release,
    /// [`ErrorKind::CORRUPT`] for anything else, and those of reading.
    pub(crate) fn open(from: Box<dyn Read + Send>) -> Result<Self> {
        let mut it = Self {
            from: BufReader::with_capacity(BUFFER, from),
            hasher: Hasher::new(),
            line: Vec::new(),
            header: Header::nothing(),
            parts: Vec::new(),
            entries: 0,
            ended: false,
            digest: String::new(),
        };
        match it.read_line(true)? {
            Line::Backup(header) => it.header = header,
            _ => return Err(corrupt("the manifest has no header")),
        }
        if it.header.format > FORMAT {
            let message = format!("the manifest has format {}", it.header.format);
            return Err(Error::new(ErrorKind::UNSUPPORTED, message)
                .hint("it was written by a later release of Hayloft: use that one"));
        }
        if it.header.frame != FRAME {
            return Err(corrupt("the manifest has frames of another size"));
        }
        for _ in 0..it.header.parts {
            match it.read_line(true)? {
                Line::Part(part) => it.parts.push(part),
                _ => return Err(corrupt("the manifest's table of parts is too short")),
            }
        }
        Ok(it)
    }

    /// Returns what the backup is of.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the objects that frames lie in.
    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Returns the hash of the whole manifest, in hexadecimal digits, when its
    /// end was reached.
    pub(crate) fn digest(&self) -> String {
        self.digest.clone()
    }

    /// Returns the next entry; `None` at the end of a manifest that was found
    /// to be whole.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CORRUPT`] if it is damaged, and those of reading.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>> {
        if self.ended {
            return Ok(None);
        }
        let before = self.hasher.clone();
        let entry = match self.read_line(false)? {
            Line::Directory(it) => Entry::Directory(it),
            Line::Tablespace(it) => Entry::Tablespace(it),
            Line::File(it) => Entry::File(it),
            Line::End(end) => return self.end(&end, &before).map(|()| None),
            Line::Backup(_) | Line::Part(_) => return Err(corrupt("the manifest has two heads")),
        };
        self.entries += 1;
        let problem = entry.problem().or_else(|| match &entry {
            Entry::File(file) => self.lost_frame(file),
            _ => None,
        });
        match problem {
            None => Ok(Some(entry)),
            Some(problem) => Err(corrupt(&format!("the manifest is damaged: {problem}"))),
        }
    }

    fn end(&mut self, end: &End, before: &Hasher) -> Result<()> {
        let mut more = [0];
        if before.finalize().to_hex().as_str() != end.blake3 || self.entries != end.entries {
            return Err(corrupt("the manifest is damaged: its hash is another one"));
        }
        if self.from.read(&mut more)? != 0 {
            return Err(corrupt("the manifest goes on behind its end"));
        }
        self.ended = true;
        self.digest.clone_from(&end.blake3);
        Ok(())
    }

    fn lost_frame(&self, file: &File) -> Option<String> {
        let lost = |part: &u32| usize::try_from(*part).is_ok_and(|it| it >= self.parts.len());
        let part = file.frames.iter().flat_map(Frame::places).map(|it| it.part).find(lost)?;
        Some(format!(
            "{} refers to part {part}, which it does not have",
            file.path.path().display()
        ))
    }

    fn read_line(&mut self, in_head: bool) -> Result<Line> {
        self.line.clear();
        let read = (&mut self.from).take(LONGEST).read_until(b'\n', &mut self.line)?;
        if read == 0 || self.line.last() != Some(&b'\n') {
            return Err(corrupt("the manifest ends too early"));
        }
        let line = serde_json::from_slice(&self.line).map_err(|e| {
            let what = if in_head { "the head of the manifest" } else { "the manifest" };
            corrupt(&format!("{what} is damaged: {e}"))
        })?;
        self.hasher.update(&self.line);
        Ok(line)
    }
}

impl Header {
    fn nothing() -> Self {
        Self {
            format: 0,
            id: String::new(),
            server: String::new(),
            system_identifier: 0,
            version: 0,
            checksums: false,
            segment_size: 0,
            method: String::new(),
            data: super::Name::default(),
            owner: None,
            frame: 0,
            parent: None,
            databases: Vec::new(),
            subscriptions: Vec::new(),
            resumed: false,
            parts: 0,
        }
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("header", &self.header).finish_non_exhaustive()
    }
}

fn corrupt(message: &str) -> Error {
    Error::new(ErrorKind::CORRUPT, message)
}
