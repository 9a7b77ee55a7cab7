//! What goes wrong with single files.

use std::{fmt, io};

use crate::shown::absolute;

/// Something that happened to one file.
#[derive(Debug)]
pub struct Problem {
    /// The path without the leading `/`.
    pub path: Vec<u8>,
    /// What happened.
    pub trouble: Trouble,
}

/// What happened to a file.
#[derive(Debug)]
pub enum Trouble {
    /// It cannot be read, and is not in the archive, or only in part.
    Unreadable(io::Error),
    /// Its extended attributes cannot be read.
    Attributes(io::Error),
    /// It was gone, or became something else, before it could be read.
    Vanished,
    /// It became shorter while it was read: what was missing is zeros in the
    /// archive.
    Shrank {
        /// The bytes that were missing.
        missing: u64,
    },
    /// It became longer while it was read: the archive has it up to the size
    /// that it had.
    Grew,
    /// It is a socket, which only a running program can make.
    Socket,
    /// A link leads to a directory that the walk is in already.
    Loop,
}

impl Trouble {
    /// Tells whether a person should look at it: data that should be in the
    /// archive is not.
    pub fn is_warning(&self) -> bool {
        matches!(self, Self::Unreadable(_) | Self::Attributes(_) | Self::Shrank { .. })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = absolute(&self.path);
        match &self.trouble {
            Trouble::Unreadable(e) => write!(f, "cannot read {path}: {e}"),
            Trouble::Attributes(e) => write!(f, "cannot read the attributes of {path}: {e}"),
            Trouble::Vanished => write!(f, "{path} was gone before it was read"),
            Trouble::Shrank { missing } => {
                write!(f, "{path} became {missing} bytes shorter while it was read; they are zeros")
            }
            Trouble::Grew => write!(f, "{path} became longer while it was read; it is cut off"),
            Trouble::Socket => write!(f, "{path} is a socket and is left out"),
            Trouble::Loop => write!(f, "{path} leads back to where it is, and stays a link"),
        }
    }
}
