//! How far a backup is.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// How far a backup is: Barman's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    /// It was announced.
    #[default]
    Empty,
    /// The server was told.
    Started,
    /// All files are stored, but not yet all WAL that makes them consistent.
    WaitingForWals,
    /// It can be restored.
    Done,
    /// It cannot.
    Failed,
    /// It is being copied from another machine.
    Syncing,
}

impl Status {
    /// All of them.
    pub(super) const ALL: [Self; 6] =
        [Self::Empty, Self::Started, Self::WaitingForWals, Self::Done, Self::Failed, Self::Syncing];

    /// Returns the word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "EMPTY",
            Self::Started => "STARTED",
            Self::WaitingForWals => "WAITING_FOR_WALS",
            Self::Done => "DONE",
            Self::Failed => "FAILED",
            Self::Syncing => "SYNCING",
        }
    }

    /// Tells whether all of its files are stored.
    pub(crate) fn is_copied(self) -> bool {
        matches!(self, Self::WaitingForWals | Self::Done)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|it| it.name() == text)
            .ok_or_else(|| format!("`{text}` is no status of a backup"))
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}
