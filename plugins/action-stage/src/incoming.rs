//! A private directory that files arrive in before they are put into place.

use std::{
    ffi::OsString,
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::{
    TEMPORARY,
    copy::{Source, stop_if_cancelled},
    day::{COLLECTED, Day},
    durable,
    error::{StageError, shown},
    world::World,
};

/// A private directory inside the day's, so that a rename is enough to put a
/// file into place. It goes away when it is dropped.
#[derive(Debug)]
pub struct Incoming {
    path: PathBuf,
}

/// What has arrived of a peer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrived {
    /// All files, those that were there already included.
    pub files: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Those that are new or have changed since the last staging of the day.
    pub changed: Vec<OsString>,
}

impl Incoming {
    /// Creates the directory; `number` tells it from those of other peers.
    ///
    /// # Errors
    ///
    /// If it cannot be created.
    pub fn create(day: &Day, number: usize, world: &dyn World) -> Result<Self, StageError> {
        let path = day.path().join(format!("{TEMPORARY}stage-{number}"));
        durable::create_directories(&path, world)?;
        Ok(Self { path })
    }

    /// Returns the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes stock of what another program has copied into it, and makes it
    /// durable. What `target` has already is no change.
    ///
    /// # Errors
    ///
    /// If there is anything but regular files, or `cback.collect` is missing.
    pub fn take_stock(&self, target: &Path, world: &dyn World) -> Result<Arrived, StageError> {
        let directory = File::open(&self.path).map_err(StageError::io("read", &self.path))?;
        let mut arrived = Arrived::default();
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(StageError::io("read", &self.path))? {
            names.push(entry.map_err(StageError::io("read", &self.path))?.file_name());
        }
        names.sort();
        if !names.iter().any(|it| it == COLLECTED) {
            return Err(StageError::Incomplete { path: shown(&self.path) });
        }
        for name in names {
            stop_if_cancelled(world)?;
            let path = self.path.join(&name);
            let source = Source::open(&directory, &name, &path)?;
            arrived.files += 1;
            arrived.bytes += source.size();
            if source.is_same_as(&target.join(&name), world)? {
                durable::remove(&path)?;
                continue;
            }
            let private = fs::Permissions::from_mode(0o600);
            fs::set_permissions(&path, private).map_err(StageError::io("change", &path))?;
            durable::give(&path, world)?;
            source.sync()?;
            arrived.changed.push(name);
        }
        Ok(arrived)
    }

    /// Removes everything in it, for another try.
    ///
    /// # Errors
    ///
    /// If something is still there.
    pub fn empty(&self, world: &dyn World) -> Result<(), StageError> {
        fs::remove_dir_all(&self.path).map_err(StageError::io("remove", &self.path))?;
        durable::create_directories(&self.path, world)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // What stays behind is removed by the next run.
        drop(fs::remove_dir_all(&self.path));
    }
}
