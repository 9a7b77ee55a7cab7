//! The state files of an item: what is known from the last run whose archive
//! is safe, and what is waiting for its archive to be staged.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, Result};

use super::sync_directory;
use crate::{
    shown::shown,
    state::{StateReader, read_cedar_digest},
    walk::Base,
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
    /// replaced, and what is in it must be in the new one too.
    pub(super) fn settle(&self, archive: &Path, staged: bool) -> Result<()> {
        if !self.pending.exists() || !staged && archive.exists() {
            return Ok(());
        }
        let renamed = fs::rename(&self.pending, &self.base);
        renamed.map_err(|e| error(e, "cannot rename", &self.pending))?;
        sync_directory(&self.working_dir)
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
        let file = match File::open(&self.base) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return self.load_digests(warnings),
            Err(e) => return Err(error(e, "cannot read", &self.base)),
        };
        let opened = StateReader::open(Box::new(file) as Box<_>).and_then(|reader| {
            let header = reader.header().clone();
            Ok((Base::of_state(reader, in_memory)?, header))
        });
        match opened {
            Ok((base, header)) => Ok(Known { base, archive: Some((header.id, header.full)) }),
            Err(e) => {
                let path = self.base.display();
                warnings.push(format!("{path} cannot be used, so everything is collected: {e}"));
                Ok(Known::nothing())
            }
        }
    }

    /// Reads what Cedar Backup left, on the first run after it.
    fn load_digests(&self, warnings: &mut Vec<String>) -> Result<Known> {
        let path = &self.digests;
        let data = match fs::metadata(path) {
            Ok(it) if it.len() > LARGEST_DIGESTS => Err(io::ErrorKind::FileTooLarge.into()),
            Ok(_) => fs::read(path),
            Err(e) => Err(e),
        };
        match data {
            Ok(data) => match read_cedar_digest(&data) {
                Ok(digests) => Ok(Known { base: Base::Cedar(digests), archive: None }),
                Err(e) => {
                    let path = path.display();
                    warnings
                        .push(format!("{path} cannot be used, so everything is collected: {e}"));
                    Ok(Known::nothing())
                }
            },
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Known::nothing()),
            Err(e) => Err(error(e, "cannot read", path)),
        }
    }
}

fn error(error: io::Error, what: &str, path: &Path) -> Error {
    let path = shown(path.as_os_str().as_encoded_bytes());
    Error::from(error).context(format!("{what} {path}"))
}
