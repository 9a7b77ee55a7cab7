//! What came of a pass.

use hayloft_plugin_api::Error;
use serde::Serialize;

use super::pass::chain;

/// What came of a pass.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Tally {
    /// Archived and removed.
    pub(crate) stored: u64,
    /// Removed: the archive had them, with the same content.
    pub(crate) known: u64,
    /// Moved to the errors: the archive has other content.
    pub(crate) conflicts: u64,
    /// Moved to the errors: not what their names say.
    pub(crate) damaged: u64,
    /// Moved to the errors: no WAL.
    pub(crate) unknown: u64,
    /// Left: somebody may still be writing them.
    pub(crate) growing: u64,
    /// Left: for the next pass.
    pub(crate) waiting: u64,
    /// Why it stopped before its end.
    pub(crate) failure: Option<String>,
    /// What can be done about that.
    pub(crate) hint: Option<String>,
}

impl Tally {
    /// Adds what came of another one.
    pub(crate) fn add(&mut self, other: Self) {
        self.stored += other.stored;
        self.known += other.known;
        self.conflicts += other.conflicts;
        self.damaged += other.damaged;
        self.unknown += other.unknown;
        self.growing += other.growing;
        self.waiting += other.waiting;
        if self.failure.is_none() {
            self.failure = other.failure;
            self.hint = other.hint;
        }
    }

    /// Something stopped it; the first thing counts.
    pub(super) fn fail(&mut self, error: &Error) {
        if self.failure.is_none() {
            self.failure = Some(chain(error));
            self.hint = error.remedy().map(ToOwned::to_owned);
        }
    }

    /// 0 if all is well; 1 if it stopped, or WAL was not archived because
    /// there is other WAL of its name; 7 if something else lies in the errors
    /// now.
    pub(crate) fn exit_code(&self) -> u8 {
        if self.failure.is_some() || self.conflicts > 0 {
            1
        } else if self.damaged + self.unknown > 0 {
            7
        } else {
            0
        }
    }

    /// One line for people.
    pub(crate) fn summary(&self) -> String {
        let files = if self.stored == 1 { "file" } else { "files" };
        let mut parts = vec![format!("archived {} {files}", self.stored)];
        let more = [
            (self.known, "were archived before"),
            (self.conflicts, "moved to the errors, as the archive has others of their names"),
            (self.damaged, "moved to the errors, as they are not what their names say"),
            (self.unknown, "moved to the errors, as they are no WAL"),
            (self.growing, "left, as they may still grow"),
            (self.waiting, "left for the next time"),
        ];
        let more = more.into_iter().filter(|(count, _)| *count > 0);
        parts.extend(more.map(|(count, what)| format!("{count} {what}")));
        parts.join("; ")
    }
}
