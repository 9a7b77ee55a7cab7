//! Label and tablespace map as files.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::error::SnapshotError;

/// The name of the file that makes a copy a backup.
pub const LABEL: &str = "backup_label";
/// The name of the file that says where tablespaces were.
pub const TABLESPACE_MAP: &str = "tablespace_map";

/// Refuses a directory that label and map must not or cannot be put into.
///
/// # Errors
///
/// [`SnapshotError::LiveData`] for the data directory of a running server: a
/// label there would keep it from starting after a crash.
pub fn check_output(directory: &Path) -> Result<(), SnapshotError> {
    let meta = fs::metadata(directory).map_err(|e| SnapshotError::file("use", directory, e))?;
    if !meta.is_dir() {
        let error = io::Error::from(io::ErrorKind::NotADirectory);
        return Err(SnapshotError::file("use", directory, error));
    }
    if directory.join("postmaster.pid").exists() {
        return Err(SnapshotError::LiveData { path: directory.to_owned() });
    }
    Ok(())
}

/// Removes what an earlier backup has left, so that nobody takes it for this
/// one's; also files that were never finished.
///
/// # Errors
///
/// If something is still there.
pub fn clear(directory: &Path) -> Result<(), SnapshotError> {
    for name in [LABEL, TABLESPACE_MAP] {
        for path in [directory.join(name), temporary(directory, name)] {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Writes both, whole, durable and with mode 0600: the map first, since the
/// label is what makes the copy a backup. An empty map is no file. Returns
/// where they are.
///
/// # Errors
///
/// If the disk is full or the like. Nothing of these names is there then.
pub fn deliver(
    directory: &Path,
    label: &[u8],
    map: &[u8],
) -> Result<(PathBuf, Option<PathBuf>), SnapshotError> {
    check_output(directory)?;
    clear(directory)?;
    let write = || {
        let map = if map.is_empty() { None } else { Some(put(directory, TABLESPACE_MAP, map)?) };
        Ok((put(directory, LABEL, label)?, map))
    };
    let written = write();
    if written.is_err() {
        // What went wrong first is what is told.
        drop(clear(directory));
    }
    written
}

fn temporary(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!(".{name}.new"))
}

fn remove(path: &Path) -> Result<(), SnapshotError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(SnapshotError::file("remove", path, e))
        }
        _ => Ok(()),
    }
}

fn put(directory: &Path, name: &str, content: &[u8]) -> Result<PathBuf, SnapshotError> {
    let path = directory.join(name);
    replace(&path, &temporary(directory, name), content)?;
    Ok(path)
}

/// Writes a file whole and durable, with mode 0600.
pub(super) fn replace(path: &Path, temporary: &Path, content: &[u8]) -> Result<(), SnapshotError> {
    let failed = |e| SnapshotError::file("write", path, e);
    remove(temporary)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(temporary).map_err(failed)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    let done = written.and_then(|()| fs::rename(temporary, path)).and_then(|()| {
        let parent = path.parent().unwrap_or(Path::new("/"));
        File::open(parent)?.sync_all()
    });
    done.map_err(|error| {
        // What went wrong first is what is told.
        drop(fs::remove_file(temporary));
        failed(error)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn both_are_written_byte_for_byte_and_for_nobody_else() {
        let directory = tempfile::tempdir().unwrap();
        let label = b"START\nLABEL: \xff it's\r\n\n";
        let map = b"16384 /a b\\\nc\n";
        let (label_file, map_file) = deliver(directory.path(), label, map).unwrap();
        assert_eq!(fs::read(&label_file).unwrap(), label);
        assert_eq!(fs::read(map_file.unwrap()).unwrap(), map);
        assert_eq!(label_file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn an_empty_map_takes_an_old_one_away() {
        let directory = tempfile::tempdir().unwrap();
        deliver(directory.path(), b"one", b"map").unwrap();
        let (_, map) = deliver(directory.path(), b"two", b"").unwrap();
        assert_eq!(map, None);
        let names = fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(names, 1, "nothing but the label is left");
    }

    #[test]
    fn a_live_data_directory_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("postmaster.pid"), "1\n").unwrap();
        let error = deliver(directory.path(), b"label", b"").unwrap_err();
        assert!(matches!(error, SnapshotError::LiveData { .. }));
        assert!(!directory.path().join(LABEL).exists());
        assert!(check_output(Path::new("/nonexistent")).is_err());
    }
}
