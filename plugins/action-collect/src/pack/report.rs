//! What became of a tree.

use crate::walk::{Problem, Trouble};

/// More than this many warnings are counted, not kept.
const KEPT: usize = 200;

/// What became of a tree.
#[derive(Debug, Default)]
pub struct Report {
    /// How much there was of everything.
    pub counts: Counts,
    /// What a person should look at, at most a few hundred.
    pub warnings: Vec<String>,
}

/// How much there was of everything.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Directories in the archive.
    pub directories: u64,
    /// Files, links, pipes and devices in the archive.
    pub stored: u64,
    /// Files that are unchanged and not in the archive.
    pub unchanged: u64,
    /// Bytes of content in the archive.
    pub bytes: u64,
    /// Warnings in all.
    pub warnings: u64,
    /// Files that were gone before they could be read.
    pub vanished: u64,
    /// Files that became longer while they were read.
    pub grew: u64,
    /// Sockets.
    pub sockets: u64,
}

impl Report {
    /// Takes note of a problem.
    pub(super) fn problem(&mut self, problem: &Problem) {
        match problem.trouble {
            Trouble::Vanished => self.counts.vanished += 1,
            Trouble::Grew => self.counts.grew += 1,
            Trouble::Socket => self.counts.sockets += 1,
            _ => {}
        }
        if !problem.trouble.is_warning() {
            tracing::info!("{problem}");
            return;
        }
        tracing::warn!("{problem}");
        self.counts.warnings += 1;
        if self.warnings.len() < KEPT {
            self.warnings.push(problem.to_string());
        }
    }
}
