//! The directory that everything is kept in, and ways through it that never
//! leave it.
//!
//! Every directory on the way is opened relative to the one before, and a
//! link is never followed: whoever may write somewhere below the root cannot
//! make us read or write elsewhere.

use std::{fs, io, os::fd::OwnedFd, path::Path, sync::Arc};

use hayloft_plugin_api::{Error, ErrorKind, Result};
use rustix::{
    fs::{AtFlags, Mode, OFlags, Stat},
    io::Errno,
};

use crate::{
    Config,
    durable::{Durable, Unsure},
    is_file, name,
};

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The configured root. It is opened anew for each call: a disk may have been
/// mounted meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct Root {
    config: Arc<Config>,
}

/// Tells whether the error means that there is no such object. Links and
/// files on the way to it are none.
pub(crate) fn is_absence(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP)
}

impl Root {
    pub(crate) fn new(config: Config) -> Self {
        Self { config: Arc::new(config) }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Makes an error out of what went wrong with an object.
    pub(crate) fn failed(&self, verb: &str, key: &str, error: io::Error) -> Error {
        let path = self.config.root.join(key);
        Error::from(error).context(format!("cannot {verb} {}", path.display()))
    }

    /// Opens the root; creates it if that is configured.
    pub(crate) fn open(&self) -> Result<OwnedFd> {
        let path = &self.config.root;
        // The root itself is the administrator's: it may be a link.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = || rustix::fs::open(path, flags, Mode::empty());
        let opened = match open() {
            Err(Errno::NOENT) if self.config.create => {
                create_all(path, self.config.mode.of_directories())?;
                open()
            }
            other => other,
        };
        opened.map_err(|e| match e {
            Errno::NOENT => {
                let message = format!("directory {} of the storage does not exist", path.display());
                // It is no object that is missing.
                Error::new(ErrorKind::OTHER, message)
                    .hint("mount it, create it, or set <create>Y</create>")
            }
            e => Error::from(io::Error::from(e))
                .context(format!("cannot open directory {} of the storage", path.display())),
        })
    }

    /// Finds an object's file; `None` if there is none.
    pub(crate) fn find(&self, root: &OwnedFd, key: &str) -> Result<Option<Stat>> {
        let found = look(root, key).map_err(|e| self.failed("look at", key, e.into()))?;
        Ok(found.map(|(.., stat)| stat))
    }

    /// Opens the directory that an object is in, and returns the object's
    /// name there; `None` if there is no such directory.
    pub(crate) fn parent(&self, root: &OwnedFd, key: &str) -> Result<Option<(OwnedFd, String)>> {
        let (above, name) = split(key);
        match directory(root, above) {
            Ok(parent) => Ok(Some((parent, name::on_disk(name).into_owned()))),
            Err(e) if is_absence(e) => Ok(None),
            Err(e) => Err(self.failed("reach", key, e.into())),
        }
    }

    /// Opens the directory that an object is to be put in; creates what is
    /// missing. Tells of which directories on the way it is not known that
    /// they survive a power cut.
    pub(crate) fn make_parent(
        &self,
        root: &OwnedFd,
        key: &str,
        durable: &Durable,
    ) -> Result<(OwnedFd, String, Vec<Unsure>), Errno> {
        let (above, name) = split(key);
        let mut unsure = Vec::new();
        let mut directory = rustix::io::fcntl_dupfd_cloexec(root, 0)?;
        for segment in segments(above) {
            let segment = name::on_disk(segment?);
            let mode = self.config.mode.of_directories();
            let created = match rustix::fs::mkdirat(&directory, &*segment, mode) {
                Ok(()) => true,
                Err(Errno::EXIST) => false,
                Err(e) => return Err(e),
            };
            let child = rustix::fs::openat(&directory, &*segment, DIRECTORY, Mode::empty())?;
            if created {
                // The mode exactly, whatever the process masks.
                rustix::fs::fchmod(&child, mode)?;
            }
            unsure.extend(durable.doubt(&directory, &child)?);
            directory = child;
        }
        Ok((directory, name::on_disk(name).into_owned(), unsure))
    }
}

/// Finds an object's file with its directory and its name there; `None` if
/// there is none.
pub(crate) fn look(root: &OwnedFd, key: &str) -> Result<Option<(OwnedFd, String, Stat)>, Errno> {
    let absent = |e: Errno| if is_absence(e) { Ok(None) } else { Err(e) };
    let (above, name) = split(key);
    let parent = match directory(root, above) {
        Ok(parent) => parent,
        Err(e) => return absent(e),
    };
    let name = name::on_disk(name).into_owned();
    match rustix::fs::statat(&parent, &name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(is_file(&stat).then_some((parent, name, stat))),
        Err(e) => absent(e),
    }
}

/// Removes the directories above an object that is not there any more, as far
/// as they are empty. One that cannot be removed does no harm.
pub(crate) fn prune(root: &OwnedFd, key: &str) {
    let (mut key, _) = split(key);
    while !key.is_empty() {
        let (above, name) = split(key);
        let removed = directory(root, above).and_then(|parent| {
            rustix::fs::unlinkat(&parent, &*name::on_disk(name), AtFlags::REMOVEDIR)
        });
        if removed.is_err() {
            return;
        }
        key = above;
    }
}

/// Returns the key of the directory, and the rest.
pub(crate) fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('/').unwrap_or(("", key))
}

/// Opens a directory by its key, which is empty for the root.
pub(crate) fn directory(root: &OwnedFd, key: &str) -> Result<OwnedFd, Errno> {
    let mut directory = rustix::io::fcntl_dupfd_cloexec(root, 0)?;
    for segment in segments(key) {
        let name = name::on_disk(segment?);
        directory = rustix::fs::openat(&directory, &*name, DIRECTORY, Mode::empty())?;
    }
    Ok(directory)
}

/// What is no segment leads nowhere, above all not up.
fn segments(key: &str) -> impl Iterator<Item = Result<&str, Errno>> {
    let key = Some(key).filter(|key| !key.is_empty());
    key.into_iter().flat_map(|key| key.split('/')).map(|segment| match segment {
        "" | "." | ".." => Err(Errno::NOENT),
        segment => Ok(segment),
    })
}

fn create_all(path: &Path, mode: Mode) -> Result<()> {
    let failed = |e: io::Error| {
        Error::from(e).context(format!("cannot create directory {}", path.display()))
    };
    let missing: Vec<_> = path.ancestors().take_while(|it| !it.exists()).collect();
    for directory in missing.iter().rev() {
        match rustix::fs::mkdir(*directory, mode) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(failed(e.into())),
        }
        if let Some(parent) = directory.parent() {
            fs::File::open(parent).and_then(|it| it.sync_all()).map_err(failed)?;
        }
    }
    Ok(())
}
