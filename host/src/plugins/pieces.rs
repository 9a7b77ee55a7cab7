//! Reading here and there in a file without a system call for each time.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
};

/// How much is read at a time, in bytes.
const PIECE: u64 = 16 << 10;

/// A file of which pieces are kept: looking up names in the tables of a
/// library takes a hundred small reads, of a few places. A command that must
/// start in milliseconds does that for every plugin there is.
#[derive(Debug)]
pub(super) struct Pieces<'f> {
    file: &'f File,
    size: u64,
    at: u64,
    /// By their number.
    read: BTreeMap<u64, Vec<u8>>,
}

impl<'f> Pieces<'f> {
    /// Begins at the beginning of a file of that size.
    pub(super) fn new(file: &'f File, size: u64) -> Self {
        Self { file, size, at: 0, read: BTreeMap::new() }
    }

    fn piece(&mut self, number: u64) -> io::Result<&[u8]> {
        let begin = number.saturating_mul(PIECE);
        let length = PIECE.min(self.size.saturating_sub(begin));
        let fetch = || {
            let mut piece = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            self.file.read_exact_at(&mut piece, begin)?;
            Ok::<_, io::Error>(piece)
        };
        match self.read.entry(number) {
            std::collections::btree_map::Entry::Occupied(it) => Ok(it.into_mut()),
            std::collections::btree_map::Entry::Vacant(it) => Ok(it.insert(fetch()?)),
        }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (number, within) = (self.at / PIECE, self.at % PIECE);
        let piece = self.piece(number)?;
        let rest = piece.get(usize::try_from(within).map_err(io::Error::other)?..);
        let rest = rest.unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.at += length as u64;
        Ok(length)
    }
}

impl Seek for Pieces<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = to.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_read_is_what_is_there(size in 0..100_000_usize, reads in prop::collection::vec((0..110_000_u64, 0..40_000_usize), 1..20)) {
            let bytes: Vec<u8> = (0..size).map(|it| u8::try_from(it * 7 % 251).unwrap()).collect();
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            let mut pieces = Pieces::new(&file, size as u64);
            prop_assert_eq!(pieces.seek(SeekFrom::End(0)).unwrap(), size as u64);
            for (at, length) in reads {
                pieces.seek(SeekFrom::Start(at)).unwrap();
                let mut found = Vec::new();
                (&mut pieces).take(length as u64).read_to_end(&mut found).unwrap();
                let at = usize::try_from(at).unwrap().min(size);
                prop_assert_eq!(&found[..], &bytes[at..(at + length).min(size)]);
            }
        }
    }
}
