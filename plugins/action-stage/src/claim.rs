//! Says that the directory of a peer is not whole yet.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::{TEMPORARY, durable, error::StageError, peer};

/// How the names of such files begin.
const PREFIX: &str = "claim-";
/// The longest text that such a file has: a name and the end of the line.
const LONGEST: u64 = 256;

/// A file in the day's directory with the name of a peer whose own directory
/// is being filled. What it names is not whole as long as it is there.
#[derive(Debug)]
pub(crate) struct Claim {
    file: PathBuf,
    day: PathBuf,
}

impl Claim {
    /// Makes the file. It is on disk when this returns, so the directory can
    /// be created.
    pub(crate) fn make(day: &Path, number: usize, name: &str) -> Result<Self, StageError> {
        let file = day.join(format!("{TEMPORARY}{PREFIX}{number}"));
        durable::remove(&file)?;
        let it = Self { day: day.to_owned(), file };
        let mut options = OpenOptions::new();
        let created = options.write(true).create_new(true).mode(0o600).open(&it.file);
        let mut file = created.map_err(StageError::io("create", &it.file))?;
        let written = file.write_all(format!("{name}\n").as_bytes()).and_then(|()| file.sync_all());
        if let Err(error) = written {
            drop(fs::remove_file(&it.file));
            return Err(StageError::io("write", &it.file)(error));
        }
        durable::sync_directory(day)?;
        Ok(it)
    }

    /// Removes the file: what it named is whole, or gone.
    pub(crate) fn lift(&self) -> Result<(), StageError> {
        durable::remove(&self.file)?;
        durable::sync_directory(&self.day)
    }

    /// Removes what it names, then the file.
    pub(crate) fn sweep(&self) -> Result<(), StageError> {
        sweep(&self.day, &self.file)
    }
}

/// Removes the directory that `file` names, if it is a claim, then the file.
pub(crate) fn sweep(day: &Path, file: &Path) -> Result<(), StageError> {
    let name = file.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    if name.starts_with(&format!("{TEMPORARY}{PREFIX}"))
        && let Some(peer) = read(file).map_err(StageError::io("read", file))?
    {
        let left = day.join(peer);
        match fs::remove_dir_all(&left) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StageError::io("remove", &left)(error));
            }
            _ => durable::sync_directory(day)?,
        }
    }
    durable::remove(file)
}

/// Reads the name in a claim; there is none if it was not written to its end.
fn read(file: &Path) -> io::Result<Option<String>> {
    let mut text = Vec::new();
    let mut options = OpenOptions::new();
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    options.read(true).custom_flags(i32::try_from(flags.bits()).unwrap_or(0));
    options.open(file)?.take(LONGEST + 1).read_to_end(&mut text)?;
    let text = String::from_utf8(text).unwrap_or_default();
    let name = text.strip_suffix('\n').filter(|it| peer::check_name(it).is_ok());
    Ok(name.map(ToOwned::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_whole_claim_names_is_removed() {
        let cases = [("a\n", true), ("a", false), ("", false), ("../a\n", false), (".\n", false)];
        for (text, gone) in cases {
            let scratch = tempfile::tempdir().unwrap();
            let day = scratch.path().join("day");
            for directory in ["day/a", "a"] {
                fs::create_dir_all(scratch.path().join(directory)).unwrap();
                fs::write(scratch.path().join(directory).join("f"), "x").unwrap();
            }
            let file = day.join(".hayloft-claim-0");
            fs::write(&file, text).unwrap();
            sweep(&day, &file).unwrap();
            assert_eq!(!day.join("a").exists(), gone, "{text:?}");
            assert!(scratch.path().join("a/f").exists() && !file.exists(), "{text:?}");
        }
    }

    #[test]
    fn a_claim_goes_away_when_it_is_lifted() {
        let day = tempfile::tempdir().unwrap();
        let claim = Claim::make(day.path(), 7, "box").unwrap();
        assert_eq!(read(&claim.file).unwrap().as_deref(), Some("box"));
        claim.lift().unwrap();
        assert_eq!(fs::read_dir(day.path()).unwrap().count(), 0);
    }
}
