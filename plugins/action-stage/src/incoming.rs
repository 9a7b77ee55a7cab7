//! The directory that files arrive in, and what has arrived.

use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
};

use crate::{
    TEMPORARY,
    claim::Claim,
    copy::{Source, stop_if_cancelled},
    day::{COLLECTED, Day},
    durable,
    error::{StageError, shown},
    world::World,
};

/// The directory that a peer's files arrive in. It goes away when it is
/// dropped, unless it is the peer's own and was kept.
#[derive(Debug)]
pub struct Incoming {
    path: PathBuf,
    whose: Whose,
}

#[derive(Debug)]
enum Whose {
    /// A private directory, from which files are moved. It is locked, so that
    /// whoever looks after leftovers leaves it alone.
    Ours { _held: File },
    /// The peer's own, and not whole yet.
    Claimed(Claim),
    /// The peer's own, and whole.
    Kept,
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
    /// Creates a private directory inside the day's, so that a rename is enough
    /// to put a file into place; `number` tells it from those of other peers.
    ///
    /// # Errors
    ///
    /// If it cannot be created.
    pub fn create(day: &Day, number: usize, world: &dyn World) -> Result<Self, StageError> {
        let path = day.path().join(format!("{TEMPORARY}stage-{number}"));
        durable::create_directories(&path, world)?;
        let held = File::open(&path).map_err(StageError::io("read", &path))?;
        // Some file systems have no locks.
        let _ = held.try_lock();
        Ok(Self { path, whose: Whose::Ours { _held: held } })
    }

    /// Creates the directory of the peer itself, if it is its first staging of
    /// the day: there is nothing that could be damaged, and the command that
    /// copies is the one that people know. Otherwise it is a private one.
    ///
    /// # Errors
    ///
    /// If it cannot be created.
    pub fn create_for(
        day: &Day,
        number: usize,
        name: &str,
        world: &dyn World,
    ) -> Result<Self, StageError> {
        let path = day.of_peer(name);
        // In a day that is good, even an empty directory may not be half full.
        if day.is_staged() || !durable::is_absent_or_empty(&path) {
            return Self::create(day, number, world);
        }
        let claim = Claim::make(day.path(), number, name)?;
        // From here on it goes away again, whatever happens.
        let it = Self { path, whose: Whose::Claimed(claim) };
        durable::create_directories(&it.path, world)?;
        Ok(it)
    }

    /// Tells whether this is the peer's own directory.
    pub fn is_in_place(&self) -> bool {
        matches!(self.whose, Whose::Claimed(_))
    }

    /// Keeps what has arrived, if this is the peer's own directory.
    ///
    /// # Errors
    ///
    /// If that cannot be made durable; nothing is kept then.
    pub fn keep(mut self) -> Result<(), StageError> {
        if let Whose::Claimed(claim) = &self.whose {
            durable::sync_directory(&self.path)?;
            claim.lift()?;
            self.whose = Whose::Kept;
        }
        Ok(())
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
            if !self.is_in_place() && source.is_same_as(&target.join(&name), world)? {
                durable::remove(&path)?;
                continue;
            }
            source.make_private()?;
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
    pub fn empty(&self) -> Result<(), StageError> {
        for entry in fs::read_dir(&self.path).map_err(StageError::io("read", &self.path))? {
            let entry = entry.map_err(StageError::io("read", &self.path))?;
            let path = entry.path();
            if entry.file_type().is_ok_and(|it| it.is_dir()) {
                fs::remove_dir_all(&path).map_err(StageError::io("remove", &path))?;
            } else {
                durable::remove(&path)?;
            }
        }
        Ok(())
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // What stays behind is removed by the next run.
        match &self.whose {
            Whose::Ours { .. } => drop(fs::remove_dir_all(&self.path)),
            Whose::Claimed(claim) => drop(claim.sweep()),
            Whose::Kept => {}
        }
    }
}
