//! The segment that is being received, and those it follows.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::PathBuf,
};

use rustix::fs::{FallocateFlags, fallocate};

use super::{directory::StreamingDirectory, error::ReceiveError};
use crate::wal::{FileName, Lsn, SegmentName, SegmentSize, TimelineId};

/// Writes WAL of one timeline into segments, one after the other.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    directory: &'a StreamingDirectory,
    size: SegmentSize,
    /// The segment that is being received.
    segment: SegmentName,
    path: PathBuf,
    file: File,
    /// Whether its room was taken.
    allocated: bool,
    /// Whether the system may have dropped something that was written: then
    /// nothing here becomes durable any more, whatever a later sync says.
    failed: bool,
    /// Where the next byte goes.
    position: Lsn,
    /// Up to where everything is durable, names included.
    flushed: Lsn,
}

impl<'a> Writer<'a> {
    /// Opens the segment that begins at `start`; what is in it is written over
    /// as it comes again.
    pub(super) fn open(
        directory: &'a StreamingDirectory,
        timeline: TimelineId,
        start: Lsn,
        size: SegmentSize,
    ) -> Result<Self, ReceiveError> {
        let segment = SegmentName::containing(start, timeline, size);
        let path = directory.begin(segment)?;
        let file = open(&path)?;
        let start = segment.start(size)?;
        Ok(Self {
            directory,
            size,
            segment,
            path,
            file,
            allocated: false,
            failed: false,
            position: start,
            flushed: start,
        })
    }

    /// Returns where the next byte goes.
    pub(super) fn position(&self) -> Lsn {
        self.position
    }

    /// Returns up to where everything is durable.
    pub(super) fn flushed(&self) -> Lsn {
        self.flushed
    }

    /// Tells whether something was written and is not durable.
    pub(super) fn is_dirty(&self) -> bool {
        self.flushed < self.position
    }

    /// Writes what comes next, and returns the segments that are whole now:
    /// they are durable, and the one after them has begun.
    pub(super) fn write(&mut self, mut data: &[u8]) -> Result<Vec<SegmentName>, ReceiveError> {
        let mut whole = Vec::new();
        while !data.is_empty() {
            self.usable()?;
            self.allocate()?;
            let offset = self.position.offset(self.size);
            let room = usize::try_from(self.size.bytes() - offset).unwrap_or(usize::MAX);
            let (now, later) = data.split_at(room.min(data.len()));
            let written = self.file.write_all_at(now, offset);
            written.map_err(|e| ReceiveError::directory("write", &self.path, e))?;
            self.position = Lsn::new(self.position.bytes() + now.len() as u64);
            data = later;
            if self.position.offset(self.size) == 0 {
                whole.push(self.finish()?);
            }
        }
        Ok(whole)
    }

    /// Makes everything durable that was written.
    pub(super) fn sync(&mut self) -> Result<(), ReceiveError> {
        if self.is_dirty() {
            self.sync_file()?;
            self.flushed = self.position;
        }
        Ok(())
    }

    /// Nothing more is done with it after a failure: a segment is received
    /// again, from its beginning.
    fn usable(&self) -> Result<(), ReceiveError> {
        if !self.failed {
            return Ok(());
        }
        let again = io::Error::other("it failed before");
        Err(ReceiveError::directory("sync", &self.path, again))
    }

    fn sync_file(&mut self) -> Result<(), ReceiveError> {
        self.usable()?;
        self.failed = true;
        let synced = self.file.sync_data();
        synced.map_err(|e| ReceiveError::directory("sync", &self.path, e))?;
        self.failed = false;
        Ok(())
    }

    /// Returns the segment that is being received.
    pub(super) fn segment(&self) -> SegmentName {
        self.segment
    }

    /// Ends it: makes everything durable. Tells whether nothing is in the last
    /// segment, so that its file says nothing to anybody.
    pub(super) fn close(mut self) -> Result<bool, ReceiveError> {
        self.sync()?;
        let meta = self.file.metadata();
        let meta = meta.map_err(|e| ReceiveError::directory("look at", &self.path, e))?;
        Ok(meta.len() == 0)
    }

    /// Takes the room for a segment beforehand: a full disk is noticed before
    /// anything of it has come, and the file has the size that servers want of
    /// a segment from the start.
    fn allocate(&mut self) -> Result<(), ReceiveError> {
        if self.allocated {
            return Ok(());
        }
        let size = self.size.bytes();
        let failed = |e| ReceiveError::directory("take room for", &self.path, e);
        let found = self.file.metadata().map_err(failed)?.len();
        if found > size {
            return Err(ReceiveError::wrong_size(self.path.clone(), found, self.size));
        }
        match fallocate(&self.file, FallocateFlags::empty(), 0, size) {
            Ok(()) => {}
            // Not every file system can.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
                self.file.set_len(size).map_err(failed)?;
            }
            Err(e) => return Err(failed(e.into())),
        }
        self.allocated = true;
        Ok(())
    }

    /// The segment is whole: gives it its name, and begins the next one. Only
    /// then may the server hear that it is safe, as it may then remove it.
    fn finish(&mut self) -> Result<SegmentName, ReceiveError> {
        let whole = self.segment;
        self.sync_file()?;
        // Until everything below is done.
        self.failed = true;
        let name = self.directory.file(FileName::Segment(whole));
        let named = fs::rename(&self.path, &name);
        named.map_err(|e| ReceiveError::directory("give its name to", name, e))?;
        let next = whole.next(self.size)?;
        // This syncs the directory too.
        let path = self.directory.begin(next)?;
        self.file = open(&path)?;
        self.path = path;
        self.segment = next;
        self.allocated = false;
        self.failed = false;
        self.flushed = self.position;
        Ok(whole)
    }
}

fn open(path: &PathBuf) -> Result<File, ReceiveError> {
    let mut options = OpenOptions::new();
    let opened = options.read(true).write(true).mode(0o600).open(path);
    opened.map_err(|e| ReceiveError::directory("open", path, e))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::*;

    const SIZE: SegmentSize = SegmentSize::MIN;
    const MIB: usize = 1 << 20;

    fn directory() -> (tempfile::TempDir, StreamingDirectory) {
        let place = tempfile::tempdir().unwrap();
        let directory = StreamingDirectory::open(place.path()).unwrap();
        (place, directory)
    }

    fn names(directory: &StreamingDirectory) -> Vec<String> {
        let entries = fs::read_dir(directory.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn wal(length: usize) -> Vec<u8> {
        (0..length).map(|i| u8::try_from(i % 251).unwrap()).collect()
    }

    fn writer(directory: &StreamingDirectory, start: u64) -> Writer<'_> {
        Writer::open(directory, TimelineId::FIRST, Lsn::new(start), SIZE).unwrap()
    }

    #[test]
    fn a_segment_has_its_name_when_it_is_whole_and_the_next_has_begun() {
        let (_place, directory) = directory();
        let mut writer = writer(&directory, 5 << 20);
        let data = wal(MIB + 10);
        assert!(writer.write(&data[..MIB - 1]).unwrap().is_empty());
        assert_eq!(names(&directory), ["000000010000000000000005.partial"]);
        assert!(writer.is_dirty());
        assert_eq!(writer.flushed(), Lsn::new(5 << 20));
        let whole = writer.write(&data[MIB - 1..]).unwrap();
        assert_eq!(whole.len(), 1);
        assert_eq!(writer.flushed(), Lsn::new(6 << 20), "not the ten bytes behind it");
        writer.sync().unwrap();
        assert_eq!(writer.flushed(), Lsn::new((6 << 20) + 10));
        let whole = directory.file(FileName::Segment(whole[0]));
        assert_eq!(fs::read(&whole).unwrap(), data[..MIB]);
        assert_eq!(fs::metadata(&whole).unwrap().permissions().mode() & 0o777, 0o600);
        let partial = fs::read(directory.path().join("000000010000000000000006.partial")).unwrap();
        assert_eq!((partial.len(), &partial[..10]), (MIB, &data[MIB..]));
        assert!(partial[10..].iter().all(|it| *it == 0));
        assert!(!writer.close().unwrap());
    }

    #[test]
    fn what_was_received_before_stays_until_it_comes_again() {
        let (_place, directory) = directory();
        let data = wal(MIB);
        let mut first = writer(&directory, 0);
        first.write(&data[..1000]).unwrap();
        drop(first);
        let mut second = writer(&directory, 500);
        assert_eq!(second.position(), Lsn::ZERO, "from the segment's beginning");
        second.write(&data[..100]).unwrap();
        let there = fs::read(directory.path().join("000000010000000000000000.partial")).unwrap();
        assert_eq!(there[..1000], data[..1000]);
        assert_eq!(second.write(&data[100..]).unwrap().len(), 1);
        let whole = fs::read(directory.path().join("000000010000000000000000")).unwrap();
        assert!(whole == data);
    }

    #[test]
    fn a_segment_of_which_nothing_came_is_told_at_the_end() {
        let (_place, directory) = directory();
        let mut writer = writer(&directory, 0);
        writer.write(&wal(2 * MIB)).unwrap();
        assert_eq!(writer.segment().to_string(), "000000010000000000000002");
        assert!(writer.close().unwrap());
    }

    #[test]
    fn nothing_is_claimed_after_a_failure() {
        let (place, directory) = directory();
        let mut writer = writer(&directory, 0);
        writer.write(&wal(MIB - 10)).unwrap();
        writer.sync().unwrap();
        let safe = writer.flushed();
        // The segment cannot get its name.
        fs::remove_dir_all(place.path()).unwrap();
        writer.write(&wal(100)).unwrap_err();
        for _ in 0..2 {
            writer.sync().unwrap_err();
            writer.write(b"x").unwrap_err();
            assert_eq!(writer.flushed(), safe);
        }
    }

    #[test]
    fn a_file_that_is_too_large_is_no_segment() {
        let (_place, directory) = directory();
        fs::write(directory.path().join("000000010000000000000000.partial"), wal(MIB + 1)).unwrap();
        let error = writer(&directory, 0).write(b"x").unwrap_err();
        assert!(matches!(error, ReceiveError::WrongSize { .. }), "{error:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn pieces_of_any_length_make_the_same_segments(
            lengths in prop::collection::vec(1..400_000usize, 1..12),
        ) {
            let (_place, directory) = directory();
            let data = wal(lengths.iter().sum());
            let mut writer = writer(&directory, 0);
            let (mut at, mut whole) = (0, 0);
            for length in lengths {
                whole += writer.write(&data[at..at + length]).unwrap().len();
                at += length;
            }
            prop_assert_eq!(whole, data.len() / MIB);
            let mut all = Vec::new();
            for name in names(&directory) {
                all.extend(fs::read(directory.path().join(name)).unwrap());
            }
            prop_assert!(all[..data.len()] == data[..]);
        }
    }
}
