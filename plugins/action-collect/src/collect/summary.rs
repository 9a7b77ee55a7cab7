//! What the action says about what it did.

use std::fmt::Write;

use hayloft_plugin_api::{Outcome, text::size};

use crate::pack::Report;

/// The sum of all archives.
#[derive(Debug, Default)]
pub(super) struct Summary {
    archives: u64,
    kept: u64,
    files: u64,
    directories: u64,
    unchanged: u64,
    bytes: u64,
    archived: u64,
    vanished: u64,
    grew: u64,
    sockets: u64,
    warnings: Vec<String>,
    /// Whether a file is not in its archive, or not whole.
    incomplete: bool,
}

/// An archive that was made, or an item that has nothing to archive.
#[derive(Debug)]
pub(super) enum Made {
    /// The root is left out.
    Nothing,
    /// The archive that is there already has everything as it is.
    Kept {
        /// How many files are in it, and in those that it builds on.
        files: u64,
    },
    /// An archive of that many bytes.
    Archive {
        /// What is in it.
        report: Report,
        /// Its size on disk.
        bytes: u64,
        /// What else a person should know.
        warnings: Vec<String>,
    },
}

impl Summary {
    pub(super) fn add(&mut self, made: Made) {
        let (report, bytes, warnings) = match made {
            Made::Nothing => return,
            Made::Kept { files } => {
                self.kept += 1;
                self.unchanged += files;
                return;
            }
            Made::Archive { report, bytes, warnings } => (report, bytes, warnings),
        };
        let counts = report.counts;
        self.archives += 1;
        self.archived += bytes;
        self.files += counts.stored;
        self.directories += counts.directories;
        self.unchanged += counts.unchanged;
        self.bytes += counts.bytes;
        self.vanished += counts.vanished;
        self.grew += counts.grew;
        self.sockets += counts.sockets;
        let more = counts.warnings - report.warnings.len() as u64;
        self.incomplete |= counts.warnings > 0;
        self.warnings.extend(warnings);
        self.warnings.extend(report.warnings);
        if more > 0 {
            self.warnings.push(format!("{more} more files could not be read; see the log"));
        }
    }

    pub(super) fn outcome(self) -> Outcome {
        let mut text = format!(
            "{} archives, {} files, {} in {}",
            self.archives,
            self.files,
            size(self.bytes),
            size(self.archived)
        );
        if self.unchanged > 0 {
            let _ = write!(text, "; {} files unchanged", self.unchanged);
        }
        if self.kept > 0 {
            let _ = write!(text, "; {} archives stay as they are", self.kept);
        }
        let mut outcome = Outcome::new(text)
            .value("archives", self.archives)
            .value("kept", self.kept)
            .value("files", self.files)
            .value("directories", self.directories)
            .value("unchanged", self.unchanged)
            .value("bytes", self.bytes)
            .value("archived_bytes", self.archived)
            .value("vanished", self.vanished)
            .value("grew", self.grew)
            .value("sockets", self.sockets);
        outcome.warnings = self.warnings;
        outcome.incomplete = self.incomplete;
        outcome
    }
}
