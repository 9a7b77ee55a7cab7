//! What a file in `pg_wal` or in an archive is, told by its name.

use std::{fmt, str::FromStr};

use super::{Lsn, SegmentName, TimelineId, WalError, lsn::hex32};

/// A file that PostgreSQL archives.
///
/// Shown as PostgreSQL names it. Names are read in capitals and small
/// letters; the endings (`.history`, `.partial`, `.backup`) are small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileName {
    /// A whole segment: `000000010000000000000001`.
    Segment(SegmentName),
    /// A segment that is not whole, `….partial`: the last one of a timeline
    /// that was left, or one that `pg_receivewal` is still writing.
    Partial(SegmentName),
    /// The history of a timeline: `00000002.history`.
    History(TimelineId),
    /// The label of a finished backup:
    /// `000000010000000000000004.00000028.backup`.
    Backup {
        /// The segment in which the backup begins.
        segment: SegmentName,
        /// How far into the segment, in bytes.
        offset: u32,
    },
}

impl FileName {
    /// Reads a name; nothing for what PostgreSQL does not archive.
    pub fn parse(name: &str) -> Option<Self> {
        let timeline = |digits: &str| match digits.len() {
            8 => hex32(digits).and_then(TimelineId::new),
            _ => None,
        };
        if let Some(digits) = name.strip_suffix(".history") {
            return timeline(digits).map(Self::History);
        }
        if let Some(rest) = name.strip_suffix(".partial") {
            return rest.parse().ok().map(Self::Partial);
        }
        if let Some(rest) = name.strip_suffix(".backup") {
            let (segment, offset) = rest.split_once('.')?;
            let offset = if offset.len() == 8 { hex32(offset) } else { None }?;
            return Some(Self::Backup { segment: segment.parse().ok()?, offset });
        }
        name.parse().ok().map(Self::Segment)
    }

    /// Reads a name with or without the suffix of a compression, as
    /// `pg_receivewal --compress` and archive commands append them. The
    /// suffix may stand before `.partial` too (`….gz.partial`).
    pub fn parse_compressed(name: &str) -> Option<(Self, Option<Compression>)> {
        if let Some(plain) = Self::parse(name) {
            return Some((plain, None));
        }
        if let Some((rest, compression)) = Compression::split(name) {
            return Some((Self::parse(rest)?, Some(compression)));
        }
        let (rest, compression) = Compression::split(name.strip_suffix(".partial")?)?;
        Some((Self::Partial(rest.parse().ok()?), Some(compression)))
    }

    /// Returns the timeline.
    pub fn timeline(self) -> TimelineId {
        match self {
            Self::History(timeline) => timeline,
            Self::Segment(it) | Self::Partial(it) | Self::Backup { segment: it, .. } => {
                it.timeline()
            }
        }
    }

    /// Returns the segment that the file is, or is about.
    pub fn segment(self) -> Option<SegmentName> {
        match self {
            Self::History(_) => None,
            Self::Segment(it) | Self::Partial(it) | Self::Backup { segment: it, .. } => Some(it),
        }
    }

    /// Returns the directory below an archive in which Barman keeps the file;
    /// empty for histories, which lie at the top.
    pub fn directory(self) -> String {
        self.segment().map(SegmentName::directory).unwrap_or_default()
    }
}

impl From<SegmentName> for FileName {
    fn from(name: SegmentName) -> Self {
        Self::Segment(name)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment(name) => name.fmt(f),
            Self::Partial(name) => write!(f, "{name}.partial"),
            Self::History(timeline) => write!(f, "{:08X}.history", timeline.get()),
            Self::Backup { segment, offset } => write!(f, "{segment}.{offset:08X}.backup"),
        }
    }
}

impl FromStr for FileName {
    type Err = WalError;

    fn from_str(name: &str) -> Result<Self, WalError> {
        Self::parse(name).ok_or_else(|| WalError::BadName { name: name.to_owned() })
    }
}

/// How a file says by its name that it is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// `.gz`
    Gzip,
    /// `.bz2`
    Bzip2,
    /// `.xz`
    Xz,
    /// `.zst`
    Zstd,
    /// `.lz4`
    Lz4,
    /// `.snappy`
    Snappy,
}

impl Compression {
    const ALL: [Self; 6] = [Self::Gzip, Self::Bzip2, Self::Xz, Self::Zstd, Self::Lz4, Self::Snappy];

    /// Returns the suffix, with its dot.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Gzip => ".gz",
            Self::Bzip2 => ".bz2",
            Self::Xz => ".xz",
            Self::Zstd => ".zst",
            Self::Lz4 => ".lz4",
            Self::Snappy => ".snappy",
        }
    }

    fn split(name: &str) -> Option<(&str, Self)> {
        Self::ALL.into_iter().find_map(|it| Some((name.strip_suffix(it.suffix())?, it)))
    }
}

/// What `archive_status` says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Readiness {
    /// It waits for being archived.
    Ready,
    /// It was archived.
    Done,
}

/// What something in `pg_wal`, or in its directories, is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PgWalEntry {
    /// Something that is, or will be, archived.
    File(FileName),
    /// In `archive_status`: the state of a file.
    Status(FileName, Readiness),
    /// In `summaries` (17 and later): what changed between two positions.
    Summary {
        /// The timeline.
        timeline: TimelineId,
        /// Where it begins.
        start: Lsn,
        /// Where it ends.
        end: Lsn,
    },
    /// A file the server writes before it takes its name: `xlogtemp.PID`,
    /// `RECOVERYXLOG`, `RECOVERYHISTORY`, `….tmp`.
    Temporary,
    /// The directory `archive_status`.
    ArchiveStatus,
    /// The directory `summaries`.
    Summaries,
    /// Nothing of PostgreSQL's.
    Unknown,
}

impl PgWalEntry {
    /// Tells by its name what an entry of `pg_wal`, `pg_wal/archive_status`
    /// or `pg_wal/summaries` is.
    pub fn of(name: &str) -> Self {
        let status = |rest: &str, it| FileName::parse(rest).map(|file| Self::Status(file, it));
        let temporary = name.starts_with("xlogtemp.")
            || ["RECOVERYXLOG", "RECOVERYHISTORY", "temp.summary"].contains(&name)
            || name.strip_suffix(".tmp").is_some_and(|it| FileName::parse(it).is_some());
        match name {
            "archive_status" => return Self::ArchiveStatus,
            "summaries" => return Self::Summaries,
            _ if temporary => return Self::Temporary,
            _ => {}
        }
        let entry = if let Some(rest) = name.strip_suffix(".ready") {
            status(rest, Readiness::Ready)
        } else if let Some(rest) = name.strip_suffix(".done") {
            status(rest, Readiness::Done)
        } else if let Some(rest) = name.strip_suffix(".summary") {
            summary(rest)
        } else {
            FileName::parse(name).map(Self::File)
        };
        entry.unwrap_or(Self::Unknown)
    }
}

fn summary(digits: &str) -> Option<PgWalEntry> {
    if digits.len() != 40 || !digits.is_ascii() {
        return None;
    }
    let part = |index: usize| hex32(&digits[8 * index..8 * index + 8]);
    let lsn = |high, low| Lsn::new((u64::from(high) << 32) | u64::from(low));
    Some(PgWalEntry::Summary {
        timeline: TimelineId::new(part(0)?)?,
        start: lsn(part(1)?, part(2)?),
        end: lsn(part(3)?, part(4)?),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAME: &str = "000000010000000A00000004";

    #[test]
    fn names_with_a_compression_are_told_from_plain_ones() {
        let segment: SegmentName = NAME.parse().unwrap();
        let cases = [
            (String::new(), FileName::Segment(segment), None),
            (".gz".into(), FileName::Segment(segment), Some(Compression::Gzip)),
            (".zst".into(), FileName::Segment(segment), Some(Compression::Zstd)),
            (".partial.lz4".into(), FileName::Partial(segment), Some(Compression::Lz4)),
            (".gz.partial".into(), FileName::Partial(segment), Some(Compression::Gzip)),
            (".partial".into(), FileName::Partial(segment), None),
        ];
        for (suffix, file, compression) in cases {
            let name = format!("{NAME}{suffix}");
            assert_eq!(FileName::parse_compressed(&name), Some((file, compression)), "{name}");
        }
        let history = FileName::History(TimelineId::new(2).unwrap());
        let found = FileName::parse_compressed("00000002.history.xz");
        assert_eq!(found, Some((history, Some(Compression::Xz))));
        for name in ["00000002.gz", ".gz", "x.gz", &format!("{NAME}.gz.gz"), &format!("{NAME}.GZ")]
        {
            assert_eq!(FileName::parse_compressed(name), None, "{name}");
        }
    }

    #[test]
    fn everything_in_pg_wal_is_known() {
        let file = FileName::parse(NAME).unwrap();
        let cases = [
            (NAME.to_owned(), PgWalEntry::File(file)),
            (format!("{NAME}.ready"), PgWalEntry::Status(file, Readiness::Ready)),
            (format!("{NAME}.done"), PgWalEntry::Status(file, Readiness::Done)),
            ("archive_status".into(), PgWalEntry::ArchiveStatus),
            ("summaries".into(), PgWalEntry::Summaries),
            ("xlogtemp.123".into(), PgWalEntry::Temporary),
            ("RECOVERYXLOG".into(), PgWalEntry::Temporary),
            (format!("{NAME}.tmp"), PgWalEntry::Temporary),
            ("junk".into(), PgWalEntry::Unknown),
            (format!("{NAME}.gz"), PgWalEntry::Unknown),
            ("00000001.ready".into(), PgWalEntry::Unknown),
        ];
        for (name, entry) in cases {
            assert_eq!(PgWalEntry::of(&name), entry, "{name}");
        }
        let name = "0000000100000000010000280000000001A0B0C8.summary";
        let PgWalEntry::Summary { timeline, start, end } = PgWalEntry::of(name) else {
            panic!("{name}")
        };
        assert_eq!(
            (timeline.get(), start.to_string(), end.to_string()),
            (1, "0/1000028".to_owned(), "0/1A0B0C8".to_owned())
        );
    }

    #[test]
    fn digits_of_other_scripts_and_line_ends_are_no_name() {
        for name in
            ["00000001000000000000000\u{664}", "000000010000000000000001\n", "00000002.history\n"]
        {
            assert_eq!(FileName::parse(name), None, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn every_name_survives_its_text(
            timeline in 1..=u32::MAX, log: u32, within: u32, offset: u32, kind in 0..4,
        ) {
            let timeline = TimelineId::new(timeline).unwrap();
            let segment = SegmentName::from_parts(timeline, log, within);
            let file = match kind {
                0 => FileName::Segment(segment),
                1 => FileName::Partial(segment),
                2 => FileName::History(timeline),
                _ => FileName::Backup { segment, offset },
            };
            prop_assert_eq!(FileName::parse(&file.to_string()), Some(file));
            prop_assert_eq!(PgWalEntry::of(&file.to_string()), PgWalEntry::File(file));
        }

        #[test]
        fn no_name_makes_it_panic(name in ".*") {
            let _ = PgWalEntry::of(&name);
            let _ = FileName::parse_compressed(&name);
        }
    }
}
