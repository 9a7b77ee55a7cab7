//! Parts that can only be read from their beginning: encrypted ones.

use std::{
    collections::HashMap,
    io::{self, Read},
};

use hayloft_plugin_api::{ByteRange, DecodeReader, Error, ErrorKind, Host, Result};

use super::fetch::Copy;
use crate::{backup::place, manifest::Part};

/// How many bytes tell what a stream was encoded with.
const HEAD: usize = 64;

/// How many parts of a backup are open: of one that was interrupted and gone on
/// with, the manifest goes to and fro between older and newer ones.
const MOST_OPEN: usize = 4;

/// Streams of encrypted parts, few of each backup at a time. They are read in
/// the order of the manifest, in which each goes forward.
pub(super) struct Sequential<'a> {
    host: &'a Host,
    server: &'a str,
    parts: &'a [Part],
    copies: &'a [Copy],
    open: HashMap<String, Vec<Stream>>,
}

struct Stream {
    part: u32,
    at: u64,
    reader: Box<dyn Read + Send>,
}

impl<'a> Sequential<'a> {
    /// Prepares.
    pub(super) fn new(
        host: &'a Host,
        server: &'a str,
        parts: &'a [Part],
        copies: &'a [Copy],
    ) -> Self {
        Self { host, server, parts, copies, open: HashMap::new() }
    }

    /// Tells whether a part is one of these.
    pub(super) fn is_for(&self, part: u32) -> bool {
        let part = usize::try_from(part).ok().and_then(|it| self.parts.get(it));
        part.is_some_and(|it| !it.encrypted.is_empty())
    }

    /// Reads from one place of a part to another.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`] if no key opens it, [`ErrorKind::CORRUPT`] if
    /// it is damaged.
    pub(super) fn read(&mut self, part: u32, (start, end): (u64, u64)) -> Result<Vec<u8>> {
        let known = usize::try_from(part).ok().and_then(|it| self.parts.get(it));
        let known = known.ok_or_else(|| Error::new(ErrorKind::CORRUPT, "a frame is in no part"))?;
        let about = |e: Error| {
            let kind = e.kind();
            let what = format!("cannot read part {} of backup {}", known.name, known.backup);
            e.context(what).with_kind(kind)
        };
        let open = self.open.entry(known.backup.clone()).or_default();
        let goes_on = open.iter().position(|it| it.part == part && it.at <= start);
        // The one that was used last is the last one.
        let mut stream = if let Some(at) = goes_on {
            open.remove(at)
        } else {
            open.retain(|it| it.part != part);
            if open.len() == MOST_OPEN {
                open.remove(0);
            }
            let reader = self.begin(known).map_err(about)?;
            Stream { part, at: 0, reader }
        };
        let content = stream.read(start, end).map_err(about)?;
        self.open.entry(known.backup.clone()).or_default().push(stream);
        Ok(content)
    }

    fn begin(&self, part: &Part) -> Result<Box<dyn Read + Send>> {
        let key = place::part(self.server, &part.backup, &part.name);
        let mut last = None;
        for copy in self.copies {
            match self.decrypt(copy, &key, &part.name) {
                Ok(reader) => return Ok(reader),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::msg("there is no storage")))
    }

    fn decrypt(&self, copy: &Copy, key: &str, name: &str) -> Result<Box<dyn Read + Send>> {
        let mut reader = copy.storage.get(key, ByteRange::ALL)?;
        let mut head = Vec::with_capacity(HEAD);
        reader.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
        let unknown = || {
            Error::new(ErrorKind::UNSUPPORTED, format!("no plugin can decrypt {key}"))
                .hint("`hayloft plugin list` shows the encryptors that there are")
        };
        let transform = self.host.recognise(name, &head)?.ok_or_else(unknown)?;
        let whole = io::Cursor::new(head).chain(reader);
        Ok(Box::new(DecodeReader::new(transform.decoder()?, whole)))
    }
}

impl Stream {
    fn read(&mut self, start: u64, end: u64) -> Result<Vec<u8>> {
        let skipped = io::copy(&mut (&mut self.reader).take(start - self.at), &mut io::sink())?;
        let mut content = Vec::new();
        (&mut self.reader).take(end - start).read_to_end(&mut content)?;
        self.at += skipped + content.len() as u64;
        if self.at != end {
            return Err(Error::new(ErrorKind::CORRUPT, "it is shorter than it should be"));
        }
        Ok(content)
    }
}
