//! What an earlier run left under the name of a dump that has failed.

use std::{fs, io, path::Path, time::SystemTime};

/// The indicator that the collect directory was staged.
const STAGED: &str = "cback.stage";

/// What became of an earlier dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leftover {
    /// There was none.
    Absent,
    /// It was staged already; the copy that would be taken for today's has
    /// been removed.
    Removed,
    /// It was never staged, so it may be the only one; it was kept.
    Kept,
}

/// Removes the earlier dump `file` of `directory` if it has been staged: it
/// would be staged once more, as that of another day.
///
/// # Errors
///
/// If it cannot be removed.
pub(crate) fn remove_if_staged(directory: &Path, file: &str) -> io::Result<Leftover> {
    let path = directory.join(file);
    let Some(made) = modified(&path)? else { return Ok(Leftover::Absent) };
    match modified(&directory.join(STAGED))? {
        Some(staged) if made <= staged => fs::remove_file(&path).map(|()| Leftover::Removed),
        _ => Ok(Leftover::Kept),
    }
}

fn modified(path: &Path) -> io::Result<Option<SystemTime>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.modified().map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, time::Duration};

    use super::*;

    #[test]
    fn only_what_was_staged_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str, seconds: u64| {
            let file = File::create(directory.path().join(name)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        };
        let found = |name: &str| remove_if_staged(directory.path(), name).unwrap();

        at("old", 100);
        assert_eq!(found("old"), Leftover::Kept);
        at(STAGED, 200);
        at("new", 300);
        assert_eq!(found("old"), Leftover::Removed);
        assert_eq!(found("new"), Leftover::Kept);
        assert_eq!(found("none"), Leftover::Absent);
        assert!(!directory.path().join("old").exists());
    }
}
