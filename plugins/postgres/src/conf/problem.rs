//! Mistakes in configuration files.

use std::{fmt, path::PathBuf};

use super::{edit::lossy, value::ValueError};

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// A mistake, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where; the directive that leads to it if it is about a whole file.
    /// Nothing if there is no such line: the main file itself, the command
    /// line.
    pub at: Option<Location>,
    /// What.
    pub kind: ProblemKind,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProblemKind {
    /// The line is no setting.
    Syntax,
    /// A directive without a name of a file.
    EmptyFileName,
    /// A directive without a name of a directory.
    EmptyDirectoryName,
    /// Files include each other more than ten deep.
    TooDeep {
        /// What was to be included.
        file: PathBuf,
    },
    /// A file includes itself.
    Recursion {
        /// The file.
        file: PathBuf,
    },
    /// A file cannot be read.
    UnreadableFile {
        /// The file.
        file: PathBuf,
        /// Why, in the system's words.
        why: String,
    },
    /// A directory cannot be read.
    UnreadableDirectory {
        /// The directory.
        directory: PathBuf,
        /// Why, in the system's words.
        why: String,
    },
    /// There is no such parameter in this version.
    UnknownParameter {
        /// Its name as written.
        name: Vec<u8>,
    },
    /// The parameter is there but cannot be set in a file.
    NotInFile {
        /// Its name as written.
        name: Vec<u8>,
    },
    /// The parameter cannot have this value.
    BadValue {
        /// Its name as written.
        name: Vec<u8>,
        /// The value.
        value: Vec<u8>,
        /// Why not.
        why: ValueError,
    },
}

impl ProblemKind {
    /// Tells whether a server that runs would load nothing at all because of
    /// this; a bad value is passed over, and the rest loaded. A server that
    /// is started refuses either.
    pub fn stops_reload(&self) -> bool {
        !matches!(self, Self::BadValue { .. } | Self::NotInFile { .. })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(at) => write!(f, "{at}: {}", self.kind),
            None => self.kind.fmt(f),
        }
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax => f.write_str("syntax error"),
            Self::EmptyFileName => f.write_str("the name of a file to include is empty"),
            Self::EmptyDirectoryName => f.write_str("the name of a directory to include is empty"),
            Self::TooDeep { file } => {
                write!(f, "{} is included more than ten deep", file.display())
            }
            Self::Recursion { file } => write!(f, "{} includes itself", file.display()),
            Self::UnreadableFile { file, why } => {
                write!(f, "cannot read {}: {why}", file.display())
            }
            Self::UnreadableDirectory { directory, why } => {
                write!(f, "cannot read the directory {}: {why}", directory.display())
            }
            Self::UnknownParameter { name } => {
                write!(f, "there is no parameter `{}`", lossy(name))
            }
            Self::NotInFile { name } => {
                write!(f, "`{}` cannot be set in a file", lossy(name))
            }
            Self::BadValue { name, value, why } => {
                write!(f, "`{}` cannot be `{}`: {why}", lossy(name), lossy(value))
            }
        }
    }
}
