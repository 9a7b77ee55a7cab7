//! Which backup a run of the action takes.

use std::time::Duration;

use jiff::Timestamp;

use super::Base;
use crate::{
    catalogue::{Backup, Moment},
    config::Server,
};

/// How much earlier than said a backup may be taken, of the interval and at
/// most: runs of a timer do not begin to the second.
const SLACK_SHARE: u32 = 10;
const SLACK_MOST: Duration = Duration::from_hours(1);

/// A backup that can be restored, or waits for nothing but WAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Taken {
    at: Timestamp,
    full: bool,
}

/// How often backups are to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Intervals {
    /// Of any kind; at each run if absent.
    any: Option<Duration>,
    /// Full ones; all are full if absent.
    full: Option<Duration>,
}

/// Returns what the backup is compared with that is to be taken now; nothing if
/// none is due.
pub(crate) fn due(server: &Server, backups: &[Backup], now: Timestamp) -> Option<Base> {
    let taken = |it: &Backup| {
        let info = it.info().filter(|_| it.state().is_copied())?;
        let at = info.begin_time.map(Moment::timestamp)?;
        Some(Taken { at, full: info.parent_backup_id.is_none() })
    };
    let taken: Vec<Taken> = backups.iter().filter_map(taken).collect();
    let intervals = Intervals {
        any: server.backup.interval.map(crate::config::Age::get),
        full: server.backup.full_interval.map(crate::config::Age::get),
    };
    decide(intervals, &taken, now)
}

fn decide(intervals: Intervals, taken: &[Taken], now: Timestamp) -> Option<Base> {
    let recent = |interval: Duration, full: bool| {
        let slack = (interval / SLACK_SHARE).min(SLACK_MOST);
        // One of the future is of a clock that went wrong, and tells nothing.
        taken
            .iter()
            .filter(|it| it.at <= now && (it.full || !full))
            .any(|it| now.duration_since(it.at).unsigned_abs() < interval.saturating_sub(slack))
    };
    if intervals.any.is_some_and(|it| recent(it, false)) {
        return None;
    }
    match intervals.full {
        Some(interval) if recent(interval, true) => Some(Base::Latest),
        _ => Some(Base::Nothing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two intervals, what was taken, so many minutes ago, and what is due.
    type Case<'a> = (Option<Duration>, Option<Duration>, &'a [(i64, bool)], Option<Base>);

    #[test]
    fn a_backup_is_due_when_the_last_one_is_old_enough() {
        let now: Timestamp = "2026-01-10T01:00:00Z".parse().unwrap();
        let hours = |it: u64| Some(Duration::from_hours(it));
        let (full, other) = (true, false);
        let cases: &[Case<'_>] = &[
            (None, None, &[], Some(Base::Nothing)),
            (None, None, &[(1, full)], Some(Base::Nothing)),
            (hours(24), None, &[], Some(Base::Nothing)),
            (hours(24), None, &[(24 * 60, full)], Some(Base::Nothing)),
            // A timer that comes a little early.
            (hours(24), None, &[(24 * 60 - 59, full)], Some(Base::Nothing)),
            (hours(24), None, &[(24 * 60 - 61, full)], None),
            (hours(1), None, &[(55, full)], Some(Base::Nothing)),
            (hours(1), None, &[(53, full)], None),
            (hours(24), hours(168), &[(24 * 60, full)], Some(Base::Latest)),
            (hours(24), hours(168), &[(168 * 60, full), (24 * 60, other)], Some(Base::Nothing)),
            (hours(24), hours(168), &[(168 * 60, full), (60, other)], None),
            (hours(24), hours(168), &[(25 * 60, other)], Some(Base::Nothing)),
            (None, hours(168), &[(10, full)], Some(Base::Latest)),
            // One of the future.
            (hours(24), None, &[(-60, full)], Some(Base::Nothing)),
        ];
        for (any, full, ago, expected) in cases {
            let taken = |(minutes, full): &(i64, bool)| Taken {
                at: now - jiff::SignedDuration::from_mins(*minutes),
                full: *full,
            };
            let taken: Vec<Taken> = ago.iter().map(taken).collect();
            let found = decide(Intervals { any: *any, full: *full }, &taken, now);
            assert_eq!(found, *expected, "{any:?} {full:?} {ago:?}");
        }
    }
}
