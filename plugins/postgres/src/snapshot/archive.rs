//! Whether the WAL of a backup is archived.

use serde::Deserialize;

use crate::{
    connection::{Connection, QueryError},
    wal::{SegmentName, SegmentRange},
};

/// What a server says of its archiver.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ArchiverView {
    /// `archive_mode`.
    pub mode: String,
    /// Whether it is a standby.
    pub in_recovery: bool,
    /// The last file that was archived.
    pub last_archived: Option<String>,
    /// When that was, in seconds since 1970.
    pub archived_at: Option<f64>,
    /// The last file that could not be archived.
    pub last_failed: Option<String>,
    /// When that was.
    pub failed_at: Option<f64>,
    /// The marks in `archive_status`, such as `….ready`; none if our role may
    /// not see them.
    pub marks: Option<Vec<String>>,
}

/// How far the archive is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Everything is there.
    Done,
    /// Something is missing.
    Waiting(String),
    /// This server will never archive it, or cannot say so.
    Never(String),
}

const VIEW: &str = "SELECT pg_catalog.json_build_object(\
    'mode', pg_catalog.current_setting('archive_mode'), \
    'in_recovery', pg_catalog.pg_is_in_recovery(), \
    'last_archived', last_archived_wal, \
    'archived_at', extract(epoch FROM last_archived_time), \
    'last_failed', last_failed_wal, \
    'failed_at', extract(epoch FROM last_failed_time)) FROM pg_catalog.pg_stat_archiver";
const MARKS: &str = "SELECT coalesce(pg_catalog.json_agg(name), '[]') \
    FROM pg_catalog.pg_ls_archive_statusdir()";

impl ArchiverView {
    /// Asks a server. The marks need `pg_monitor`, and are left out without.
    ///
    /// # Errors
    ///
    /// [`QueryError`].
    pub fn read(connection: &Connection) -> Result<Self, QueryError> {
        let mut answers = connection.ask_all(&[VIEW, MARKS])?.into_iter();
        let view = answers.next().transpose()?.flatten().unwrap_or_default();
        let mut view: Self =
            serde_json::from_str(&view).map_err(|e| QueryError::Answer(e.to_string()))?;
        let marks = answers.next().and_then(Result::ok).flatten();
        view.marks = marks.and_then(|it| serde_json::from_str(&it).ok());
        Ok(view)
    }

    /// Tells what it fails with, if the last thing that it did was to fail.
    fn trouble(&self) -> Option<String> {
        let failed = self.last_failed.as_ref()?;
        if self.archived_at >= self.failed_at {
            return None;
        }
        Some(format!("the archiver fails with {failed}"))
    }
}

/// Decides whether all segments of a range are archived.
///
/// A segment is archived if its mark says so, or if the archiver has come
/// past it: it takes segments in order.
pub fn progress_of(range: &SegmentRange, view: &ArchiverView) -> Progress {
    let archives = match (view.mode.as_str(), view.in_recovery) {
        ("always", _) | ("on", false) => true,
        ("on", true) => {
            let text = "it is a standby, and archive_mode is not `always`";
            return Progress::Never(text.to_owned());
        }
        _ => false,
    };
    if !archives {
        return Progress::Never("archive_mode is off".to_owned());
    }
    let Some(last) = range.clone().next_back() else { return Progress::Done };
    let passed = view.last_archived.as_deref().and_then(segment_of);
    let past = |it: SegmentName| {
        passed.is_some_and(|passed| passed.timeline() == it.timeline() && passed >= it)
    };
    let marked = |it: SegmentName, mark: &str| {
        let name = format!("{it}.{mark}");
        view.marks.as_ref().is_some_and(|all| all.contains(&name))
    };
    let first_left = range.clone().find(|it| marked(*it, "ready"));
    let done = past(last) || marked(last, "done");
    let left = match (first_left, done) {
        (None, true) => return Progress::Done,
        (Some(left), _) => left,
        (None, false) => last,
    };
    let trouble = view.trouble().map_or(String::new(), |it| format!(": {it}"));
    Progress::Waiting(format!("{left} is not archived yet{trouble}"))
}

/// The segment of a name in the archiver's statistics. The file of a backup
/// comes after the segment that it is called for; a history file says nothing.
fn segment_of(name: &str) -> Option<SegmentName> {
    match name.split_once('.') {
        None => name.parse().ok(),
        Some((segment, rest)) if rest.ends_with(".backup") => segment.parse().ok(),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::SegmentSize;

    fn range() -> SegmentRange {
        let first = "000000010000000000000002".parse().unwrap();
        let last = "000000010000000000000003".parse().unwrap();
        SegmentRange::new(first, last, SegmentSize::DEFAULT).unwrap()
    }

    fn view(mode: &str, in_recovery: bool, archived: &str, marks: Option<&[&str]>) -> ArchiverView {
        ArchiverView {
            mode: mode.to_owned(),
            in_recovery,
            last_archived: Some(archived.to_owned()).filter(|it| !it.is_empty()),
            marks: marks.map(|it| it.iter().map(ToString::to_string).collect()),
            ..ArchiverView::default()
        }
    }

    #[test]
    fn a_range_is_archived_when_its_last_segment_is_and_none_waits() {
        let (two, three) = ("000000010000000000000002", "000000010000000000000003");
        let ready = |it: &str| format!("{it}.ready");
        let done = |it: &str| format!("{it}.done");
        let cases = [
            (view("on", false, three, None), true),
            (view("on", false, &format!("{three}.00000028.backup"), None), true),
            (view("on", false, &format!("{two}.00000028.backup"), None), false),
            (view("on", false, "000000010000000000000010", Some(&[])), true),
            (view("on", false, "000000020000000000000010", Some(&[])), false),
            (view("on", false, "00000002.history", None), false),
            (view("on", false, two, None), false),
            (view("on", false, "", None), false),
            (view("on", false, two, Some(&[&done(three)])), true),
            (view("on", false, three, Some(&[&ready(two), &done(three)])), false),
            (view("always", true, three, None), true),
        ];
        for (view, good) in cases {
            assert_eq!(progress_of(&range(), &view) == Progress::Done, good, "{view:?}");
        }
    }

    #[test]
    fn who_does_not_archive_is_not_waited_for() {
        for view in [view("off", false, "", None), view("on", true, "", None)] {
            assert!(matches!(progress_of(&range(), &view), Progress::Never(_)), "{view:?}");
        }
    }

    #[test]
    fn a_failing_archiver_is_told_with_what_it_fails_with() {
        let mut view = view("on", false, "", None);
        view.last_failed = Some("000000010000000000000001".to_owned());
        view.failed_at = Some(5.0);
        let Progress::Waiting(text) = progress_of(&range(), &view) else { panic!("it waits") };
        assert!(text.contains("fails with 000000010000000000000001"), "{text}");
        view.archived_at = Some(6.0);
        let Progress::Waiting(text) = progress_of(&range(), &view) else { panic!("it waits") };
        assert!(!text.contains("fails"), "{text}");
    }
}
