//! Puts the parts of one file together.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::FileExt,
    path::Path,
};

use hayloft_plugin_api::{Error, ErrorKind, Host, Output, OutputOptions, Progress, Result};
use hayloft_staging::{
    files::{Found, hash_of, open, sync_directory},
    upload::hexadecimal,
};
use sha2::{Digest, Sha256};

use crate::{parts::remove_file, record::SplitFile, sets::Set};

/// How much is read at a time.
const BUFFER: usize = 1 << 20;

/// A set and where its file is to be.
pub(crate) struct Joining<'a> {
    pub(crate) host: &'a Host,
    pub(crate) set: &'a Set,
    pub(crate) record: Option<&'a SplitFile>,
    pub(crate) target: &'a Path,
    /// Whether the file belongs to the backup user.
    pub(crate) own: bool,
}

impl Joining<'_> {
    /// Tells whether the file is there and has what the parts have, as an
    /// interrupted run leaves it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ALREADY_EXISTS`] if another file is there.
    pub(crate) fn is_done(&self) -> Result<bool> {
        let failed =
            |e: io::Error| Error::from(e).context(format!("cannot read {}", self.target.display()));
        match fs::symlink_metadata(self.target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Ok(there) if there.is_file() => {}
            Ok(_) => return Err(self.exists()),
            Err(error) => return Err(failed(error)),
        }
        let joined = open(self.target).map_err(failed)?;
        let mut at = 0;
        let mut expected = 0;
        for (number, part) in &self.set.parts {
            if *number != expected || !self.is_at(part, &joined, at)? {
                return Err(self.exists());
            }
            (at, expected) = (at + part.identity.size, expected + 1);
        }
        Ok(true)
    }

    fn exists(&self) -> Error {
        let message = format!("{} is there already, and is another file", self.target.display());
        Error::new(ErrorKind::ALREADY_EXISTS, message)
    }

    /// Tells whether the joined file has a part's content at this place.
    fn is_at(&self, part: &Found, joined: &File, mut at: u64) -> Result<bool> {
        let mut file = part.open()?;
        let (mut buffer, mut other) = (vec![0; BUFFER], vec![0; BUFFER]);
        loop {
            self.host.check_cancelled()?;
            let n = read_some(&mut file, &mut buffer, &part.path)?;
            if n == 0 {
                return Ok(true);
            }
            if joined.read_exact_at(&mut other[..n], at).is_err() || other[..n] != buffer[..n] {
                return Ok(false);
            }
            at += n as u64;
        }
    }

    /// Writes the file and reads it once more. Returns its size.
    ///
    /// # Errors
    ///
    /// Why it is not there.
    pub(crate) fn write(&self) -> Result<u64> {
        let options = OutputOptions {
            replace: false,
            give_to_backup_user: self.own,
            ..OutputOptions::default()
        };
        let mut output = self.host.create(self.target, &options)?;
        let mut hash = Sha256::new();
        for (index, part) in self.set.in_order(self.record).enumerate() {
            let found = self.append(part, &mut output, &mut hash)?;
            let expected = self.record.and_then(|it| it.sha256.get(index));
            if expected.is_some_and(|it| *it != found) {
                let message =
                    format!("{} is not what it was when it was made", part.path.display());
                return Err(Error::new(ErrorKind::CORRUPT, message));
            }
        }
        let written = output.written();
        output.commit()?;
        if hash_of(self.host, self.target)? != (written, hexadecimal(hash)) {
            let message = format!("{} is not what was written to it", self.target.display());
            return Err(Error::new(ErrorKind::CORRUPT, message));
        }
        Ok(written)
    }

    /// Appends a part and returns its hash.
    fn append(&self, part: &Found, output: &mut Output, whole: &mut Sha256) -> Result<String> {
        let mut file = part.open()?;
        let mut buffer = vec![0; BUFFER];
        let mut hash = Sha256::new();
        let (what, total) = (self.target.to_string_lossy(), self.set.size());
        loop {
            self.host.check_cancelled()?;
            self.host.progress(Progress { what: &what, done: output.written(), total });
            let n = read_some(&mut file, &mut buffer, &part.path)?;
            if n == 0 {
                part.check(&file)?;
                return Ok(hexadecimal(hash));
            }
            hash.update(&buffer[..n]);
            whole.update(&buffer[..n]);
            output.write_all(&buffer[..n])?;
        }
    }

    /// Removes the parts, the last one first: what an interruption leaves is
    /// known for what it is, see [`Joining::is_done`].
    ///
    /// # Errors
    ///
    /// If one is still there.
    pub(crate) fn remove_parts(&self) -> Result<()> {
        let parts: Vec<&Found> = self.set.in_order(self.record).collect();
        for part in parts.into_iter().rev() {
            remove_file(&part.path)?;
        }
        Ok(sync_directory(&self.set.directory().join("x"))?)
    }
}

fn read_some(file: &mut File, buffer: &mut [u8], path: &Path) -> Result<usize> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(Error::from(error).context(format!("cannot read {}", path.display())));
            }
            Ok(n) => return Ok(n),
        }
    }
}
