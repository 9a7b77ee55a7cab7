//! Segments that were fetched before they were asked for: the side of `get`.
//!
//! Each directory that PostgreSQL wants segments in has a place of its own in
//! the spool. There `get` says how far it is, and a process of its own
//! (`prefetch`) keeps the next segments at hand.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime},
};

use hayloft_plugin_api::{Error, Result};
use hayloft_postgres::wal::{SegmentHeader, SegmentName, SegmentSize};

use crate::archive::Spool;
use crate::archive::deliver::Delivery;

/// What the names of places in the spool begin with.
const PREFIX: &str = "get-";
/// The file that says how far `get` is.
const POSITION: &str = "position";
/// The file that whoever fetches ahead has locked.
const LOCK: &str = "lock";
/// What is appended to the name of a segment that is being fetched.
const MARK: &str = ".mark";
/// Segments that are asked for at longer intervals need not be fetched ahead.
const BRISK: Duration = Duration::from_secs(10);
/// A place that nobody has used for so long is removed.
const OLD: Duration = Duration::from_hours(1);
/// How often it is looked whether a segment has come.
const PULSE: Duration = Duration::from_millis(2);

/// The place of one directory.
#[derive(Debug, Clone)]
pub(super) struct Ahead {
    pub(super) spool: Spool,
    /// The directory.
    pub(super) directory: PathBuf,
    log: PathBuf,
}

/// How far `get` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// The segment that was delivered last.
    pub(super) segment: SegmentName,
    /// How large segments are.
    pub(super) size: SegmentSize,
}

impl Ahead {
    /// Opens the place for a file; `None` if there can be none.
    pub(super) fn open(spool: &Spool, path: &Path) -> Option<Self> {
        Self::of(spool, path.parent()?)
    }

    /// Opens the place of a directory.
    pub(super) fn of(spool: &Spool, directory: &Path) -> Option<Self> {
        let hash = blake3::hash(directory.as_os_str().as_bytes()).to_hex();
        let log = spool.path("get.log");
        let spool = spool.below(&format!("{PREFIX}{}", &hash[..16])).ok()?;
        Some(Self { spool, directory: directory.to_owned(), log })
    }

    /// Returns where messages of what fetches ahead go.
    pub(super) fn log(&self) -> PathBuf {
        self.log.clone()
    }

    /// Delivers a segment if it is here, or will be in a moment.
    pub(super) fn take(&self, segment: SegmentName, delivery: &Delivery) -> Option<()> {
        let name = segment.to_string();
        let (here, mark) = (self.spool.path(&name), self.spool.path(&format!("{name}{MARK}")));
        while mark.exists() && !here.exists() && self.is_at_work() {
            thread::sleep(PULSE);
        }
        let delivered = Self::deliver(segment, &here, delivery);
        match delivered {
            Ok(true) => Some(()),
            Ok(false) => None,
            Err(error) => {
                tracing::info!("{name} is fetched once more: {error}");
                self.spool.remove(&name);
                None
            }
        }
    }

    /// A file here is looked at before it is believed.
    fn deliver(segment: SegmentName, here: &Path, delivery: &Delivery) -> Result<bool> {
        let mut file = match File::open(here) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other?,
        };
        let mut head = [0; SegmentHeader::BYTES];
        file.read_exact(&mut head)?;
        let header = SegmentHeader::parse(&head).map_err(|e| Error::msg(e.to_string()))?;
        header.check_name(segment).map_err(|e| Error::msg(e.to_string()))?;
        if file.metadata()?.len() != header.segment_size.bytes() {
            return Err(Error::msg(format!("{} is not whole", here.display())));
        }
        if delivery.publish(here).is_ok() {
            return Ok(true);
        }
        // Another file system.
        delivery.write(|to| Ok(io::copy(&mut File::open(here)?, to)?))?;
        fs::remove_file(here)?;
        Ok(true)
    }

    /// Notes that a segment was delivered. Tells whether another one was
    /// shortly before: then the next ones are worth fetching ahead.
    pub(super) fn advance(&self, position: Position) -> bool {
        let age = fs::metadata(self.spool.path(POSITION))
            .and_then(|it| it.modified())
            .ok()
            .and_then(|it| SystemTime::now().duration_since(it).ok());
        let text = format!("{} {}", position.segment, position.size.bytes());
        let written = self.spool.write(POSITION, text.as_bytes());
        written.is_ok() && age.is_some_and(|it| it < BRISK)
    }

    /// Returns how far `get` is.
    pub(super) fn position(&self) -> Option<Position> {
        let text = String::from_utf8(self.spool.read(POSITION)?).ok()?;
        let (segment, size) = text.split_once(' ')?;
        let size = SegmentSize::new(size.parse().ok()?).ok()?;
        Some(Position { segment: segment.parse().ok()?, size })
    }

    /// Tells whether somebody fetches ahead.
    pub(super) fn is_at_work(&self) -> bool {
        self.spool.is_locked(LOCK)
    }

    /// Takes the work of fetching ahead, unless somebody has it.
    pub(super) fn lock(&self) -> io::Result<Option<File>> {
        self.spool.lock(LOCK)
    }

    /// Returns the path of the file that says that a segment is being fetched.
    pub(super) fn mark(&self, segment: SegmentName) -> PathBuf {
        self.spool.path(&format!("{segment}{MARK}"))
    }

    /// Removes segments that are here but not among these, and what was not
    /// finished.
    pub(super) fn keep_only(&self, wanted: &[SegmentName]) {
        for name in self.spool.names() {
            let segment = name.strip_suffix(MARK).unwrap_or(&name).parse::<SegmentName>();
            if segment.is_ok_and(|it| !wanted.contains(&it)) || name.ends_with(MARK) {
                self.spool.remove(&name);
            }
        }
    }

    /// Removes the place.
    pub(super) fn close(&self) {
        self.keep_only(&[]);
        self.spool.sweep();
        self.spool.remove(POSITION);
        self.spool.remove(LOCK);
        // What somebody else has put there meanwhile is removed later.
        drop(fs::remove_dir(self.spool.path("")));
    }
}

/// Removes places that a crash has left behind.
pub(crate) fn sweep(spool: &Spool) {
    for name in spool.names().iter().filter(|it| it.starts_with(PREFIX)) {
        let modified = fs::metadata(spool.path(name)).and_then(|it| it.modified());
        let age = modified.ok().and_then(|it| SystemTime::now().duration_since(it).ok());
        if age.is_none_or(|it| it < OLD) {
            continue;
        }
        let Ok(place) = spool.below(name) else { continue };
        let ahead = Ahead { spool: place, directory: PathBuf::new(), log: PathBuf::new() };
        if !ahead.is_at_work() {
            ahead.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_kept_and_tells_whether_segments_follow_each_other() {
        let home = tempfile::tempdir().unwrap();
        let ahead = Ahead::of(&Spool::at(home.path()).unwrap(), Path::new("/data/pg_wal")).unwrap();
        assert_eq!(ahead.position(), None);
        let segment: SegmentName = "00000001000000010000000A".parse().unwrap();
        let position = Position { segment, size: SegmentSize::MIN };
        assert!(!ahead.advance(position));
        assert!(ahead.advance(position));
        assert_eq!(ahead.position(), Some(position));
        assert!(!ahead.is_at_work());
        let lock = ahead.lock().unwrap();
        assert!(lock.is_some() && ahead.is_at_work() && ahead.lock().unwrap().is_none());
        drop(lock);
        ahead.close();
        assert!(!ahead.spool.path("").exists());
    }

    #[test]
    fn what_is_no_whole_segment_is_not_delivered() {
        let home = tempfile::tempdir().unwrap();
        let ahead = Ahead::of(&Spool::at(home.path()).unwrap(), home.path()).unwrap();
        let segment: SegmentName = "000000010000000000000001".parse().unwrap();
        let target = home.path().join("RECOVERYXLOG");
        for content in [&b""[..], b"short", &vec![0; 1 << 20]] {
            fs::write(ahead.spool.path(&segment.to_string()), content).unwrap();
            assert_eq!(ahead.take(segment, &Delivery::to(&target)), None);
            assert!(!target.exists() && !ahead.spool.path(&segment.to_string()).exists());
        }
    }
}
