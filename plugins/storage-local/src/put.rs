//! Writing an object.

use std::{
    fs::File,
    io::{self, Write},
    num::NonZero,
    os::fd::{AsFd, OwnedFd},
    time::{Duration, SystemTime},
};

use hayloft_plugin_api::{Error, ErrorKind, ObjectMeta, PutStream, Result};
use rustix::{
    fs::{Advice, AtFlags, RenameFlags},
    io::Errno,
};

use crate::{
    durable::Durable,
    lock, meta,
    root::{self, Root},
    staging::Staged,
};

/// How often a directory may vanish between its creation and its use, because
/// somebody deletes the last object in it at the same time.
const TRIES: usize = 100;

/// After so many bytes the disk is set to work, so that the flush at the end,
/// which somebody waits for, has little left to do.
const STRIDE: u64 = 1 << 20;

/// An object that is being written.
#[derive(Debug)]
pub(crate) struct Put {
    /// `None` once it is committed, aborted or has failed.
    staged: Option<Staged>,
    place: Root,
    durable: Durable,
    key: String,
    condition: Condition,
    /// How many bytes were written, and how many of them the disk was told of.
    written: u64,
    told: u64,
}

/// What must be the case when the object appears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Nothing in particular.
    None,
    /// There is no object of that name.
    Absent,
    /// There is one, with this etag.
    Etag(String),
}

impl Put {
    pub(crate) fn new(
        staged: Staged,
        place: Root,
        durable: Durable,
        key: &str,
        condition: Condition,
    ) -> Self {
        let key = key.to_owned();
        Self { staged: Some(staged), place, durable, key, condition, written: 0, told: 0 }
    }

    fn failed(&self, error: impl Into<io::Error>) -> Error {
        self.place.failed("write", &self.key, error.into())
    }

    fn ended(&self) -> Error {
        Error::msg(format!("writing {} has ended already", self.key))
    }

    /// Gives the file its name, durably.
    fn publish(&self, staged: &mut Staged) -> Result<ObjectMeta> {
        stamp(&staged.file).map_err(|e| self.failed(e))?;
        let stat = rustix::fs::fstat(&staged.file).map_err(|e| self.failed(e))?;
        let mut tries = 0;
        let parent = loop {
            match self.try_rename(staged) {
                Ok(Some(parent)) => break parent,
                Ok(None) => return Err(changed(&self.key)),
                Err(Errno::EXIST) if self.condition == Condition::Absent => {
                    return Err(taken(&self.key));
                }
                Err(Errno::NOENT) if tries < TRIES => tries += 1,
                Err(e) => return Err(self.explained(e)),
            }
        };
        staged.moved();
        rustix::fs::fsync(&parent).map_err(|e| self.failed(e))?;
        Ok(meta(&self.key, &stat))
    }

    /// Flushes the file, and the way to where it is to be, and renames it;
    /// `None` if the object is not as it must be.
    fn try_rename(&self, staged: &Staged) -> Result<Option<OwnedFd>, Errno> {
        if let Condition::Etag(etag) = &self.condition {
            return self.try_replace(staged, etag);
        }
        let (parent, name, unsure) =
            self.place.make_parent(&staged.root, &self.key, &self.durable)?;
        self.durable.flush(&unsure, &staged.file)?;
        let _lock = lock::together(&staged.directory);
        if self.condition == Condition::Absent {
            rename_new(staged, &parent, &name)?;
        } else {
            rustix::fs::renameat(&staged.directory, &staged.name, &parent, &name)?;
        }
        Ok(Some(parent))
    }

    fn try_replace(&self, staged: &Staged, etag: &str) -> Result<Option<OwnedFd>, Errno> {
        self.durable.flush(&[], &staged.file)?;
        let _lock = lock::alone(&staged.directory)?;
        let found = root::look(&staged.root, &self.key)?;
        let Some((parent, name, stat)) = found else { return Ok(None) };
        if meta(&self.key, &stat).etag != etag {
            return Ok(None);
        }
        rustix::fs::renameat(&staged.directory, &staged.name, &parent, &name)?;
        Ok(Some(parent))
    }

    fn explained(&self, error: Errno) -> Error {
        let failed = self.failed(error);
        match error {
            Errno::NOTDIR | Errno::ISDIR | Errno::LOOP => failed.hint(
                "an object cannot be where others have a directory, nor below another object or \
                 a link",
            ),
            Errno::XDEV => failed.hint(
                "another file system is mounted below the storage's directory: give it a storage \
                 of its own",
            ),
            _ => failed,
        }
    }
}

/// The error for a key that is to be created but is there.
pub(crate) fn taken(key: &str) -> Error {
    Error::new(ErrorKind::ALREADY_EXISTS, format!("there is an object {key} already"))
}

/// The error for an object that is not what it was.
pub(crate) fn changed(key: &str) -> Error {
    Error::new(ErrorKind::CHANGED, format!("somebody else has replaced or removed object {key}"))
}

/// Gives the file a time that none had before it: the system's own, which
/// stands still for some milliseconds, would let two objects have one etag
/// when the second gets the inode of the first.
pub(crate) fn stamp(file: &File) -> io::Result<()> {
    file.set_modified(SystemTime::now())
}

/// Lets the system begin to write a part of a file out, without waiting for
/// it: that is what it does when it is told that the part is not needed soon.
fn begin_to_flush(file: &File, from: u64, length: u64) {
    // The flush at the end tells what went wrong.
    let _ = rustix::fs::fadvise(file, from, NonZero::new(length), Advice::DontNeed);
}

/// Tells whether the file system keeps times as exactly as [`stamp`] gives
/// them. Some know seconds only.
pub(crate) fn keeps_times(file: &File) -> io::Result<bool> {
    let odd = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_007, 123_456_789);
    file.set_modified(odd)?;
    Ok(file.metadata()?.modified()? == odd)
}

/// Moves the file to a name that must not be taken.
fn rename_new(staged: &Staged, parent: &OwnedFd, name: &str) -> Result<(), Errno> {
    let directory = staged.directory.as_fd();
    let flags = RenameFlags::NOREPLACE;
    match rustix::fs::renameat_with(directory, &staged.name, parent, name, flags) {
        // Not every file system knows how.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            rustix::fs::linkat(directory, &staged.name, parent, name, AtFlags::empty())?;
            rustix::fs::unlinkat(directory, &staged.name, AtFlags::empty())
        }
        other => other,
    }
}

impl PutStream for Put {
    fn write(&mut self, data: &[u8]) -> Result<()> {
        let Some(staged) = self.staged.as_mut() else { return Err(self.ended()) };
        if let Err(error) = staged.file.write_all(data) {
            // Nothing is left lying about, above all where no room is left.
            self.staged = None;
            return Err(self.failed(error));
        }
        self.written += data.len() as u64;
        if self.written - self.told >= STRIDE {
            begin_to_flush(&staged.file, self.told, self.written - self.told);
            self.told = self.written;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<ObjectMeta> {
        let mut staged = self.staged.take().ok_or_else(|| self.ended())?;
        self.publish(&mut staged).inspect_err(|_| root::prune(&staged.root, &self.key))
    }

    fn abort(&mut self) -> Result<()> {
        match self.staged.take() {
            Some(mut staged) => staged.remove().map_err(|e| self.failed(e)),
            None => Ok(()),
        }
    }
}
