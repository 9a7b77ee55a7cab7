//! The blocks of an archive made into entries.

use std::io::{self, Read};

use tar::Header;
use thiserror::Error;

use super::{Device, Entry, Facts, Kind, Listing, Segment, Time, clean, pax, sparse, writer};

/// No header that describes a member is larger: the names of a directory with
/// a million entries fit.
const LARGEST_EXTENSION: u64 = 256 << 20;

/// How much content is read at once.
const BUFFER: usize = 256 << 10;

/// Why an archive cannot be read on.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// What it is read from failed, or a layer below is damaged.
    #[error("cannot read the archive")]
    Read(#[source] io::Error),
    /// It ends before its end mark.
    #[error("the archive ends too early: it is not whole")]
    Truncated,
    /// It is not as an archive must be.
    #[error("the archive is damaged: {what} (at byte {position})")]
    Damaged {
        /// What is wrong.
        what: &'static str,
        /// Where, in bytes from the archive's start.
        position: u64,
    },
    /// It has something that no supported program writes.
    #[error("the archive has a member of unknown type {kind:?}")]
    Unknown {
        /// The type's letter.
        kind: char,
    },
}

impl ArchiveError {
    pub(super) fn damaged(what: &'static str) -> Self {
        Self::Damaged { what, position: 0 }
    }

    fn at(self, at: u64) -> Self {
        match self {
            Self::Damaged { what, position: 0 } => Self::Damaged { what, position: at },
            other => other,
        }
    }
}

impl From<io::Error> for ArchiveError {
    fn from(error: io::Error) -> Self {
        // Our own `Error` travels inside other kinds of `io::Error`.
        if error.kind() == io::ErrorKind::UnexpectedEof && error.get_ref().is_none() {
            return Self::Truncated;
        }
        Self::Read(error)
    }
}

/// Tells whether `block` begins an archive.
pub fn is_tar(block: &[u8]) -> bool {
    block
        .first_chunk::<{ writer::BLOCK }>()
        .is_some_and(|it| checksum_is_right(it) || it.iter().all(|&b| b == 0))
}

fn checksum_is_right(block: &[u8; writer::BLOCK]) -> bool {
    let header = Header::from_byte_slice(block);
    let sum = |part: &[u8]| part.iter().map(|&b| u32::from(b)).sum::<u32>();
    let expected = sum(&block[..148]) + 8 * u32::from(b' ') + sum(&block[156..]);
    header.cksum().is_ok_and(|it| it == expected) && block.iter().any(|&b| b != 0)
}

/// Reads an archive from its start to its end.
#[derive(Debug)]
pub struct Reader<R> {
    inner: R,
    position: u64,
    /// Content of the current member that nobody has read yet.
    remaining: u64,
    segments: Option<Vec<Segment>>,
    pad: usize,
    facts: Option<Facts>,
    ended: bool,
    buffer: Vec<u8>,
}

/// What the headers before a member's own say about it.
#[derive(Default)]
struct Extended {
    records: Vec<u8>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl<R: Read> Reader<R> {
    /// Creates a reader of the plain archive that `inner` yields.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            position: 0,
            remaining: 0,
            segments: None,
            pad: 0,
            facts: None,
            ended: false,
            buffer: Vec::new(),
        }
    }

    /// Returns what the archive says about itself; known once the first
    /// member was read.
    pub fn facts(&self) -> Option<&Facts> {
        self.facts.as_ref()
    }

    /// Returns the next member, or `None` at the end. Content that was not
    /// read is passed over. At the end everything that follows has been read
    /// too, so that every layer below has checked its own end.
    ///
    /// # Errors
    ///
    /// Every [`ArchiveError`]. An archive without its end mark is truncated.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ArchiveError> {
        if self.ended {
            return Ok(None);
        }
        self.skip()?;
        let at = self.position;
        self.read_entry().map_err(|it| it.at(at))
    }

    /// Reads the content of the current member: `each` gets every piece of
    /// data and the place in the file where it belongs; what lies between is
    /// holes.
    ///
    /// # Errors
    ///
    /// Every [`ArchiveError`]; what `each` fails with as
    /// [`ArchiveError::Read`].
    pub fn content(
        &mut self,
        mut each: impl FnMut(u64, &[u8]) -> io::Result<()>,
    ) -> Result<(), ArchiveError> {
        let whole = vec![Segment { offset: 0, length: self.remaining }];
        self.buffer.resize(BUFFER, 0);
        for Segment { mut offset, length } in self.segments.take().unwrap_or(whole) {
            let mut left = length.min(self.remaining);
            while left > 0 {
                let room = usize::try_from(left).unwrap_or(usize::MAX).min(BUFFER);
                let got = self.inner.read(&mut self.buffer[..room])?;
                if got == 0 {
                    return Err(ArchiveError::Truncated);
                }
                self.position += got as u64;
                self.remaining -= got as u64;
                left -= got as u64;
                each(offset, &self.buffer[..got])?;
                offset += got as u64;
            }
        }
        Ok(())
    }

    fn skip(&mut self) -> Result<(), ArchiveError> {
        let left = self.remaining + self.pad as u64;
        let skipped = io::copy(&mut (&mut self.inner).take(left), &mut io::sink())?;
        self.position += skipped;
        (self.remaining, self.pad, self.segments) = (0, 0, None);
        if skipped < left { Err(ArchiveError::Truncated) } else { Ok(()) }
    }

    fn read_entry(&mut self) -> Result<Option<Entry>, ArchiveError> {
        let mut extended = Extended::default();
        loop {
            let Some(header) = self.header()? else { return Ok(None) };
            let kind = header.entry_type();
            match kind.as_byte() {
                b'g' => {
                    let records = self.extension(&header)?;
                    self.facts = self.facts.take().or_else(|| Facts::parse(&records));
                }
                b'x' | b'X' => extended.records = self.extension(&header)?,
                b'L' => extended.long_name = Some(text(self.extension(&header)?)),
                b'K' => extended.long_link = Some(text(self.extension(&header)?)),
                _ => return self.member(&header, &extended).map(Some),
            }
        }
    }

    /// Reads a header block; `None` at the end of the archive.
    fn header(&mut self) -> Result<Option<Header>, ArchiveError> {
        let mut block = [0; writer::BLOCK];
        self.block(&mut block)?;
        if block.iter().all(|&b| b == 0) {
            self.block(&mut block)?;
            self.ended = true;
            self.drain(&block)?;
            return Ok(None);
        }
        if !checksum_is_right(&block) {
            return Err(ArchiveError::damaged("a header's checksum is wrong"));
        }
        Ok(Some(Header::from_byte_slice(&block).clone()))
    }

    fn block(&mut self, block: &mut [u8; writer::BLOCK]) -> Result<(), ArchiveError> {
        self.inner.read_exact(block)?;
        self.position += block.len() as u64;
        Ok(())
    }

    fn drain(&mut self, last: &[u8]) -> Result<(), ArchiveError> {
        let mut buffer = vec![0; 64 << 10];
        let mut clean = last.iter().all(|&b| b == 0);
        loop {
            let got = self.inner.read(&mut buffer)?;
            if got == 0 && clean {
                return Ok(());
            }
            clean &= buffer[..got].iter().all(|&b| b == 0);
            if !clean {
                return Err(ArchiveError::damaged("there is something after its end"));
            }
        }
    }

    fn extension(&mut self, header: &Header) -> Result<Vec<u8>, ArchiveError> {
        let size = size_of(header)?;
        if size > LARGEST_EXTENSION {
            return Err(ArchiveError::damaged("a header is too large"));
        }
        let mut data = Vec::new();
        // Grows with what is really there, not with what a header claims.
        let padded = size + writer::padding(size) as u64;
        let got = (&mut self.inner).take(padded).read_to_end(&mut data)? as u64;
        self.position += got;
        if got < padded {
            return Err(ArchiveError::Truncated);
        }
        data.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        Ok(data)
    }

    fn member(&mut self, header: &Header, extended: &Extended) -> Result<Entry, ArchiveError> {
        let mut raw = Raw::new(header, extended)?;
        let real_size = raw.sparse_size()?;
        let (kind, has_content) = raw.kind(header)?;
        let stored = if has_content { raw.size } else { 0 };
        self.remaining = stored;
        self.pad = writer::padding(stored);
        let mut size = if kind == Kind::File { stored } else { 0 };
        if let (Kind::File, Some(real)) = (&kind, real_size) {
            let mut map = (&mut self.inner).take(self.remaining);
            let (segments, taken) = sparse::read(&mut map, real)?;
            self.position += taken;
            self.remaining -= taken;
            if segments.iter().map(|it| it.length).sum::<u64>() != self.remaining {
                return Err(ArchiveError::damaged("a sparse file's map does not fit its data"));
            }
            self.segments = Some(segments.clone());
            raw.segments = Some(segments);
            size = real;
        }
        raw.entry(header, kind, size)
    }
}

fn text(mut data: Vec<u8>) -> Vec<u8> {
    data.truncate(data.iter().position(|&b| b == 0).unwrap_or(data.len()));
    data
}

fn size_of(header: &Header) -> Result<u64, ArchiveError> {
    header.entry_size().map_err(|_| ArchiveError::damaged("a size is no number"))
}

/// What the headers of a member say, before it is made sense of.
struct Raw {
    path: Vec<u8>,
    link: Vec<u8>,
    size: u64,
    uid: u64,
    gid: u64,
    user: Vec<u8>,
    group: Vec<u8>,
    mtime: Time,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    dumpdir: Option<Vec<u8>>,
    comment: Option<Vec<u8>>,
    sparse: [Option<Vec<u8>>; 3],
    segments: Option<Vec<Segment>>,
}

impl Raw {
    fn new(header: &Header, extended: &Extended) -> Result<Self, ArchiveError> {
        let number = |it: io::Result<u64>| {
            it.map_err(|_| ArchiveError::damaged("a field of a header is no number"))
        };
        let seconds = number(header.mtime())?;
        let mut raw = Self {
            path: extended.long_name.clone().unwrap_or_else(|| header.path_bytes().into_owned()),
            link: extended
                .long_link
                .clone()
                .or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned))
                .unwrap_or_default(),
            size: size_of(header)?,
            uid: number(header.uid())?,
            gid: number(header.gid())?,
            user: header.username_bytes().unwrap_or_default().to_vec(),
            group: header.groupname_bytes().unwrap_or_default().to_vec(),
            // GNU's binary form of a negative number is the same bits.
            mtime: Time { seconds: seconds.cast_signed(), nanoseconds: 0 },
            xattrs: Vec::new(),
            dumpdir: None,
            comment: None,
            sparse: [const { None }; 3],
            segments: None,
        };
        for record in pax::records(&extended.records) {
            let (key, value) = record.ok_or(ArchiveError::damaged("a pax record is wrong"))?;
            raw.apply(key, value).ok_or(ArchiveError::damaged("a pax record has no number"))?;
        }
        raw.xattrs.sort();
        Ok(raw)
    }

    fn apply(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let number = || std::str::from_utf8(value).ok()?.parse::<u64>().ok();
        match key {
            b"path" => self.path = value.to_vec(),
            b"linkpath" => self.link = value.to_vec(),
            b"size" => self.size = number()?,
            b"uid" => self.uid = number()?,
            b"gid" => self.gid = number()?,
            b"uname" => self.user = value.to_vec(),
            b"gname" => self.group = value.to_vec(),
            b"mtime" => self.mtime = Time::from_pax(value)?,
            b"GNU.dumpdir" => self.dumpdir = Some(value.to_vec()),
            b"comment" => self.comment = Some(value.to_vec()),
            b"GNU.sparse.name" => self.sparse[0] = Some(value.to_vec()),
            b"GNU.sparse.major" => self.sparse[1] = Some(value.to_vec()),
            b"GNU.sparse.realsize" => self.sparse[2] = Some(value.to_vec()),
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.xattrs.push((unescape(name), value.to_vec()));
                }
            }
        }
        Some(())
    }

    fn sparse_size(&mut self) -> Result<Option<u64>, ArchiveError> {
        let [name, major, size] = std::mem::take(&mut self.sparse);
        let Some(major) = major else { return Ok(None) };
        let size = size.and_then(|it| std::str::from_utf8(&it).ok()?.parse().ok());
        let (true, Some(name), Some(size)) = (major == b"1", name, size) else {
            return Err(ArchiveError::damaged("a sparse file is of another kind than 1.0"));
        };
        self.path = name;
        Ok(Some(size))
    }

    /// Returns what the member is, and whether content follows.
    fn kind(&self, header: &Header) -> Result<(Kind, bool), ArchiveError> {
        let device = || {
            let number = |it: io::Result<Option<u32>>| {
                it.ok().flatten().ok_or(ArchiveError::damaged("a device has no number"))
            };
            Ok::<_, ArchiveError>(Device {
                major: number(header.device_major())?,
                minor: number(header.device_minor())?,
            })
        };
        let link = || {
            clean(&self.link).ok_or(ArchiveError::damaged("a hard link leads out of the archive"))
        };
        let kind = header.entry_type();
        Ok(match kind.as_byte() {
            // Before there was a type for them, directories ended in a slash.
            b'\0' | b'0' | b'7' if self.path.ends_with(b"/") => (Kind::Directory, true),
            b'\0' | b'0' | b'7' => (Kind::File, true),
            b'1' => (Kind::HardLink(link()?), false),
            b'2' => (Kind::Symlink(self.link.clone()), false),
            b'3' => (Kind::Character(device()?), false),
            b'4' => (Kind::Block(device()?), false),
            b'5' => (Kind::Directory, false),
            b'6' => (Kind::Fifo, false),
            other => return Err(ArchiveError::Unknown { kind: char::from(other) }),
        })
    }

    fn entry(self, header: &Header, kind: Kind, size: u64) -> Result<Entry, ArchiveError> {
        let leads_out = ArchiveError::damaged("the name of a member leads out of the archive");
        let id = |it: u64| {
            u32::try_from(it).map_err(|_| ArchiveError::damaged("an owner's number is too large"))
        };
        let mode =
            header.mode().map_err(|_| ArchiveError::damaged("the permissions are no number"))?;
        let comment = self.comment;
        Ok(Entry {
            path: clean(&self.path).ok_or(leads_out)?,
            listing: self
                .dumpdir
                .filter(|_| kind == Kind::Directory)
                .map(|it| Listing::parse(&it, comment.as_deref())),
            kind,
            size,
            mode: mode & 0o7777,
            uid: id(self.uid)?,
            gid: id(self.gid)?,
            user: self.user,
            group: self.group,
            mtime: self.mtime,
            xattrs: self.xattrs,
            segments: self.segments,
        })
    }
}

fn unescape(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&byte, tail)) = rest.split_first() {
        let (byte, skip) = match tail.get(..2) {
            Some(b"25") if byte == b'%' => (b'%', 2),
            Some(b"3D") if byte == b'%' => (b'=', 2),
            _ => (byte, 0),
        };
        out.push(byte);
        rest = &tail[skip..];
    }
    out
}

#[cfg(test)]
mod tests;
