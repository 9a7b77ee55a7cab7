//! The directory of what cannot be archived.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, Result};
use rustix::fs::{CWD, RenameFlags, renameat_with};

/// Why a file cannot be archived; the last part of its new name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// The archive has other content under its name.
    Duplicate,
    /// It is no file of WAL.
    Unknown,
    /// It is not what its name says.
    Damaged,
}

impl Why {
    fn suffix(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Unknown => "unknown",
            Self::Damaged => "damaged",
        }
    }
}

/// The directory of what cannot be archived.
#[derive(Debug, Clone)]
pub(crate) struct ErrorsDirectory {
    path: PathBuf,
}

impl ErrorsDirectory {
    /// It is made when it is first needed.
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Moves a file there, durably, and returns its new path:
    /// `NAME.YYYYMMDDTHHMMSSZ.WHY`, as Barman calls it, with a number behind
    /// the time if that is taken. Nothing there is ever replaced.
    ///
    /// # Errors
    ///
    /// If it cannot be moved; it is where it was then.
    pub(crate) fn take(&self, from: &Path, why: Why, now: jiff::Timestamp) -> Result<PathBuf> {
        let failed = |e: io::Error| {
            let to = self.path.display();
            Error::from(e).context(format!("cannot move {} to {to}", from.display()))
        };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.path);
        made.map_err(failed)?;
        let name = from.file_name().unwrap_or_default();
        let stamp = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        for number in 0_u32.. {
            let mut new = OsString::from(name);
            let number = if number == 0 { String::new() } else { format!("-{number}") };
            new.push(format!(".{stamp}{number}.{}", why.suffix()));
            let to = self.path.join(new);
            match self.put(from, &to) {
                Ok(()) => return Ok(to),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(failed(e)),
            }
        }
        Err(Error::msg("there is no name left"))
    }

    fn put(&self, from: &Path, to: &Path) -> io::Result<()> {
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(rustix::io::Errno::XDEV) => self.copy(from, to)?,
            // Not every file system knows how not to replace.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                fs::hard_link(from, to)?;
                fs::remove_file(from)?;
            }
            Err(e) => return Err(e.into()),
        }
        sync(&self.path)
    }

    /// To another file system: whole, or not at all.
    fn copy(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut temporary = OsString::from(".");
        temporary.push(to.file_name().unwrap_or_default());
        let temporary = self.path.join(temporary);
        let copied = copy_into(from, &temporary).and_then(|()| fs::hard_link(&temporary, to));
        let removed = fs::remove_file(&temporary);
        copied?;
        removed?;
        sync(&self.path)?;
        fs::remove_file(from)
    }
}

fn copy_into(from: &Path, to: &Path) -> io::Result<()> {
    let mut input = File::open(from)?;
    let mut options = OpenOptions::new();
    let mut output = options.write(true).create(true).truncate(true).mode(0o600).open(to)?;
    io::copy(&mut input, &mut output)?;
    output.sync_all()
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_the_errors_never_collide() {
        let place = tempfile::tempdir().unwrap();
        let errors = ErrorsDirectory::new(&place.path().join("errors"));
        let now: jiff::Timestamp = "2026-11-17T02:00:00Z".parse().unwrap();
        let from = place.path().join("x");
        let mut made = Vec::new();
        for content in ["one", "two", "three"] {
            fs::write(&from, content).unwrap();
            let to = errors.take(&from, Why::Duplicate, now).unwrap();
            assert!(!from.exists());
            made.push((to.file_name().unwrap().to_owned(), fs::read_to_string(to).unwrap()));
        }
        let name = |middle: &str| OsString::from(format!("x.20261117T020000Z{middle}.duplicate"));
        let expected = [(name(""), "one"), (name("-1"), "two"), (name("-2"), "three")];
        assert_eq!(made, expected.map(|(name, content)| (name, content.to_owned())));

        fs::create_dir(&from).unwrap();
        let to = errors.take(&from, Why::Unknown, now).unwrap();
        assert!(to.is_dir() && to.ends_with("x.20261117T020000Z.unknown"));
    }

    #[test]
    fn a_file_of_another_file_system_arrives_whole() {
        let (there, here) =
            (tempfile::tempdir_in("/dev/shm").unwrap(), tempfile::tempdir().unwrap());
        let errors = ErrorsDirectory::new(here.path());
        let from = there.path().join("x");
        fs::write(&from, vec![7; 100_000]).unwrap();
        errors.copy(&from, &here.path().join("y")).unwrap();
        assert_eq!(fs::read(here.path().join("y")).unwrap(), vec![7; 100_000]);
        assert!(!from.exists());
        assert_eq!(fs::read_dir(here.path()).unwrap().count(), 1);
        fs::write(&from, "other").unwrap();
        let error = errors.copy(&from, &here.path().join("y")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(from.exists());
        assert_eq!(fs::read_dir(here.path()).unwrap().count(), 1);
    }
}
