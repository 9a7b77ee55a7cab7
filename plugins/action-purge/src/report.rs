//! What a purge did, and how it is said.

use std::{os::unix::ffi::OsStrExt, path::Path};

use hayloft_plugin_api::text::{one_line, size};

/// Counts of what was removed, or would be in a dry run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Regular files and symbolic links.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// The size of the files, in bytes. What is still there under another
    /// name (a hard link) does not count.
    pub bytes: u64,
    /// What should have been removed and was not, one line for each.
    pub problems: Vec<String>,
    /// Directories kept although something in them is old enough, and why.
    pub kept: Vec<String>,
}

impl Report {
    /// Adds the counts of `other`.
    pub fn add(&mut self, other: Self) {
        self.files += other.files;
        self.directories += other.directories;
        self.bytes += other.bytes;
        self.problems.extend(other.problems);
        self.kept.extend(other.kept);
    }

    /// Returns the line for people.
    pub fn summary(&self, dry_run: bool) -> String {
        let verb = if dry_run { "would remove" } else { "removed" };
        let files = counted(self.files, "file", "files");
        let directories = counted(self.directories, "directory", "directories");
        format!("{verb} {files}, {directories}, {}", size(self.bytes))
    }
}

fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// Returns a path as it can stand in one line of a log.
pub fn shown(path: &Path) -> String {
    one_line(path.as_os_str().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_reads_as_a_sentence() {
        let report =
            Report { files: 17, directories: 1, bytes: 1_200_000_000, ..Report::default() };
        assert_eq!(report.summary(false), "removed 17 files, 1 directory, 1.2 GB");
        assert_eq!(report.summary(true), "would remove 17 files, 1 directory, 1.2 GB");
    }

    #[test]
    fn a_name_cannot_forge_a_line_of_the_log() {
        assert_eq!(shown(Path::new("a\nb\u{1b}[1m é")), "a\\nb\\u{1b}[1m é");
    }
}
