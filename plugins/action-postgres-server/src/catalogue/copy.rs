//! A backup as it is in one storage.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{BackupId, BackupInfo, BackupKind, Keep, Status};

/// What is known of a backup in one storage.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Copy {
    /// The backup.
    pub(crate) id: BackupId,
    /// The storage's name.
    pub(crate) storage: String,
    /// What its description says.
    pub(crate) known: Known,
    /// How it is stored.
    pub(crate) layout: Layout,
    /// Whether there is a manifest.
    pub(crate) manifest: bool,
    /// The mark that it is to be kept.
    pub(crate) keep: Option<Keep>,
    /// The mark that it is being deleted.
    pub(crate) doomed: bool,
    /// When something was written to it last, in nanoseconds since 1970.
    pub(crate) modified_ns: i64,
}

/// What a description says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Known {
    /// This.
    Info(Box<BackupInfo>),
    /// There is none.
    Missing,
    /// It makes no sense, for that reason.
    Unreadable(String),
    /// The storage did not tell, for that reason: it may be whole, and refer
    /// to others.
    Unasked(String),
}

/// How the files of a backup are stored.
#[derive(Debug, Clone, std::marker::Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layout {
    /// There are none.
    Nothing,
    /// As a data directory, by Barman.
    Files,
    /// As archives, by Barman or in a bucket.
    Tar,
    /// As parts with a manifest: ours.
    Parts,
}

impl Layout {
    /// Returns a word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Files => "files",
            Self::Tar => "tar",
            Self::Parts => "parts",
        }
    }
}

/// What can be done with a copy; the best first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// What its description says.
    Is(Best),
    /// It cannot be restored, for that reason.
    Broken(String),
    /// It is being deleted, or was when whoever did it was interrupted.
    Deleting,
    /// What is left of one that was deleted.
    Remains,
}

/// A status, ordered by what it is good for, best first.
#[derive(Debug, Clone, std::marker::Copy, PartialEq, Eq)]
pub(crate) struct Best(pub(crate) Status);

impl Best {
    fn rank(self) -> u8 {
        match self.0 {
            Status::Done => 0,
            Status::WaitingForWals => 1,
            Status::Syncing => 2,
            Status::Started => 3,
            Status::Empty => 4,
            Status::Failed => 5,
        }
    }
}

impl PartialOrd for Best {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Best {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl State {
    /// Tells whether it is that status.
    pub(crate) fn is(&self, status: Status) -> bool {
        *self == Self::Is(Best(status))
    }

    /// Tells whether all of its files are there.
    pub(crate) fn is_copied(&self) -> bool {
        matches!(self, Self::Is(best) if best.0.is_copied())
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Is(best) => best.0.name(),
            Self::Broken(_) => "BROKEN",
            Self::Deleting => "DELETING",
            Self::Remains => "REMAINS",
        })
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl Copy {
    /// Returns what its description says, if that can be read.
    pub(crate) fn info(&self) -> Option<&BackupInfo> {
        if let Known::Info(info) = &self.known { Some(info) } else { None }
    }

    /// Returns what can be done with it.
    pub(crate) fn state(&self) -> State {
        if self.doomed {
            return State::Deleting;
        }
        match &self.known {
            Known::Unreadable(why) | Known::Unasked(why) => State::Broken(why.clone()),
            Known::Missing if self.manifest => State::Broken("it has no backup.info".to_owned()),
            Known::Missing => State::Remains,
            Known::Info(info) if !info.status.is_copied() => State::Is(Best(info.status)),
            Known::Info(info) => match self.lacks(info) {
                Some(why) => State::Broken(format!("it is {}, but {why}", info.status)),
                None => State::Is(Best(info.status)),
            },
        }
    }

    /// Tells what a backup lacks all of whose files ought to be there.
    fn lacks(&self, info: &BackupInfo) -> Option<&'static str> {
        match self.layout {
            _ if info.kind() == BackupKind::Snapshot => None,
            Layout::Parts if !self.manifest => Some("there is no manifest"),
            Layout::Nothing if !self.manifest => Some("there are no files"),
            _ => None,
        }
    }

    /// Tells whether it is one of ours.
    pub(crate) fn is_ours(&self) -> bool {
        self.manifest || self.layout == Layout::Parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(status: Option<Status>, layout: Layout, manifest: bool, doomed: bool) -> Copy {
        let info = |status| Known::Info(Box::new(BackupInfo { status, ..BackupInfo::default() }));
        Copy {
            id: "20260101T000000".parse().unwrap(),
            storage: "disk".to_owned(),
            known: status.map_or(Known::Missing, info),
            layout,
            manifest,
            keep: None,
            doomed,
            modified_ns: 0,
        }
    }

    #[test]
    fn what_lacks_something_is_shown_as_it_is() {
        use Layout::{Files, Nothing, Parts, Tar};
        let cases = [
            (Some(Status::Done), Parts, true, false, "DONE"),
            (Some(Status::Done), Nothing, true, false, "DONE"),
            (Some(Status::Done), Files, false, false, "DONE"),
            (Some(Status::Done), Tar, false, false, "DONE"),
            (Some(Status::Done), Parts, false, false, "BROKEN"),
            (Some(Status::WaitingForWals), Nothing, false, false, "BROKEN"),
            (Some(Status::Started), Parts, false, false, "STARTED"),
            (Some(Status::Failed), Nothing, false, false, "FAILED"),
            (Some(Status::Done), Parts, true, true, "DELETING"),
            (None, Parts, false, true, "DELETING"),
            (None, Parts, true, false, "BROKEN"),
            (None, Parts, false, false, "REMAINS"),
        ];
        for (status, layout, manifest, doomed, expected) in cases {
            let found = copy(status, layout, manifest, doomed).state().to_string();
            assert_eq!(found, expected, "{status:?} {layout:?} {manifest} {doomed}");
        }
    }
}
