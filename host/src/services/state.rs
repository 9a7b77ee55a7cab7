//! Small data of plugins that outlives a run.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, Result};
use rustix::fs::OFlags;

use super::{output, owner::Owner};

/// No plugin remembers more, in bytes.
const LARGEST: u64 = 1 << 28;

/// A plugin's values: one file each in the working directory.
///
/// The working directory may belong to the backup user. What that user puts in
/// the place of a directory or file leads nowhere, and keeps nobody waiting.
#[derive(Debug, Clone)]
pub struct StateDirectory {
    working_dir: PathBuf,
    /// What is kept.
    place: &'static str,
    plugin: String,
    /// Who gets what is made, if not we.
    owner: Option<Owner>,
}

impl StateDirectory {
    /// Names the place: `WORKING_DIR/hayloft/state/PLUGIN`. Nothing is
    /// touched yet.
    pub fn new(working_dir: &Path, plugin: &str) -> Self {
        Self {
            working_dir: working_dir.to_owned(),
            place: "state",
            plugin: plugin.to_owned(),
            owner: None,
        }
    }

    /// Names another place, `WORKING_DIR/hayloft/PLACE/PLUGIN`, which is for
    /// whoever owns the working directory, whoever writes there.
    ///
    /// # Errors
    ///
    /// If there is no working directory.
    pub fn shared(working_dir: &Path, place: &'static str, plugin: &str) -> Result<Self> {
        let owner = Owner::of(working_dir)?;
        Ok(Self { place, owner, ..Self::new(working_dir, plugin) })
    }

    /// Returns a value.
    ///
    /// # Errors
    ///
    /// If it is there but cannot be read.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let path = self.path(key)?;
        match read(&path) {
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
        if let Some(directory) = path.parent() {
            self.make(directory)?;
        }
        // It was not looked at as long as it was not there.
        self.path(key)?;
        output::write_file(&path, value, self.owner)
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

    fn make(&self, directory: &Path) -> Result<()> {
        let made = directory.ancestors().take_while(|it| !it.exists());
        let made: Vec<&Path> = made.collect();
        make_private_directory(directory)?;
        self.owner.map_or(Ok(()), |owner| made.into_iter().try_for_each(|it| owner.give(it)))
    }

    fn path(&self, key: &str) -> Result<PathBuf> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if key.is_empty() || key.starts_with('.') || !key.bytes().all(plain) {
            return Err(Error::msg(format!("{key:?} is not a key of the state")));
        }
        let mut path = self.working_dir.clone();
        for name in ["hayloft", self.place, &self.plugin] {
            path.push(name);
            if path.symlink_metadata().is_ok_and(|it| !it.is_dir()) {
                let message = format!("{} is no directory", path.display());
                return Err(Error::msg(message).hint("remove it: it was not put there by us"));
            }
        }
        path.push(key);
        Ok(path)
    }
}

/// Reads a regular file. A pipe is not waited for, and a link not followed.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    if metadata.len() > LARGEST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut value = Vec::new();
    file.take(LARGEST).read_to_end(&mut value)?;
    Ok(value)
}

/// Makes a directory and those above it that only we can look into.
///
/// # Errors
///
/// If that is impossible.
pub fn make_private_directory(directory: &Path) -> Result<()> {
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
    fn what_somebody_else_put_there_leads_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let state = StateDirectory::new(dir.path(), "collect");
        state.put("a", b"1").unwrap();
        let (value, plugin) = (at("hayloft/state/collect/a"), at("hayloft/state/collect"));
        fs::write(at("other"), "secret").unwrap();

        fs::remove_file(&value).unwrap();
        std::os::unix::fs::symlink(at("other"), &value).unwrap();
        assert!(state.get("a").is_err());
        fs::remove_file(&value).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &value, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert!(state.get("a").is_err());
        fs::File::create(at("hayloft/state/collect/large")).unwrap().set_len(LARGEST + 1).unwrap();
        assert!(state.get("large").is_err());

        fs::remove_dir_all(&plugin).unwrap();
        fs::create_dir(at("elsewhere")).unwrap();
        std::os::unix::fs::symlink(at("elsewhere"), &plugin).unwrap();
        assert!(state.put("a", b"2").is_err() && state.get("a").is_err());
        assert_eq!(fs::read_dir(at("elsewhere")).unwrap().count(), 0);
    }

    #[test]
    fn a_key_cannot_leave_the_directory() {
        let state = StateDirectory::new(Path::new("/nowhere"), "x");
        for key in ["", ".", "..", "../a", "a/b", ".hidden", "a\0"] {
            assert!(state.put(key, b"").is_err(), "{key:?}");
        }
    }
}
