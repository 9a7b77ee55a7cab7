//! Small data of plugins that outlives a run.

use std::{fs, io, path::PathBuf};

use hayloft_plugin_api::{Error, Result};

use super::output;

/// A plugin's values: one file each in the working directory.
#[derive(Debug, Clone)]
pub struct StateDirectory {
    directory: PathBuf,
}

impl StateDirectory {
    /// Names the place: `WORKING_DIR/hayloft/state/PLUGIN`. Nothing is
    /// touched yet.
    pub fn new(working_dir: &std::path::Path, plugin: &str) -> Self {
        Self { directory: working_dir.join("hayloft/state").join(plugin) }
    }

    /// Returns a value.
    ///
    /// # Errors
    ///
    /// If it is there but cannot be read.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let path = self.path(key)?;
        match fs::read(&path) {
            Ok(value) => Ok(Some(value)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::from(e).context(format!("cannot read {}", path.display()))),
        }
    }

    /// Replaces a value.
    ///
    /// # Errors
    ///
    /// If it cannot be made durable.
    pub fn put(&self, key: &str, value: &[u8]) -> Result<()> {
        let path = self.path(key)?;
        make_private_directory(&self.directory)?;
        output::write_file(&path, value, None)
    }

    /// Removes a value.
    ///
    /// # Errors
    ///
    /// If it is still there.
    pub fn delete(&self, key: &str) -> Result<()> {
        let path = self.path(key)?;
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(Error::from(e).context(format!("cannot remove {}", path.display())))
            }
            _ => Ok(()),
        }
    }

    fn path(&self, key: &str) -> Result<PathBuf> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if key.is_empty() || key.starts_with('.') || !key.bytes().all(plain) {
            return Err(Error::msg(format!("{key:?} is not a key of the state")));
        }
        Ok(self.directory.join(key))
    }
}

/// Makes a directory and those above it that only we can look into.
///
/// # Errors
///
/// If that is impossible.
pub fn make_private_directory(directory: &std::path::Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|e| Error::from(e).context(format!("cannot create {}", directory.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_kept_until_it_is_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDirectory::new(dir.path(), "collect");
        assert_eq!(state.get("a").unwrap(), None);
        state.put("a", b"1").unwrap();
        state.put("a", b"2").unwrap();
        assert_eq!(state.get("a").unwrap().unwrap(), b"2");
        state.delete("a").unwrap();
        state.delete("a").unwrap();
        assert_eq!(state.get("a").unwrap(), None);
    }

    #[test]
    fn a_key_cannot_leave_the_directory() {
        let state = StateDirectory::new(std::path::Path::new("/nowhere"), "x");
        for key in ["", ".", "..", "../a", "a/b", ".hidden", "a\0"] {
            assert!(state.put(key, b"").is_err(), "{key:?}");
        }
    }
}
