//! Backup labels: where a base backup begins and, in the archive, ends.

use super::{Lsn, SegmentName, TimelineId, WalError};

/// How a backup was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupMethod {
    /// With a copy of the files between start and stop, or by
    /// `pg_basebackup`.
    Streamed,
    /// `pg_start_backup()`'s exclusive mode (up to 14), or anything else.
    Other(String),
}

/// What was backed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupSource {
    /// A primary.
    Primary,
    /// A standby.
    Standby,
}

/// Where a backup ended; only in the file in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupStop {
    /// The first position after the backup.
    pub lsn: Lsn,
    /// The segment that the server names for it.
    pub segment: SegmentName,
    /// When, in the server's words (its `log_timezone`).
    pub time: Option<String>,
    /// The timeline at the end.
    pub timeline: Option<TimelineId>,
}

/// The content of `backup_label`, or of `….backup` in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupLabel {
    /// Where recovery must begin to read.
    pub start: Lsn,
    /// The segment that the server names for it.
    pub segment: SegmentName,
    /// Where the checkpoint of the backup is.
    pub checkpoint: Lsn,
    /// How it was taken.
    pub method: Option<BackupMethod>,
    /// From what.
    pub source: Option<BackupSource>,
    /// When it began, in the server's words (its `log_timezone`).
    pub start_time: Option<String>,
    /// The label that was given; any bytes.
    pub label: Option<Vec<u8>>,
    /// The timeline at the beginning.
    pub timeline: Option<TimelineId>,
    /// Of an incremental backup (17 and later): from where the one it builds
    /// upon began, and on which timeline.
    pub incremental_from: Option<(Lsn, Option<TimelineId>)>,
    /// Where it ended.
    pub stop: Option<BackupStop>,
}

impl BackupLabel {
    /// Reads the content of the file.
    ///
    /// # Errors
    ///
    /// [`WalError::BadLabel`] for what the server would refuse when it
    /// recovers (a carriage return, a line before the first), and for what it
    /// would not notice: a field that is there twice, which is how a label
    /// with a newline forges one. [`WalError::IncompleteLabel`].
    pub fn parse(content: &[u8]) -> Result<Self, WalError> {
        let mut fields = Fields::default();
        for (index, line) in content.split(|it| *it == b'\n').enumerate() {
            let rest = content.split(|it| *it == b'\n').skip(index);
            if line.is_empty() && rest.into_iter().all(<[u8]>::is_empty) {
                break;
            }
            let bad = |reason| WalError::BadLabel { line: index + 1, reason };
            if line.ends_with(b"\r") {
                return Err(bad("it ends with a carriage return, which the server refuses"));
            }
            fields.take(line).map_err(bad)?;
        }
        fields.finish()
    }

    /// Returns how far into its segment the backup begins, in the name of
    /// its file in the archive: `SEGMENT.OFFSET.backup`.
    pub fn archive_name(&self, size: super::SegmentSize) -> super::FileName {
        let offset = u32::try_from(self.start.offset(size)).unwrap_or(u32::MAX);
        super::FileName::Backup { segment: self.segment, offset }
    }
}

#[derive(Default)]
struct Fields {
    start: Option<(Lsn, SegmentName)>,
    stop: Option<(Lsn, SegmentName)>,
    checkpoint: Option<Lsn>,
    method: Option<BackupMethod>,
    source: Option<BackupSource>,
    start_time: Option<String>,
    stop_time: Option<String>,
    label: Option<Vec<u8>>,
    timeline: Option<TimelineId>,
    stop_timeline: Option<TimelineId>,
    from_lsn: Option<Lsn>,
    from_timeline: Option<TimelineId>,
}

impl Fields {
    fn take(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let colon = line.windows(2).position(|it| it == b": ").ok_or("a field is expected")?;
        let (name, value) = (&line[..colon], &line[colon + 2..]);
        if name == b"LABEL" {
            return once(&mut self.label, value.to_vec());
        }
        let value = str::from_utf8(value).map_err(|_| "the value is no text")?;
        let lsn = || value.parse::<Lsn>().map_err(|_| "a position is expected");
        let timeline = || value.parse::<TimelineId>().map_err(|_| "a timeline is expected");
        match name {
            b"START WAL LOCATION" => once(&mut self.start, location(value)?),
            b"STOP WAL LOCATION" => once(&mut self.stop, location(value)?),
            b"CHECKPOINT LOCATION" => once(&mut self.checkpoint, lsn()?),
            b"BACKUP METHOD" => once(&mut self.method, method(value)),
            b"BACKUP FROM" => once(&mut self.source, source(value)?),
            b"START TIME" => once(&mut self.start_time, value.to_owned()),
            b"STOP TIME" => once(&mut self.stop_time, value.to_owned()),
            b"START TIMELINE" => once(&mut self.timeline, timeline()?),
            b"STOP TIMELINE" => once(&mut self.stop_timeline, timeline()?),
            b"INCREMENTAL FROM LSN" => once(&mut self.from_lsn, lsn()?),
            b"INCREMENTAL FROM TLI" => once(&mut self.from_timeline, timeline()?),
            _ => Err("the field is not known"),
        }
    }

    fn finish(self) -> Result<BackupLabel, WalError> {
        let missing = |field| WalError::IncompleteLabel { field };
        let (start, segment) = self.start.ok_or(missing("START WAL LOCATION"))?;
        let (time, timeline) = (self.stop_time, self.stop_timeline);
        Ok(BackupLabel {
            start,
            segment,
            checkpoint: self.checkpoint.ok_or(missing("CHECKPOINT LOCATION"))?,
            method: self.method,
            source: self.source,
            start_time: self.start_time,
            label: self.label,
            timeline: self.timeline,
            incremental_from: self.from_lsn.map(|lsn| (lsn, self.from_timeline)),
            stop: self.stop.map(|(lsn, segment)| BackupStop { lsn, segment, time, timeline }),
        })
    }
}

fn once<T>(field: &mut Option<T>, value: T) -> Result<(), &'static str> {
    if field.replace(value).is_some() { Err("the field is there twice") } else { Ok(()) }
}

/// `0/2000028 (file 000000010000000000000002)`
fn location(value: &str) -> Result<(Lsn, SegmentName), &'static str> {
    let parts = value.strip_suffix(')').and_then(|it| it.split_once(" (file "));
    let (lsn, name) = parts.ok_or("a position and a file are expected")?;
    match (lsn.parse(), name.parse()) {
        (Ok(lsn), Ok(name)) => Ok((lsn, name)),
        _ => Err("a position and a file are expected"),
    }
}

fn method(value: &str) -> BackupMethod {
    if value == "streamed" { BackupMethod::Streamed } else { BackupMethod::Other(value.to_owned()) }
}

fn source(value: &str) -> Result<BackupSource, &'static str> {
    match value {
        // Servers up to 13 say `master`.
        "primary" | "master" => Ok(BackupSource::Primary),
        "standby" => Ok(BackupSource::Standby),
        _ => Err("`primary` or `standby` is expected"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LABEL: &str = "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\n\
        CHECKPOINT LOCATION: 0/2000060\nBACKUP METHOD: streamed\nBACKUP FROM: standby\n\
        START TIME: 2026-01-02 03:04:05 UTC\nLABEL: it's: a label\nSTART TIMELINE: 1\n";

    #[test]
    fn a_label_is_read() {
        let label = BackupLabel::parse(LABEL.as_bytes()).unwrap();
        assert_eq!(label.start.to_string(), "0/2000028");
        assert_eq!(label.checkpoint.to_string(), "0/2000060");
        assert_eq!(label.label.as_deref(), Some(&b"it's: a label"[..]));
        assert_eq!(
            (label.source, label.timeline),
            (Some(BackupSource::Standby), TimelineId::new(1))
        );
        assert_eq!(label.stop, None);
        let name = label.archive_name(crate::wal::SegmentSize::DEFAULT);
        assert_eq!(name.to_string(), "000000010000000000000002.00000028.backup");
    }

    #[test]
    fn the_primary_had_another_name_up_to_13() {
        for name in ["primary", "master"] {
            let label = BackupLabel::parse(LABEL.replace("standby", name).as_bytes()).unwrap();
            assert_eq!(label.source, Some(BackupSource::Primary), "{name}");
        }
    }

    #[test]
    fn the_file_in_the_archive_tells_the_end_too() {
        let text = LABEL.replace(
            "CHECKPOINT",
            "STOP WAL LOCATION: 0/2000138 (file 000000010000000000000002)\nCHECKPOINT",
        ) + "STOP TIME: now\nSTOP TIMELINE: 2\n";
        let stop = BackupLabel::parse(text.as_bytes()).unwrap().stop.unwrap();
        assert_eq!(
            (stop.lsn.to_string().as_str(), stop.timeline),
            ("0/2000138", TimelineId::new(2))
        );
    }

    #[test]
    fn an_incremental_backup_tells_what_it_builds_upon() {
        let text = format!("{LABEL}INCREMENTAL FROM LSN: 0/1000028\nINCREMENTAL FROM TLI: 1\n");
        let label = BackupLabel::parse(text.as_bytes()).unwrap();
        assert_eq!(label.incremental_from, Some((Lsn::new(0x100_0028), TimelineId::new(1))));
    }

    #[test]
    fn a_forged_or_damaged_label_is_refused() {
        let cases = [
            // A label with a newline forges a field.
            LABEL.replace("it's: a label", "x\nSTART TIMELINE: 9"),
            LABEL.replace('\n', "\r\n"),
            format!("\n{LABEL}"),
            format!("NOTICE: something\n{LABEL}"),
            LABEL.replace("0/2000028", "0/2000028x"),
            LABEL.replace("START TIMELINE: 1", "START TIMELINE: 0"),
            LABEL.replace("standby", "nobody"),
        ];
        for text in cases {
            assert!(
                matches!(BackupLabel::parse(text.as_bytes()), Err(WalError::BadLabel { .. })),
                "{text}"
            );
        }
        assert!(matches!(BackupLabel::parse(b""), Err(WalError::IncompleteLabel { .. })));
        assert!(
            BackupLabel::parse(format!("{LABEL}\n").as_bytes()).is_ok(),
            "one more newline is fine"
        );
    }

    proptest! {
        #[test]
        fn no_content_makes_it_panic(content: Vec<u8>) {
            let _ = BackupLabel::parse(&content);
        }
    }
}
