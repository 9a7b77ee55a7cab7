//! The log file.

use std::{
    fs::{File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use thiserror::Error;

use super::{level_name, one_line};
use crate::{
    clock::Moment,
    services::owner::{group_id, user_id},
    worker::protocol::LogRecord,
};

/// Why there is no log file.
#[derive(Debug, Error)]
#[error("cannot open the log file {path}", path = path.display())]
pub struct FileError {
    path: PathBuf,
    source: io::Error,
}

impl FileError {
    /// Returns the file and what the system said.
    pub fn parts(&self) -> (&Path, &io::Error) {
        (&self.path, &self.source)
    }
}

/// How a log file is made that is not there yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewFile {
    /// Its permission bits, whatever the umask; 0640 if nothing is said.
    pub mode: Option<u32>,
    /// The names of the user and the group who get it, if there are such and
    /// we may give it to them.
    pub owner: Option<(String, String)>,
}

/// A log file that is appended to, a line a record, in Cedar Backup's form:
/// `2026-11-17T02:00:00 UTC --> [INFO   ] text`.
#[derive(Debug)]
pub struct LogFile {
    file: File,
    /// Whether a line could not be written already.
    failed: AtomicBool,
}

impl LogFile {
    /// Opens the file; a new one is made as it is wanted, an existing one
    /// keeps its owner and mode.
    ///
    /// # Errors
    ///
    /// If it cannot be opened for appending.
    pub fn open(path: &Path, new: &NewFile) -> Result<Self, FileError> {
        let file = open(path, new).map_err(|source| FileError { path: path.to_owned(), source })?;
        Ok(Self { file, failed: AtomicBool::new(false) })
    }

    /// Appends a record, in one write so that other processes' lines stay
    /// whole.
    ///
    /// # Errors
    ///
    /// If the disk is full, for one.
    pub fn write(&self, record: &LogRecord) -> io::Result<()> {
        let stamp = Moment::now().log_stamp();
        let level = level_name(record.level);
        let text = record.text_with_program();
        self.append(&format!("{stamp} --> [{level:<7}] {}\n", one_line(&text)))
    }

    /// Appends what another program wrote, as it is but for control
    /// characters.
    ///
    /// # Errors
    ///
    /// As [`LogFile::write`].
    pub fn write_output(&self, record: &LogRecord) -> io::Result<()> {
        self.append(&format!("{}\n", one_line(&record.text)))
    }

    /// A disk that is full is told of once, not with every line.
    fn append(&self, line: &str) -> io::Result<()> {
        match (&self.file).write_all(line.as_bytes()) {
            Err(_) if self.failed.swap(true, Ordering::Relaxed) => Ok(()),
            other => other,
        }
    }
}

fn open(path: &Path, new: &NewFile) -> io::Result<File> {
    const USUAL_MODE: u32 = 0o640;
    let mode = new.mode.unwrap_or(USUAL_MODE);
    // Nobody else may open it before it has its owner and mode.
    let first = OpenOptions::new().append(true).create_new(true).mode(mode & 0o600).open(path);
    match first {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            OpenOptions::new().append(true).open(path)
        }
        Err(e) => Err(e),
        Ok(file) => {
            if let Some((user, group)) = &new.owner
                && let (Ok(user), Ok(group)) = (user_id(user), group_id(group))
            {
                // Only root may give files away; others keep them.
                drop(fchown(&file, Some(user), Some(group)));
            }
            file.set_permissions(Permissions::from_mode(mode))?;
            Ok(file)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn record(text: &str) -> LogRecord {
        let (target, program) = ("hayloft".to_owned(), "su".to_owned());
        LogRecord { level: 1, target, text: text.to_owned(), program }
    }

    #[test]
    fn a_new_file_gets_its_mode_and_an_existing_one_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        for (mode, expected) in [(None, 0o640), (Some(0o666), 0o666), (Some(0), 0)] {
            let path = dir.path().join(format!("{expected:o}.log"));
            let owner = Some(("no-such-user".to_owned(), "no-such-group".to_owned()));
            LogFile::open(&path, &NewFile { mode, owner }).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, expected);
        }
        let path = dir.path().join("640.log");
        LogFile::open(&path, &NewFile { mode: Some(0o600), owner: None }).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
        assert!(LogFile::open(dir.path(), &NewFile::default()).is_err());
    }

    #[test]
    fn a_record_is_one_line_whatever_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let log = LogFile::open(&path, &NewFile::default()).unwrap();
        log.write(&record("a\nb\u{1b}")).unwrap();
        log.write_output(&record("a\nb")).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with(" --> [ERROR  ] a\\nb\\u{1b}"), "{text}");
        assert_eq!(lines[1..], ["a\\nb"]);
    }
}
