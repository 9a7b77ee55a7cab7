//! A private directory on this machine for what can be had again: what was
//! stored or fetched ahead, and what is known of the archives.
//!
//! Nothing in it is ever the only copy, nothing is believed without a look at
//! the real thing, and everything works without it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use hayloft_plugin_api::Host;

use crate::config::Server;

/// What the names of files that are being written begin with.
const TEMPORARY: &str = ".new-";

/// The directory of one server.
#[derive(Debug, Clone)]
pub(crate) struct Spool {
    directory: PathBuf,
}

impl Spool {
    /// Finds it, and makes it if it is not there: `<spool>`, or else
    /// `hayloft/wal/SERVER` in the working directory. `None`, with a word to the
    /// log, if there can be none.
    pub(crate) fn open(host: &Host, server: &Server) -> Option<Self> {
        let directory = if let Some(directory) = &server.wal.spool {
            directory.clone()
        } else {
            let working = host.settings().ok()?.working_dir;
            working.is_absolute().then(|| working.join("hayloft/wal"))?.join(&server.name)
        };
        let opened = Self::at(&directory);
        if let Err(error) = &opened {
            tracing::info!("nothing is done ahead: {}: {error}", directory.display());
        }
        opened.ok()
    }

    /// Opens a directory, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// If that is impossible, or others can write to it.
    pub(crate) fn at(directory: &Path) -> io::Result<Self> {
        private(directory)?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// Returns the path of something in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Returns a directory in it, which is made if it is not there.
    pub(crate) fn below(&self, name: &str) -> io::Result<Self> {
        Self::at(&self.directory.join(name))
    }

    /// Returns a file's content; `None` if there is none that can be read.
    pub(crate) fn read(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.path(name)).ok()
    }

    /// Replaces a file in one step. It may be lost in a power cut.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let temporary = self.temporary();
        let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary);
        let written = created
            .and_then(|mut file| file.write_all(content))
            .and_then(|()| fs::rename(&temporary, self.path(name)));
        if written.is_err() {
            // What stays is swept later.
            drop(fs::remove_file(&temporary));
        }
        written
    }

    /// Returns a path for a file that is to get another name.
    pub(crate) fn temporary(&self) -> PathBuf {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        self.path(&format!("{TEMPORARY}{}-{number}", process::id()))
    }

    /// Removes a file, if it is there.
    pub(crate) fn remove(&self, name: &str) {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::info!("{} stays: {error}", self.path(name).display());
            }
            _ => {}
        }
    }

    /// Returns the names of all files.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        entries.filter_map(|it| it.file_name().into_string().ok()).collect()
    }

    /// Locks a file until it is closed, unless somebody else has.
    ///
    /// # Errors
    ///
    /// If there can be no such file, or no locks.
    pub(crate) fn lock(&self, name: &str) -> io::Result<Option<File>> {
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(false).mode(0o600);
        let file = options.open(self.path(name))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Tells whether somebody has locked a file.
    pub(crate) fn is_locked(&self, name: &str) -> bool {
        let Ok(file) = File::open(self.path(name)) else { return false };
        matches!(file.try_lock(), Err(TryLockError::WouldBlock))
    }

    /// Removes what processes have left behind that are not there any more.
    pub(crate) fn sweep(&self) {
        for name in self.names() {
            let owner = name.strip_prefix(TEMPORARY).and_then(|it| it.split('-').next());
            let gone = |pid: &str| !Path::new("/proc").join(pid).exists();
            if owner.is_some_and(gone) {
                self.remove(&name);
            }
        }
    }
}

/// Makes a directory that only we can look into. One that is there must be
/// ours, and nobody else's to write to.
fn private(directory: &Path) -> io::Result<()> {
    let above = directory.ancestors().find_map(|it| fs::metadata(it).ok());
    if rustix::process::geteuid().is_root() && above.is_some_and(|it| it.uid() != 0) {
        // Whoever it is for could not use what root makes there.
        return Err(io::Error::other("it is in a directory of somebody else's"));
    }
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let found = fs::metadata(directory)?;
    let ours = found.uid() == rustix::process::geteuid().as_raw();
    if !ours || found.mode() & 0o022 != 0 {
        return Err(io::Error::other("others can write to it"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_others_can_write_to_is_not_used() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("a/b");
        private(&place).unwrap();
        assert_eq!(fs::metadata(&place).unwrap().mode() & 0o777, 0o700);
        fs::set_permissions(&place, fs::Permissions::from_mode(0o770)).unwrap();
        assert!(private(&place).is_err());
    }

    #[test]
    fn leftovers_of_processes_that_are_gone_are_removed() {
        let home = tempfile::tempdir().unwrap();
        let spool = Spool::at(home.path()).unwrap();
        let ours = format!("{TEMPORARY}{}-9", process::id());
        for name in [&ours, ".new-4194305-0", "kept"] {
            fs::write(spool.path(name), "").unwrap();
        }
        spool.write("file", b"1").unwrap();
        spool.write("file", b"2").unwrap();
        spool.sweep();
        let mut names = spool.names();
        names.sort();
        assert_eq!(names, [ours.as_str(), "file", "kept"]);
        assert_eq!(spool.read("file").unwrap(), b"2");
        assert_eq!(spool.read("nothing"), None);
    }
}
