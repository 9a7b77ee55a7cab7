//! Writing: the entries wait in a file until the parts are known.

use std::{
    fs,
    io::{self, BufReader, BufWriter, Read, Seek, Write},
};

use blake3::Hasher;
use hayloft_plugin_api::Result;

use super::{End, Entry, Header, Line, Part};

/// How much is copied at a time, in bytes.
const BUFFER: usize = 256 << 10;

/// The entries of a backup under way, in a file that nobody else sees and that
/// vanishes with this process.
#[derive(Debug)]
pub(crate) struct Spool {
    file: BufWriter<fs::File>,
    entries: u64,
}

impl Spool {
    /// Begins in a file, which may be one without a name.
    pub(crate) fn new(file: fs::File) -> Self {
        Self { file: BufWriter::with_capacity(BUFFER, file), entries: 0 }
    }

    /// Adds an entry.
    ///
    /// # Errors
    ///
    /// If there is no room for it.
    pub(crate) fn add(&mut self, entry: Entry) -> Result<()> {
        self.entries += 1;
        let line = match entry {
            Entry::Directory(it) => Line::Directory(it),
            Entry::Tablespace(it) => Line::Tablespace(it),
            Entry::File(it) => Line::File(it),
        };
        write_line(&mut self.file, &line)
    }

    /// Writes the whole manifest.
    ///
    /// # Errors
    ///
    /// Those of the file and of `to`.
    pub(crate) fn finish(self, mut header: Header, parts: &[Part], to: impl Write) -> Result<()> {
        let mut to = Hashing { to, hasher: Hasher::new() };
        header.parts = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        write_line(&mut to, &Line::Backup(header))?;
        for part in parts {
            write_line(&mut to, &Line::Part(part.clone()))?;
        }
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        let mut entries = BufReader::with_capacity(BUFFER, file);
        copy(&mut entries, &mut to)?;
        let blake3 = to.hasher.finalize().to_hex().to_string();
        write_line(&mut to.to, &Line::End(End { entries: self.entries, blake3 }))
    }
}

fn write_line(to: &mut impl Write, line: &Line) -> Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    Ok(to.write_all(&text)?)
}

fn copy(from: &mut impl Read, to: &mut impl Write) -> Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => to.write_all(&buffer[..read])?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e.into()),
        }
    }
}

struct Hashing<W> {
    to: W,
    hasher: Hasher,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.to.write(data)?;
        self.hasher.update(&data[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
