//! Replacing a configuration file: whole or not at all, and only if nobody
//! else changed it in the meantime.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, Gid, Mode, OFlags, Uid};
use thiserror::Error;

use crate::error::{ErrorKind, Failure};

/// Why a file could not be read or replaced.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// Reading failed.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Writing failed; the file is as it was.
    #[error("cannot replace {}: {step} failed", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What failed.
        step: &'static str,
        /// Why.
        source: io::Error,
    },
    /// It is a directory, a device or the like.
    #[error("{} is no regular file", path.display())]
    NotAFile {
        /// What it is called.
        path: PathBuf,
    },
    /// Somebody else changed it since it was read; nothing was written.
    #[error("{} was changed by somebody else in the meantime", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

impl Failure for FileError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Read { source, .. } | Self::Write { source, .. } => ErrorKind::of_io(source),
            Self::NotAFile { .. } => ErrorKind::Invalid,
            Self::Changed { .. } => ErrorKind::Changed,
        }
    }

    fn hint(&self) -> Option<String> {
        matches!(self, Self::Changed { .. })
            .then(|| "look at the file, then do it again".to_owned())
    }
}

/// A file as it was when it was read.
///
/// Links are followed: the file that they lead to is the one replaced, and
/// they stay. An advisory lock keeps other programs that use this crate from
/// replacing the file at the same time.
#[derive(Debug)]
pub struct Original {
    // Invariant: free of links.
    path: PathBuf,
    content: Vec<u8>,
    file: Option<File>,
}

impl Original {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`FileError::Read`], [`FileError::NotAFile`].
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let failed = |source| FileError::Read { path: path.to_owned(), source };
        let path = path.canonicalize().map_err(failed)?;
        let mut file = File::options()
            .read(true)
            // A FIFO must not make us wait.
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(&path)
            .map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(FileError::NotAFile { path });
        }
        let mut content = Vec::new();
        file.read_to_end(&mut content).map_err(failed)?;
        Ok(Self { path, content, file: Some(file) })
    }

    /// Reads a file that need not be there yet; its directory must be.
    ///
    /// # Errors
    ///
    /// As [`Original::read`].
    pub fn read_or_new(path: &Path) -> Result<Self, FileError> {
        match Self::read(path) {
            Err(FileError::Read { source, .. })
                if source.kind() == io::ErrorKind::NotFound
                    && fs::symlink_metadata(path).is_err() =>
            {
                let failed = |source| FileError::Read { path: path.to_owned(), source };
                let directory = directory_of(path).canonicalize().map_err(failed)?;
                let name = path.file_name().ok_or(FileError::NotAFile { path: path.to_owned() })?;
                Ok(Self { path: directory.join(name), content: Vec::new(), file: None })
            }
            result => result,
        }
    }

    /// Returns the path, free of links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the content.
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// Puts a new content in place of the old one.
    ///
    /// The file appears whole under its name: it is written beside the old
    /// one under a hidden name, gets the same owner, group, mode and extended
    /// attributes (access lists and `SELinux` labels among them), is forced to
    /// the disk and takes the name. A new file has mode 0600. `accept` is
    /// shown the finished file before that, and may refuse it.
    ///
    /// # Errors
    ///
    /// [`FileError::Changed`] if the file is no longer what was read,
    /// [`FileError::Write`], or what `accept` returns. The old file is
    /// untouched then, and nothing of the new one stays.
    pub fn replace<E: From<FileError>>(
        &self,
        content: &[u8],
        accept: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<(), E> {
        // Where there is no file yet, the directory stands for it. Who waits
        // here for another writer finds below that the file was replaced.
        let locked = match &self.file {
            Some(file) => file.try_clone(),
            None => File::open(directory_of(&self.path)),
        };
        let locked = locked.map_err(self.failed("locking"))?;
        rustix::fs::flock(&locked, FlockOperation::LockExclusive)
            .map_err(|source| self.failed("locking")(source.into()))?;
        let result = self.replace_locked(content, accept);
        let _ = rustix::fs::flock(&locked, FlockOperation::Unlock);
        result
    }

    /// Puts a copy of what was read into another file, which must not be there
    /// yet: with the same owner, mode and extended attributes, and durable.
    ///
    /// # Errors
    ///
    /// [`FileError::Write`]; nothing of the copy stays then.
    pub fn copy_to(&self, path: &Path) -> Result<(), FileError> {
        let failed = |source| FileError::Write {
            path: path.to_owned(),
            step: "keeping the old file",
            source,
        };
        // One that is there is somebody's: it must not be taken away below.
        if fs::symlink_metadata(path).is_ok() {
            return Err(failed(io::ErrorKind::AlreadyExists.into()));
        }
        let unfinished = Temporary(path.to_owned());
        self.write_beside(path, &self.content)?;
        File::open(directory_of(path)).and_then(|it| it.sync_all()).map_err(failed)?;
        std::mem::forget(unfinished);
        Ok(())
    }

    fn replace_locked<E: From<FileError>>(
        &self,
        content: &[u8],
        accept: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<(), E> {
        self.check_unchanged()?;
        let temporary = Temporary(self.hidden_path());
        // What an interrupted run left; nobody else is here, we have the lock.
        let _ = fs::remove_file(&temporary.0);
        self.write_beside(&temporary.0, content)?;
        accept(&temporary.0)?;
        self.check_unchanged()?;
        let renamed = if self.file.is_some() {
            fs::rename(&temporary.0, &self.path)
        } else {
            // Unlike a renaming this does not replace what came up meanwhile.
            fs::hard_link(&temporary.0, &self.path)
        };
        match renamed {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(self.changed())?,
            other => other.map_err(self.failed("renaming"))?,
        }
        File::open(directory_of(&self.path))
            .and_then(|it| it.sync_all())
            .map_err(self.failed("writing the directory to the disk"))?;
        Ok(())
    }

    fn write_beside(&self, path: &Path, content: &[u8]) -> Result<(), FileError> {
        let mut new = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(self.failed("creating a file beside it"))?;
        new.write_all(content).map_err(self.failed("writing"))?;
        if let Some(old) = &self.file {
            self.keep_attributes(old, &new)?;
        }
        new.sync_all().map_err(self.failed("writing to the disk"))
    }

    fn keep_attributes(&self, old: &File, new: &File) -> Result<(), FileError> {
        let failed = self.failed("keeping owner and mode");
        let (is, should) = (new.metadata().map_err(&failed)?, old.metadata().map_err(&failed)?);
        if (is.uid(), is.gid()) != (should.uid(), should.gid()) {
            let owner = (Uid::from_raw(should.uid()), Gid::from_raw(should.gid()));
            rustix::fs::fchown(new, Some(owner.0), Some(owner.1))
                .map_err(|source| failed(source.into()))?;
        }
        rustix::fs::fchmod(new, Mode::from_raw_mode(should.mode() & 0o7777))
            .map_err(|source| failed(source.into()))?;
        copy_extended(old, new).map_err(self.failed("keeping extended attributes"))
    }

    /// Looks whether the name still leads to the very file that was read, and
    /// whether that still has the same content.
    fn check_unchanged(&self) -> Result<(), FileError> {
        let Some(file) = &self.file else {
            return match fs::symlink_metadata(&self.path) {
                Ok(_) => Err(self.changed()),
                Err(_) => Ok(()),
            };
        };
        let failed = |source| FileError::Read { path: self.path.clone(), source };
        let held = file.metadata().map_err(failed)?;
        let named = match fs::symlink_metadata(&self.path) {
            Ok(it) => it,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(self.changed()),
            Err(error) => return Err(failed(error)),
        };
        let same = (held.dev(), held.ino()) == (named.dev(), named.ino());
        if same && fs::read(&self.path).map_err(failed)? == self.content {
            Ok(())
        } else {
            Err(self.changed())
        }
    }

    /// A hidden name without `.conf` at its end: no `include_dir` takes it.
    fn hidden_path(&self) -> PathBuf {
        let mut name = OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(".hayloft-new");
        self.path.with_file_name(name)
    }

    fn changed(&self) -> FileError {
        FileError::Changed { path: self.path.clone() }
    }

    fn failed(&self, step: &'static str) -> impl Fn(io::Error) -> FileError {
        let path = self.path.clone();
        move |source| FileError::Write { path: path.clone(), step, source }
    }
}

/// Removed when dropped, if it is still there.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn copy_extended(old: &File, new: &File) -> io::Result<()> {
    let mut names = vec![0; 1 << 16];
    let length = match rustix::fs::flistxattr(old, &mut names[..]) {
        Ok(length) => length,
        // The file system has none.
        Err(rustix::io::Errno::NOTSUP) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for name in names[..length].split(|it| *it == 0).filter(|it| !it.is_empty()) {
        let name = std::ffi::OsStr::from_bytes(name);
        let mut value = vec![0; 1 << 16];
        let length = rustix::fs::fgetxattr(old, name, &mut value[..])?;
        let flags = rustix::fs::XattrFlags::empty();
        match rustix::fs::fsetxattr(new, name, &value[..length], flags) {
            Ok(()) => {}
            // The label a new file gets here by itself is the right one.
            Err(_) if name.as_bytes().starts_with(b"security.") => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn replace(original: &Original, content: &[u8]) -> Result<(), FileError> {
        original.replace(content, |_| Ok(()))
    }

    fn names(directory: &Path) -> Vec<OsString> {
        let mut names: Vec<_> =
            fs::read_dir(directory).unwrap().map(|it| it.unwrap().file_name()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_keeps_its_mode_and_links_stay() {
        let home = tempfile::tempdir().unwrap();
        let (file, link) = (home.path().join("real"), home.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("real", &link).unwrap();
        let original = Original::read(&link).unwrap();
        assert_eq!(original.content(), b"old");
        replace(&original, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(names(home.path()), ["link", "real"]);
    }

    #[test]
    fn owner_and_attributes_stay_where_they_can_be_kept() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a");
        fs::write(&path, "old").unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        let flags = rustix::fs::XattrFlags::empty();
        let has_attributes = rustix::fs::fsetxattr(&file, "user.note", b"x", flags).is_ok();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(12345), Some(23456)).unwrap();
        }
        let before = fs::metadata(&path).unwrap();
        replace(&Original::read(&path).unwrap(), b"new").unwrap();
        let after = fs::metadata(&path).unwrap();
        assert_eq!((before.uid(), before.gid()), (after.uid(), after.gid()));
        if has_attributes {
            let mut value = [0; 8];
            let length = rustix::fs::getxattr(&path, "user.note", &mut value[..]).unwrap();
            assert_eq!(&value[..length], b"x");
        }
    }

    #[test]
    fn a_concurrent_edit_is_noticed_and_kept() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a");
        let edits: [&dyn Fn(); 3] =
            [&|| fs::write(&path, "theirs").unwrap(), &|| fs::remove_file(&path).unwrap(), &|| {
                fs::write(home.path().join("b"), "old").unwrap();
                fs::rename(home.path().join("b"), &path).unwrap();
            }];
        for edit in edits {
            fs::write(&path, "old").unwrap();
            let original = Original::read(&path).unwrap();
            edit();
            let before = fs::read(&path).ok();
            let error = replace(&original, b"ours").unwrap_err();
            assert!(matches!(error, FileError::Changed { .. }), "{error}");
            assert_eq!(fs::read(&path).ok(), before);
            assert!(!names(home.path()).iter().any(|it| it.as_bytes().starts_with(b".")));
        }
    }

    #[test]
    fn of_two_writers_of_the_same_reading_one_wins() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a");
        for _ in 0..30 {
            fs::write(&path, "old").unwrap();
            let won: Vec<bool> = std::thread::scope(|scope| {
                let originals: Vec<_> = (0..4).map(|_| Original::read(&path).unwrap()).collect();
                let start = |(index, original): (usize, Original)| {
                    scope.spawn(move || {
                        replace(&original, format!("new {index}").as_bytes()).is_ok()
                    })
                };
                let threads: Vec<_> = originals.into_iter().enumerate().map(start).collect();
                threads.into_iter().map(|it| it.join().unwrap()).collect()
            });
            assert_eq!(won.iter().filter(|it| **it).count(), 1);
            let winner = won.iter().position(|it| *it).unwrap();
            assert_eq!(fs::read(&path).unwrap(), format!("new {winner}").as_bytes());
        }
    }

    #[test]
    fn what_is_refused_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a");
        fs::write(&path, "old").unwrap();
        fs::write(home.path().join(".a.hayloft-new"), "left by a killed run").unwrap();
        let original = Original::read(&path).unwrap();
        let result = original.replace(b"new", |candidate| {
            assert_eq!(fs::read(candidate).unwrap(), b"new");
            Err(FileError::NotAFile { path: candidate.to_owned() })
        });
        assert!(result.is_err());
        assert_eq!(
            (fs::read(&path).unwrap(), names(home.path())),
            (b"old".to_vec(), vec!["a".into()])
        );
    }

    #[test]
    fn a_new_file_is_private_and_never_replaces_another() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a");
        let (one, two) =
            (Original::read_or_new(&path).unwrap(), Original::read_or_new(&path).unwrap());
        replace(&one, b"1").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert!(matches!(replace(&two, b"2"), Err(FileError::Changed { .. })));
        assert_eq!(
            (fs::read(&path).unwrap(), names(home.path())),
            (b"1".to_vec(), vec!["a".into()])
        );
        assert!(Original::read_or_new(&home.path().join("no/such")).is_err());
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let home = tempfile::tempdir().unwrap();
        assert!(matches!(Original::read(home.path()), Err(FileError::NotAFile { .. })));
        symlink("nowhere", home.path().join("link")).unwrap();
        assert!(matches!(
            Original::read_or_new(&home.path().join("link")),
            Err(FileError::Read { .. })
        ));
    }
}
