//! Putting a file of WAL where PostgreSQL wants it: whole, or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, ErrorKind, Result};
use hayloft_postgres::wal::FileName;
use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags},
    io::Errno,
};

use super::{Archive, patiently};

/// The names under which the server itself asks for files. It does not trust
/// one that it finds there after a crash, but asks again, so these need not be
/// on disk.
const FLEETING: [&str; 2] = ["RECOVERYXLOG", "RECOVERYHISTORY"];

/// Where a file is to be.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    path: PathBuf,
    durable: bool,
}

impl Delivery {
    /// Makes one of a path.
    pub(crate) fn to(path: &Path) -> Self {
        let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        Self { path: path.to_owned(), durable: !FLEETING.contains(&name) }
    }

    /// Lets `write` write the file; it appears when that went well. Until then
    /// it has no name where the file system can do that, so that nothing stays
    /// behind, whatever happens.
    ///
    /// # Errors
    ///
    /// Those of `write`, and if it cannot be put there.
    pub(crate) fn write<T>(&self, write: impl FnOnce(&mut File) -> Result<T>) -> Result<T> {
        let failed = |e: io::Error| self.failed(e);
        let temporary = self.path.with_file_name(self.temporary());
        // One that a crash has left behind.
        remove(&temporary)?;
        let (mut file, nameless) = self.create(&temporary).map_err(failed)?;
        let written = write(&mut file).and_then(|done| {
            if self.durable {
                file.sync_all().map_err(failed)?;
            }
            if nameless {
                self.link(&file, &temporary).map_err(failed)?;
            } else {
                self.publish(&temporary)?;
            }
            Ok(done)
        });
        if written.is_err() && !nameless {
            // The first error is the one to be told.
            drop(remove(&temporary));
        }
        written
    }

    /// Tells too whether it has no name.
    fn create(&self, temporary: &Path) -> io::Result<(File, bool)> {
        let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
        match rustix::fs::open(self.directory(), flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => Ok((File::from(file), true)),
            // Not every file system can, nor every kernel.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                let mut options = OpenOptions::new();
                options.write(true).create_new(true).mode(0o600);
                Ok((options.open(temporary)?, false))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Gives a file its name, over whatever is there.
    fn link(&self, file: &File, temporary: &Path) -> io::Result<()> {
        let named = format!("/proc/self/fd/{}", file.as_raw_fd());
        let link = |to: &Path| rustix::fs::linkat(CWD, &named, CWD, to, AtFlags::SYMLINK_FOLLOW);
        match link(&self.path) {
            Err(Errno::EXIST) => {
                link(temporary)?;
                fs::rename(temporary, &self.path)?;
            }
            other => other?,
        }
        if self.durable { self.sync_directory() } else { Ok(()) }
    }

    /// Moves a file of the same file system there.
    ///
    /// # Errors
    ///
    /// If that is impossible.
    pub(crate) fn publish(&self, file: &Path) -> Result<()> {
        let moved = fs::rename(file, &self.path);
        let synced = moved.and_then(|()| if self.durable { self.sync_directory() } else { Ok(()) });
        synced.map_err(|e| self.failed(e))
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(self.directory())?.sync_all()
    }

    fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    fn temporary(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        format!(".{name}.hayloft")
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::from(error).context(format!("cannot write {}", self.path.display()))
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(Error::from(e).context(format!("cannot remove {}", path.display())))
        }
        _ => Ok(()),
    }
}

/// Fetches a file from the first storage that has it whole; `false` if none
/// has it.
///
/// # Errors
///
/// If it is there, but nowhere so that it can be used, or if that cannot be
/// told.
pub(crate) fn fetch(archive: &Archive<'_>, name: FileName, delivery: &Delivery) -> Result<bool> {
    let mut failures: Vec<Error> = Vec::new();
    let mut asked = 0;
    for found in archive.copies(name) {
        asked += 1;
        let copy = match found {
            Ok(copy) => copy,
            Err(error) => {
                failures.push(error);
                continue;
            }
        };
        match patiently(|| delivery.write(|file| archive.fetch(&copy, file))) {
            Ok(_) => {
                for error in failures {
                    tracing::warn!("{name} was had from storage {} only: {error}", copy.storage);
                }
                return Ok(true);
            }
            Err(error) => failures.push(error),
        }
    }
    match failures.len() {
        0 => Ok(false),
        1 if asked == 1 => Err(failures.remove(0).context(format!("cannot fetch {name}"))),
        _ => {
            let kind = failures[0].kind();
            let all: Vec<String> = failures.iter().map(ToString::to_string).collect();
            let kind = if kind == ErrorKind::NOT_FOUND { ErrorKind::OTHER } else { kind };
            Err(Error::new(kind, all.join("; ")).context(format!("cannot fetch {name}")))
        }
    }
}
