//! The state files of an item: what is known from the last run whose archive
//! is safe, and what is waiting for its archive to be staged.

use std::{
    fmt,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, Result};

use super::sync_directory;
use crate::{
    shown::shown,
    state::{StateHeader, StateReader, read_cedar_digest},
    walk::{Base, ReadSeek},
};

/// Cedar Backup's digests of more than this are not read.
const LARGEST_DIGESTS: u64 = 1 << 30;

/// The state files of one item.
#[derive(Debug)]
pub(super) struct Memory {
    working_dir: PathBuf,
    /// What the next increment is compared with.
    base: PathBuf,
    /// What belongs to the archive in the collect directory.
    pending: PathBuf,
    digests: PathBuf,
}

/// What to compare with, and what that belongs to.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) base: Base,
    /// The archive's id, and that of the full one below it; `None` if nothing
    /// is known, or Cedar Backup's digests are.
    pub(super) archive: Option<(String, String)>,
}

/// A state whose archive is in the collect directory.
pub(super) type Waiting = StateReader<Box<dyn ReadSeek>>;

impl Known {
    pub(super) fn nothing() -> Self {
        Self { base: Base::Nothing, archive: None }
    }
}

impl Memory {
    pub(super) fn new(working_dir: &Path, base_name: &str) -> Self {
        let file = |suffix: &str| working_dir.join(format!("{base_name}{suffix}"));
        Self {
            working_dir: working_dir.to_owned(),
            base: file(".state"),
            pending: file(".state.new"),
            digests: file(".sha"),
        }
    }

    pub(super) fn pending(&self) -> &Path {
        &self.pending
    }

    /// Takes over what is waiting, if its archive is safe: it was staged, or
    /// somebody has taken it away. Otherwise the archive is about to be
    /// replaced, and what is in it must be in the new one too. An archive of
    /// today is never safe: the next one is staged in its place.
    ///
    /// Returns what is still waiting.
    pub(super) fn settle(
        &self,
        archive: &Path,
        staged: bool,
        today: &str,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Waiting>> {
        let Some(waiting) = open_state(&self.pending, warnings)? else { return Ok(None) };
        let safe = staged || !archive.exists();
        if !safe || waiting.header().day == today {
            return Ok(archive.exists().then_some(waiting));
        }
        let renamed = fs::rename(&self.pending, &self.base);
        renamed.map_err(|e| error(e, "cannot rename", &self.pending))?;
        sync_directory(&self.working_dir)?;
        Ok(None)
    }

    /// Forgets what is waiting, because its archive is being replaced.
    pub(super) fn forget_pending(&self) -> Result<()> {
        match fs::remove_file(&self.pending) {
            Ok(()) => sync_directory(&self.working_dir),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(error(e, "cannot remove", &self.pending)),
        }
    }

    /// Reads what to compare with. State that is damaged is as good as none,
    /// but somebody should know.
    pub(super) fn load(&self, in_memory: bool, warnings: &mut Vec<String>) -> Result<Known> {
        let Some(state) = open_state(&self.base, warnings)? else {
            // A state of ours that is damaged is newer than Cedar Backup's.
            let ours = self.base.exists();
            return Ok(if ours { Known::nothing() } else { self.load_digests(warnings) });
        };
        let StateHeader { id, full, .. } = state.header().clone();
        let base = Base::of_state(state, in_memory)
            .map_err(|e| Error::from(e).context(format!("cannot read {}", self.base.display())))?;
        Ok(Known { base, archive: Some((id, full)) })
    }

    /// Reads what Cedar Backup left, on the first run after it. What cannot be
    /// read is as good as nothing, but somebody should know.
    fn load_digests(&self, warnings: &mut Vec<String>) -> Known {
        let path = &self.digests;
        let unusable = |why: &dyn fmt::Display| {
            let path = shown(path.as_os_str().as_encoded_bytes());
            format!("{path} cannot be used, so everything is collected: {why}")
        };
        let data = match fs::metadata(path) {
            Ok(it) if !it.is_file() => Err(io::Error::other("it is no regular file")),
            Ok(it) if it.len() > LARGEST_DIGESTS => Err(io::ErrorKind::FileTooLarge.into()),
            Ok(_) => fs::read(path),
            Err(e) => Err(e),
        };
        match data.map(|it| read_cedar_digest(&it)) {
            Ok(Ok(digests)) => return Known { base: Base::Cedar(digests), archive: None },
            Ok(Err(e)) => warnings.push(unusable(&e)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => warnings.push(unusable(&e)),
        }
        Known::nothing()
    }
}

fn open_state(path: &Path, warnings: &mut Vec<String>) -> Result<Option<Waiting>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(error(e, "cannot read", path)),
    };
    match StateReader::open(Box::new(file) as Box<_>) {
        Ok(state) => Ok(Some(state)),
        Err(e) => {
            let path = path.display();
            warnings.push(format!("{path} cannot be used, so everything is collected: {e}"));
            Ok(None)
        }
    }
}

fn error(error: io::Error, what: &str, path: &Path) -> Error {
    let path = shown(path.as_os_str().as_encoded_bytes());
    Error::from(error).context(format!("{what} {path}"))
}
