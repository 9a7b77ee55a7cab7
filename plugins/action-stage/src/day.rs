//! The directory of a day, and what its indicators say.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use tracing::info;

use crate::{
    TEMPORARY, claim, durable,
    error::{StageError, shown},
    world::World,
};

/// Says that a collection is finished.
pub const COLLECTED: &str = "cback.collect";
/// Says that a collection, or a whole day, is staged.
pub const STAGED: &str = "cback.stage";

/// The directory of a day, `YYYY/MM/DD` below the staging directory.
#[derive(Debug)]
pub struct Day {
    path: PathBuf,
    /// Whether the indicators still speak of what is there.
    indicators_valid: Mutex<bool>,
}

impl Day {
    /// Opens the directory; creates it if need be, and removes what an
    /// interrupted run left in it.
    ///
    /// # Errors
    ///
    /// If that cannot be done.
    pub fn open(path: PathBuf, world: &dyn World) -> Result<Self, StageError> {
        durable::create_directories(&path, world)?;
        let entries = fs::read_dir(&path).map_err(StageError::io("read", &path))?;
        for entry in entries {
            let entry = entry.map_err(StageError::io("read", &path))?;
            if is_temporary(&entry.file_name()) {
                let left = entry.path();
                if entry.file_type().is_ok_and(|it| it.is_dir()) {
                    fs::remove_dir_all(&left).map_err(StageError::io("remove", &left))?;
                } else {
                    claim::sweep(&path, &left)?;
                }
            }
        }
        Ok(Self { path, indicators_valid: Mutex::new(true) })
    }

    /// Returns the directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the directory of a peer.
    pub fn of_peer(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Tells whether all that a peer had collected was put into place today.
    pub fn has(&self, name: &str) -> bool {
        is_regular(&self.of_peer(name).join(COLLECTED))
    }

    /// Tells whether the day is good.
    pub fn is_staged(&self) -> bool {
        is_regular(&self.path.join(STAGED))
    }

    /// Says that the day is good.
    ///
    /// # Errors
    ///
    /// If the indicator cannot be written.
    pub fn mark_staged(&self, world: &dyn World) -> Result<(), StageError> {
        if self.is_staged() {
            return Ok(());
        }
        durable::touch(&self.path, STAGED, world)
    }

    /// Puts the files `changed` from `incoming` into the directory of a peer.
    ///
    /// `cback.collect` goes first and comes back last, so its presence means
    /// that the others are all of one collection. If anything but indicators
    /// changes, the day is a new one: it is to be stored anew.
    ///
    /// # Errors
    ///
    /// If that cannot be done; the day is then not marked as good.
    pub fn place(
        &self,
        name: &str,
        incoming: &Path,
        changed: &[OsString],
        world: &dyn World,
    ) -> Result<(), StageError> {
        if changed.is_empty() {
            return Ok(());
        }
        let target = self.of_peer(name);
        durable::create_directories(&target, world)?;
        let anew = self.changes(changed)?;
        let (mut last, first): (Vec<_>, Vec<_>) =
            changed.iter().map(OsString::as_os_str).partition(|it| *it == COLLECTED);
        if anew && take_away(&target.join(COLLECTED), &incoming.join(COLLECTED))? {
            durable::sync_directory(&target)?;
            last = vec![OsStr::new(COLLECTED)];
        }
        for names in [first, last] {
            for name in names {
                let to = target.join(name);
                fs::rename(incoming.join(name), &to).map_err(StageError::io("create", &to))?;
            }
            durable::sync_directory(&target)?;
        }
        Ok(())
    }

    /// Removes the indicators of the day if anything else than indicators
    /// changes; tells whether that is so.
    ///
    /// # Errors
    ///
    /// If they cannot be removed.
    pub fn changes(&self, changed: &[OsString]) -> Result<bool, StageError> {
        let anew = changed.iter().any(|it| !is_indicator(it));
        if anew {
            self.invalidate()?;
        }
        Ok(anew)
    }

    /// Removes all indicators of the day, once.
    fn invalidate(&self) -> Result<(), StageError> {
        let mut valid = self.indicators_valid.lock().unwrap_or_else(PoisonError::into_inner);
        if !*valid {
            return Ok(());
        }
        for entry in fs::read_dir(&self.path).map_err(StageError::io("read", &self.path))? {
            let entry = entry.map_err(StageError::io("read", &self.path))?;
            if is_indicator(&entry.file_name()) && is_regular(&entry.path()) {
                info!(
                    "{} is staged anew: removing its {}",
                    shown(&self.path),
                    shown(entry.file_name())
                );
                durable::remove(&entry.path())?;
            }
        }
        durable::sync_directory(&self.path)?;
        *valid = false;
        Ok(())
    }
}

/// Moves an indicator to where a new one may be already, which then counts.
/// Tells whether there was one.
fn take_away(indicator: &Path, to: &Path) -> Result<bool, StageError> {
    if !is_regular(indicator) {
        return Ok(false);
    }
    if is_regular(to) {
        durable::remove(indicator)?;
    } else {
        fs::rename(indicator, to).map_err(StageError::io("move", indicator))?;
    }
    Ok(true)
}

/// Tells whether the name is one of an indicator file.
pub fn is_indicator(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"cback.")
}

/// Tells whether the name is one of a file that is being written.
pub fn is_temporary(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes())
}

/// Tells whether there is a regular file.
pub fn is_regular(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|it| it.is_file())
}
