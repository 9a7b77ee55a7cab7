//! Whether a file is the very one that was read before, without reading it.

use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// A file that was changed so shortly before it was looked at may be changed
/// again without a new time. Coarse clocks of kernels tick each 10 ms.
const SETTLED: Duration = Duration::from_secs(2);

/// What changes when a file is replaced or written to: the time of its last
/// change is the system's, and nobody can set it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Returns that of a file, if a change from now on would be seen.
    pub(super) fn of(metadata: &Metadata, now: SystemTime) -> Option<Self> {
        let changed = Duration::from_secs(metadata.ctime().try_into().ok()?);
        let age = now.duration_since(UNIX_EPOCH).ok()?.checked_sub(changed)?;
        (age > SETTLED).then(|| Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, thread};

    use super::*;

    #[test]
    fn whatever_is_done_to_a_file_is_seen() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        let later = SystemTime::now() + Duration::from_mins(1);
        let stamp = || Stamp::of(&fs::metadata(&path).unwrap(), later).unwrap();
        fs::write(&path, "one").unwrap();
        let before = stamp();
        assert_eq!(stamp(), before);
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        // Somebody writes to it, and sets the time back.
        thread::sleep(Duration::from_millis(20));
        fs::write(&path, "two").unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        let after = stamp();
        assert_ne!(after, before);
        // Another one under its name.
        fs::write(home.path().join("new"), "two").unwrap();
        fs::rename(home.path().join("new"), &path).unwrap();
        assert_ne!(stamp(), after);
    }

    #[test]
    fn what_was_written_just_now_or_in_the_future_has_none() {
        let file = tempfile::tempfile().unwrap();
        let metadata = file.metadata().unwrap();
        let now = SystemTime::now();
        assert_eq!(Stamp::of(&metadata, now), None);
        assert_eq!(Stamp::of(&metadata, now - Duration::from_secs(9999)), None);
        assert!(Stamp::of(&metadata, now + Duration::from_secs(9999)).is_some());
    }
}
