//! The log file.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::{level_name, one_line};
use crate::{clock::Moment, worker::protocol::LogRecord};

/// Why there is no log file.
#[derive(Debug, Error)]
#[error("cannot open the log file {path}", path = path.display())]
pub struct FileError {
    path: PathBuf,
    source: io::Error,
}

/// A log file that is appended to, a line a record, in Cedar Backup's form:
/// `2026-11-17T02:00:00 UTC --> [INFO   ] text`.
#[derive(Debug)]
pub struct LogFile {
    file: File,
}

impl LogFile {
    /// Opens the file; a new one is readable by its owner and group.
    ///
    /// # Errors
    ///
    /// If it cannot be opened for appending.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let opened = OpenOptions::new().create(true).append(true).mode(0o640).open(path);
        let file = opened.map_err(|source| FileError { path: path.to_owned(), source })?;
        Ok(Self { file })
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
        let line = format!("{stamp} --> [{level:<7}] {}\n", one_line(&record.text));
        (&self.file).write_all(line.as_bytes())
    }
}
