//! What a purge did, and how it is said.

use std::path::Path;

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

/// Returns a size as people write it, in powers of 1000.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} bytes");
    }
    let mut tenths = bytes / 100;
    let mut unit = 0;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// Returns a path as it can stand in one line of a log: control characters,
/// which could forge a line, are escaped.
pub fn shown(path: &Path) -> String {
    let mut text = String::new();
    for c in path.to_string_lossy().chars() {
        if c.is_control() {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_decimal_and_one_unit() {
        let cases = [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (1_250_000_000, "1.2 GB"),
            (999_999, "999.9 kB"),
            (1_000_000, "1.0 MB"),
            (u64::MAX, "18446.7 PB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }

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
