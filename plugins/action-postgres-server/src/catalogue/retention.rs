//! Which backups may go: decisions, as functions of what there is.

mod barman;
mod generations;
mod plan;
mod policy;
mod wal;

#[cfg(test)]
mod histories;

use std::fmt;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

pub use self::policy::{Generations, Policy, Unit};
pub(crate) use self::{
    plan::{Decision, Plan, Rules, Step},
    wal::needs,
};
use super::{BackupId, Keep, Status};

/// What a policy needs to know of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Which it is.
    pub(crate) id: BackupId,
    /// How far it is, as far as it can be used.
    pub(crate) status: Option<Status>,
    /// When it was whole.
    pub(crate) end_time: Option<Timestamp>,
    /// The mark that it is to be kept.
    pub(crate) keep: Option<Keep>,
    /// The backup that it refers to.
    pub(crate) parent: Option<BackupId>,
}

impl Candidate {
    fn is_done(&self) -> bool {
        self.status == Some(Status::Done)
    }
}

/// What a policy says of a backup: Barman's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// It is within the policy.
    Valid,
    /// It is outside, but wanted for the minimum redundancy.
    PotentiallyObsolete,
    /// It may go.
    Obsolete,
    /// It is kept with all WAL since.
    KeepFull,
    /// It is kept with its own WAL.
    KeepStandalone,
    /// The policy is not about it.
    None,
}

impl Verdict {
    /// Returns Barman's word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Valid => "VALID",
            Self::PotentiallyObsolete => "OBSOLETE*",
            Self::Obsolete => "OBSOLETE",
            Self::KeepFull => "KEEP:FULL",
            Self::KeepStandalone => "KEEP:STANDALONE",
            Self::None => "-",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

impl From<Keep> for Verdict {
    fn from(keep: Keep) -> Self {
        match keep {
            Keep::Full => Self::KeepFull,
            Keep::Standalone => Self::KeepStandalone,
        }
    }
}

/// What a policy says of all backups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// What it says of each, and why.
    pub(crate) verdicts: std::collections::BTreeMap<BackupId, (Verdict, String)>,
    /// The oldest one within the policy: from here on, recovery is possible to
    /// any time.
    pub(crate) first: Option<BackupId>,
    /// The same, whether it is marked or not: WAL stays since then, so that a
    /// mark can be taken away again.
    pub(crate) since: Option<BackupId>,
}

impl Report {
    fn say(&mut self, id: BackupId, verdict: Verdict, why: impl Into<String>) {
        self.verdicts.insert(id, (verdict, why.into()));
    }

    /// Returns what it says of one.
    pub(crate) fn verdict(&self, id: BackupId) -> Verdict {
        self.verdicts.get(&id).map_or(Verdict::None, |it| it.0)
    }
}
