//! The private directory of a run, below the working directory.

use std::{
    fs::{self, File, Permissions},
    io::Write,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, Result};
use tempfile::TempDir;

/// Held locked as long as the directory is used.
const LOCK: &str = ".lock";

/// A directory of a run's own, 0700, for passwords and for what is made before
/// it is packed; removed when dropped.
#[derive(Debug)]
pub struct Scratch {
    directory: TempDir,
    _lock: File,
}

impl Scratch {
    /// Makes one below `working_dir` for the action `name`.
    ///
    /// # Errors
    ///
    /// If the working directory is not there or not writable.
    pub fn make(working_dir: &Path, name: &str) -> Result<Self> {
        let make = || {
            let directory = tempfile::Builder::new()
                .prefix(&prefix(name))
                .permissions(Permissions::from_mode(0o700))
                .tempdir_in(working_dir)?;
            let lock = File::create_new(directory.path().join(LOCK))?;
            lock.lock()?;
            Ok(Self { directory, _lock: lock })
        };
        make().map_err(|error: std::io::Error| {
            Error::from(error)
                .context(format!("cannot make a directory in {}", working_dir.display()))
                .hint("<working_dir> in <options> must be an existing directory, writable")
        })
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a new file that only we can read, and returns its path.
    ///
    /// # Errors
    ///
    /// If it is there already or cannot be written.
    pub fn private_file(&self, name: &str, content: &[u8]) -> Result<PathBuf> {
        let path = self.path().join(name);
        let write = || {
            let mut options = File::options();
            options.write(true).create_new(true).mode(0o600).open(&path)?.write_all(content)
        };
        write().map_err(|e: std::io::Error| {
            Error::from(e).context(format!("cannot write {}", path.display()))
        })?;
        Ok(path)
    }

    /// Removes what runs of the action `name` that were killed left below
    /// `working_dir`. What cannot be removed is logged; it harms nobody but
    /// the disk.
    pub fn sweep(working_dir: &Path, name: &str) {
        sweep(working_dir, &prefix(name));
    }
}

fn prefix(name: &str) -> String {
    format!("hayloft-{name}-")
}

fn sweep(working_dir: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(working_dir) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(prefix);
        if ours && is_left_behind(&entry.path()) {
            let path = entry.path();
            match fs::remove_dir_all(&path) {
                Ok(()) => {
                    tracing::info!("removed {}, left by a run that was killed", path.display());
                }
                Err(error) => tracing::warn!("cannot remove {}: {error}", path.display()),
            }
        }
    }
}

/// A directory of our own, and nobody holds its lock.
fn is_left_behind(path: &Path) -> bool {
    let Ok(metadata) = fs::symlink_metadata(path) else { return false };
    let own = fs::metadata("/proc/self").map(|it| it.uid());
    if !metadata.is_dir() || own.is_ok_and(|uid| uid != metadata.uid()) {
        return false;
    }
    match File::open(path.join(LOCK)) {
        Ok(lock) => lock.try_lock().is_ok(),
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_left_is_swept_and_what_is_used_stays() {
        let working_dir = tempfile::tempdir().unwrap();
        let used = Scratch::make(working_dir.path(), "x").unwrap();
        let dead = working_dir.path().join("hayloft-x-dead");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(LOCK), "").unwrap();
        fs::write(dead.join("pgpass"), "secret").unwrap();
        let other = working_dir.path().join("state");
        fs::create_dir(&other).unwrap();

        Scratch::sweep(working_dir.path(), "x");

        assert!(used.path().exists() && other.exists());
        assert!(!dead.exists());
        let path = used.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        let file = used.private_file("secret", b"s").unwrap();
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert!(used.private_file("secret", b"t").is_err());
        drop(used);
        assert!(!path.exists());
    }

    #[test]
    fn a_missing_working_directory_is_named_with_its_setting() {
        let error = Scratch::make(Path::new("/nonexistent/work"), "x").unwrap_err();
        assert!(error.to_string().contains("/nonexistent/work"));
        assert!(error.remedy().unwrap().contains("<working_dir>"));
    }
}
