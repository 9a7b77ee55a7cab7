//! The directory that WAL is received into.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::error::ReceiveError;
use crate::wal::{FileName, SegmentName, SegmentSize};

/// The newest segment of a directory, whole or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newest {
    /// Which.
    pub segment: SegmentName,
    /// Whether it is whole.
    pub whole: bool,
    /// The file.
    pub path: PathBuf,
}

/// The directory that WAL is received into. What is in it belongs to one
/// server.
#[derive(Debug, Clone)]
pub struct StreamingDirectory {
    path: PathBuf,
}

impl StreamingDirectory {
    /// Makes it if need be, with mode 0700.
    ///
    /// # Errors
    ///
    /// [`ReceiveError::Directory`].
    pub fn open(path: &Path) -> Result<Self, ReceiveError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|e| ReceiveError::directory("make", path, e))?;
        Ok(Self { path: path.to_owned() })
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of a file in it.
    pub fn file(&self, name: FileName) -> PathBuf {
        self.path.join(name.to_string())
    }

    /// Finds the newest segment: of the highest timeline, and there with the
    /// highest number; a whole one before one that is not. Compressed ones
    /// count, as `pg_receivewal` makes them.
    ///
    /// # Errors
    ///
    /// [`ReceiveError::Directory`].
    pub fn newest(&self) -> Result<Option<Newest>, ReceiveError> {
        let failed = |e| ReceiveError::directory("read", &self.path, e);
        let mut newest: Option<Newest> = None;
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let parsed = name.to_str().and_then(FileName::parse_compressed);
            let (segment, whole) = match parsed {
                Some((FileName::Segment(it), _)) => (it, true),
                Some((FileName::Partial(it), _)) => (it, false),
                _ => continue,
            };
            let better = newest.as_ref().is_none_or(|it| (segment, whole) > (it.segment, it.whole));
            if better {
                newest = Some(Newest { segment, whole, path: entry.path() });
            }
        }
        Ok(newest)
    }

    /// Demands that the newest segment is of this size, if it is whole and not
    /// compressed.
    pub(super) fn check_size(newest: &Newest, size: SegmentSize) -> Result<(), ReceiveError> {
        let plain = FileName::Segment(newest.segment).to_string();
        if !newest.whole || newest.path.file_name().is_none_or(|it| it != plain.as_str()) {
            return Ok(());
        }
        let meta = fs::metadata(&newest.path);
        let meta = meta.map_err(|e| ReceiveError::directory("look at", &newest.path, e))?;
        if meta.len() == size.bytes() {
            return Ok(());
        }
        Err(ReceiveError::wrong_size(newest.path.clone(), meta.len(), size))
    }

    /// Says that a segment is the next one: an empty `….partial`, unless it is
    /// there already. Durable when this returns.
    ///
    /// # Errors
    ///
    /// [`ReceiveError::Directory`].
    pub fn begin(&self, segment: SegmentName) -> Result<PathBuf, ReceiveError> {
        let path = self.file(FileName::Partial(segment));
        let mut options = OpenOptions::new();
        let made = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
        made.map_err(|e| ReceiveError::directory("make", &path, e))?;
        self.sync()?;
        Ok(path)
    }

    /// Stores a history file, whole and durable. The same once more is fine.
    pub(super) fn put_history(&self, name: FileName, content: &[u8]) -> Result<(), ReceiveError> {
        let path = self.file(name);
        match fs::read(&path) {
            Ok(there) if there == content => return Ok(()),
            Ok(_) => return Err(ReceiveError::OtherHistory { timeline: name.timeline(), path }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(ReceiveError::directory("read", path, e)),
        }
        let temporary = self.path.join(format!(".{name}.new"));
        let write = || {
            let mut options = OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        };
        write().map_err(|e| {
            // What stays is written over the next time.
            drop(fs::remove_file(&temporary));
            ReceiveError::directory("write", &path, e)
        })?;
        self.sync()
    }

    /// Makes the names in it durable.
    pub(super) fn sync(&self) -> Result<(), ReceiveError> {
        let synced = File::open(&self.path).and_then(|it| it.sync_all());
        synced.map_err(|e| ReceiveError::directory("sync", &self.path, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::TimelineId;

    fn directory(names: &[&str]) -> (tempfile::TempDir, StreamingDirectory) {
        let place = tempfile::tempdir().unwrap();
        let directory = StreamingDirectory::open(&place.path().join("a/streaming")).unwrap();
        for name in names {
            fs::write(directory.path().join(name), "").unwrap();
        }
        (place, directory)
    }

    #[test]
    fn the_newest_is_of_the_highest_timeline_and_a_whole_one_wins() {
        type Case = (&'static [&'static str], Option<(&'static str, bool)>);
        let cases: [Case; 6] = [
            (&[], None),
            (&["00000002.history", ".x", "junk", "00000001000000000000000Z"], None),
            (
                &["000000010000000000000001", "000000010000000000000002.partial"],
                Some(("000000010000000000000002", false)),
            ),
            (
                &["000000010000000000000002", "000000010000000000000002.partial"],
                Some(("000000010000000000000002", true)),
            ),
            (
                &["000000020000000000000002.partial", "000000010000000000000009"],
                Some(("000000020000000000000002", false)),
            ),
            (
                &["000000010000000000000002.gz", "000000010000000000000003.gz.partial"],
                Some(("000000010000000000000003", false)),
            ),
        ];
        for (names, expected) in cases {
            let (_place, directory) = directory(names);
            let found = directory.newest().unwrap();
            let found = found.map(|it| (it.segment.to_string(), it.whole));
            assert_eq!(found, expected.map(|(name, whole)| (name.to_owned(), whole)), "{names:?}");
        }
    }

    #[test]
    fn a_whole_segment_has_the_size_of_the_servers() {
        let (_place, directory) = directory(&["000000010000000000000001"]);
        let newest = directory.newest().unwrap().unwrap();
        let wrong = StreamingDirectory::check_size(&newest, SegmentSize::MIN);
        assert!(matches!(wrong, Err(ReceiveError::WrongSize { found: 0, .. })), "{wrong:?}");
        fs::write(&newest.path, vec![1; 1 << 20]).unwrap();
        StreamingDirectory::check_size(&newest, SegmentSize::MIN).unwrap();
        let partial = Newest { whole: false, ..newest };
        StreamingDirectory::check_size(&partial, SegmentSize::DEFAULT).unwrap();
    }

    #[test]
    fn a_history_is_stored_once_and_never_replaced() {
        let (_place, directory) = directory(&[]);
        let name = FileName::History(TimelineId::new(2).unwrap());
        directory.put_history(name, b"1\t0/3000000\twhy\n").unwrap();
        directory.put_history(name, b"1\t0/3000000\twhy\n").unwrap();
        let other = directory.put_history(name, b"1\t0/4000000\twhy\n");
        assert!(matches!(other, Err(ReceiveError::OtherHistory { .. })), "{other:?}");
        assert_eq!(fs::read(directory.file(name)).unwrap(), b"1\t0/3000000\twhy\n");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn beginning_a_segment_keeps_what_is_there() {
        let (_place, directory) = directory(&[]);
        let segment = "000000010000000000000001".parse().unwrap();
        let path = directory.begin(segment).unwrap();
        fs::write(&path, "wal").unwrap();
        assert_eq!(directory.begin(segment).unwrap(), path);
        assert_eq!(fs::read(path).unwrap(), b"wal");
    }
}
