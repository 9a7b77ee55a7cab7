//! The parts of one file: what is there of them, and writing them.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, ErrorKind, Host, OutputOptions, Progress, Result};
use hayloft_staging::{
    files::{Found, Identity, hash_of, open, sync_directory},
    parts::part_path,
    upload::hexadecimal,
};
use sha2::{Digest, Sha256};
use tracing::debug;

use crate::record::SplitFile;

/// How much is read at a time.
const BUFFER: usize = 1 << 20;

/// A file that is being split.
pub(crate) struct Parts<'a> {
    pub(crate) host: &'a Host,
    pub(crate) found: &'a Found,
    pub(crate) source: File,
    /// The size of a part.
    pub(crate) size: u64,
    /// How many parts there will be.
    pub(crate) count: u32,
    /// What is remembered of its parts, which are ours to replace.
    pub(crate) before: Option<SplitFile>,
}

/// The SHA-256 of a part, and when it was written.
type Written = (String, i128);

/// What is in the place of a part.
enum There {
    Nothing,
    /// The very part, with its hash.
    Same(String),
    /// Something that we wrote.
    Ours,
    Foreign,
}

impl Parts<'_> {
    fn path(&self, number: u32) -> PathBuf {
        part_path(&self.found.path, number)
    }

    fn range(&self, number: u32) -> (u64, u64) {
        let offset = u64::from(number).saturating_mul(self.size);
        (offset, self.size.min(self.found.identity.size.saturating_sub(offset)))
    }

    /// Makes sure that nobody else's file is in the place of a part.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ALREADY_EXISTS`] naming the file.
    pub(crate) fn check_room(&self) -> Result<()> {
        for number in (0..self.count).filter(|it| !self.is_free(*it)) {
            if matches!(self.look(number)?, There::Foreign) {
                return Err(self.in_the_way(number));
            }
        }
        Ok(())
    }

    /// Tells, without reading anything, whether a part may be written.
    fn is_free(&self, number: u32) -> bool {
        match fs::symlink_metadata(self.path(number)) {
            Ok(there) => there.is_file() && self.owns(number, &there),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }

    fn owns(&self, number: u32, there: &fs::Metadata) -> bool {
        self.before.as_ref().is_some_and(|it| it.is_ours(number, &Identity::of(there)))
    }

    fn in_the_way(&self, number: u32) -> Error {
        let message = format!("{} is there already, and is no part", self.path(number).display());
        Error::new(ErrorKind::ALREADY_EXISTS, message)
            .context(format!("cannot split {}", self.found.path.display()))
            .hint("move one of the two away; nothing was changed")
    }

    /// Writes all parts that are not there, and returns what they are. If that
    /// fails, what was written is removed.
    ///
    /// # Errors
    ///
    /// Why a part is not there.
    pub(crate) fn write(&self) -> Result<Vec<Written>> {
        let mut written = Vec::new();
        let parts = (0..self.count).map(|it| self.provide(it, &mut written)).collect();
        let checked = match parts {
            Ok(parts) => self.found.check(&self.source).map(|()| parts),
            Err(error) => Err(error),
        };
        checked.map_err(|error: Error| {
            for path in written {
                // The next run replaces what stays.
                drop(fs::remove_file(path));
            }
            error.context(format!("cannot split {}", self.found.path.display()))
        })
    }

    fn provide(&self, number: u32, written: &mut Vec<PathBuf>) -> Result<Written> {
        let path = self.path(number);
        let modified =
            || -> Result<i128> { Ok(Identity::of(&fs::symlink_metadata(&path)?).modified_ns) };
        let replace = match self.look(number)? {
            There::Same(hash) => {
                debug!("{} is there already", path.display());
                self.host.give_to_backup_user(&path)?;
                // Who wrote it may not have made it durable.
                File::open(&path).and_then(|it| it.sync_all())?;
                return Ok((hash, modified()?));
            }
            There::Foreign => return Err(self.in_the_way(number)),
            There::Nothing => false,
            There::Ours => true,
        };
        let mut output =
            self.host.create(&path, &OutputOptions { replace, ..OutputOptions::default() })?;
        let mut hash = Sha256::new();
        self.read(number, |_, piece| {
            hash.update(piece);
            Ok(output.write_all(piece)?)
        })?;
        output.commit()?;
        written.push(path.clone());
        let hash = hexadecimal(hash);
        if hash_of(self.host, &path)?.1 != hash {
            let message = format!("{} is not what was written to it", path.display());
            return Err(Error::new(ErrorKind::CORRUPT, message));
        }
        Ok((hash, modified()?))
    }

    /// Gives the content of a part to `each`, with the offset in the part.
    fn read(&self, number: u32, mut each: impl FnMut(u64, &[u8]) -> Result<()>) -> Result<()> {
        let (offset, length) = self.range(number);
        let what = self.found.path.to_string_lossy();
        let mut buffer = vec![0; BUFFER.min(usize::try_from(length).unwrap_or(BUFFER)).max(1)];
        let mut at = 0;
        while at < length {
            self.host.check_cancelled()?;
            let (done, total) = (offset + at, self.found.identity.size);
            self.host.progress(Progress { what: &what, done, total });
            let most = buffer.len().min(usize::try_from(length - at).unwrap_or(BUFFER));
            let n = match self.source.read_at(&mut buffer[..most], offset + at) {
                Ok(0) => return Err(self.unreadable(io::Error::other("it became shorter"))),
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.unreadable(error)),
            };
            each(at, &buffer[..n])?;
            at += n as u64;
        }
        Ok(())
    }

    fn unreadable(&self, error: io::Error) -> Error {
        Error::from(error).context(format!("cannot read {}", self.found.path.display()))
    }

    fn look(&self, number: u32) -> Result<There> {
        let path = self.path(number);
        let failed =
            |e: io::Error| Error::from(e).context(format!("cannot read {}", path.display()));
        let there = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(There::Nothing),
            other => other.map_err(failed)?,
        };
        if there.is_file() && there.len() == self.range(number).1 {
            let file = open(&path).map_err(failed)?;
            let mut hash = Sha256::new();
            let mut same = true;
            let mut other = vec![0; BUFFER];
            self.read(number, |at, piece| {
                hash.update(piece);
                let other = &mut other[..piece.len()];
                same = same && file.read_exact_at(other, at).is_ok() && other == piece;
                Ok(())
            })?;
            if same {
                return Ok(There::Same(hexadecimal(hash)));
            }
        }
        let ours = there.is_file() && self.owns(number, &there);
        Ok(if ours { There::Ours } else { There::Foreign })
    }

    /// Removes parts of an earlier file of this name that had more.
    ///
    /// # Errors
    ///
    /// If one is still there.
    pub(crate) fn remove_surplus(&self) -> Result<()> {
        let owned = self.before.as_ref().map_or(0, |it| it.owned);
        for number in self.count..owned {
            remove_file(&self.path(number))?;
        }
        if self.count < owned {
            sync_directory(&self.found.path)?;
        }
        Ok(())
    }
}

/// Removes a file that may be gone already.
///
/// # Errors
///
/// If it is still there.
pub(crate) fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::from(error).context(format!("cannot remove {}", path.display())))
        }
        _ => Ok(()),
    }
}
