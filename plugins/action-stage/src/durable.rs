//! Files and directories that survive a power cut.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use crate::{
    TEMPORARY,
    error::{StageError, shown},
    world::World,
};

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> Result<(), StageError> {
    File::open(path).and_then(|it| it.sync_all()).map_err(StageError::io("write to disk", path))
}

/// Gives a file or directory to the backup user, if we are root.
pub(crate) fn give(path: &Path, world: &dyn World) -> Result<(), StageError> {
    world.give(path).map_err(|why| StageError::Owner { path: shown(path), why })
}

/// Tells whether there is nothing at all at `path` but perhaps an empty
/// directory. What cannot be looked into is not empty.
pub(crate) fn is_absent_or_empty(path: &Path) -> bool {
    match path.symlink_metadata() {
        Ok(it) if it.is_dir() => fs::read_dir(path).is_ok_and(|mut it| it.next().is_none()),
        Ok(_) => false,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Creates a directory with all its parents. Each new one is private, belongs
/// to the backup user, and is on disk when this returns.
pub(crate) fn create_directories(path: &Path, world: &dyn World) -> Result<(), StageError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create_directories(parent, world)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        // Another peer's thread was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {
            return Ok(());
        }
        done => done.map_err(StageError::io("create", path))?,
    }
    give(path, world)?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// Writes an empty file in one step: an indicator. One that is there already
/// is replaced.
pub(crate) fn touch(directory: &Path, name: &str, world: &dyn World) -> Result<(), StageError> {
    let temporary = directory.join(format!("{TEMPORARY}{name}"));
    remove(&temporary)?;
    let path = directory.join(name);
    let written = (|| {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&temporary);
        let file = file.map_err(StageError::io("create", &temporary))?;
        give(&temporary, world)?;
        file.sync_all().map_err(StageError::io("write to disk", &temporary))?;
        fs::rename(&temporary, &path).map_err(StageError::io("create", &path))?;
        sync_directory(directory)
    })();
    if written.is_err() {
        // The error that is returned says more than one of this would.
        drop(fs::remove_file(&temporary));
    }
    written
}

/// Removes a file; one that is not there is removed already.
pub(crate) fn remove(path: &Path) -> Result<(), StageError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StageError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}
