//! What of the WAL the backups need that stay.

use std::collections::{BTreeMap, BTreeSet};

use hayloft_postgres::wal::{Lsn, TimelineId};

use super::{Decision, Plan, Verdict};
use crate::{
    archive::Kept,
    catalogue::{BackupInfo, Known, Status, copy::State},
};

/// The timelines of an archive, each with those that it comes from, itself
/// among them; nothing for one whose history cannot be read.
pub(crate) type Branches = BTreeMap<TimelineId, Option<BTreeSet<TimelineId>>>;

/// A backup from which recovery to any later time is to be possible.
#[derive(Debug, Clone, Copy)]
struct Start {
    at: Lsn,
    timeline: Option<TimelineId>,
}

/// Returns what stays of the WAL, given what stays of the backups, in all
/// storages. If nothing may go, it says why.
///
/// * From the first backup of the policy on, and from one that is kept in
///   full, everything stays that recovery can go through: on its timeline, and
///   on those that come from it.
/// * Of any other backup that stays, what makes it consistent.
/// * Of what failed, nothing.
///
/// # Errors
///
/// Why nothing may go.
pub(crate) fn needs(plans: &[&Plan], branches: &Branches) -> Result<Kept, String> {
    let (mut starts, mut spans) = (Vec::new(), Vec::new());
    for plan in plans {
        if !plan.policy {
            return Err("there is no retention policy".to_owned());
        }
        let done = |it: &&Decision| it.state.is(Status::Done);
        let newest = plan.kept().rfind(done).map(|it| it.copy.id);
        for it in plan.kept() {
            let since = plan.since.is_some_and(|since| it.copy.id >= since);
            let all = newest == Some(it.copy.id) || since;
            of_one(it, all, &mut starts, &mut spans)?;
        }
    }
    let from = starts.iter().map(|it| it.at).min();
    if from.is_none() {
        return Err("there is no backup that recovery could begin with".to_owned());
    }
    let on = branches.iter().map(|(timeline, line)| {
        let leads = |it: &&Start| match (it.timeline, line) {
            (Some(begin), Some(line)) => line.contains(&begin),
            (Some(begin), None) => begin <= *timeline,
            (None, _) => true,
        };
        (*timeline, starts.iter().filter(leads).map(|it| it.at).min())
    });
    Ok(Kept { from, spans, on: on.collect() })
}

/// Adds what one backup needs; `all` tells whether recovery to any time since
/// is wanted, as the policy goes.
fn of_one(
    it: &Decision,
    all: bool,
    starts: &mut Vec<Start>,
    spans: &mut Vec<(Lsn, Lsn)>,
) -> Result<(), String> {
    let info = match (&it.state, &it.copy.known) {
        (State::Deleting | State::Remains, _) => return Ok(()),
        (_, Known::Info(info)) => info,
        (_, Known::Unreadable(_) | Known::Unasked(_) | Known::Missing) => {
            return Err(format!("what backup {} needs is not known: {}", it.copy.id, it.why));
        }
    };
    let State::Is(best) = it.state else { return Ok(()) };
    let alone = match (best.0, it.verdict) {
        (Status::Failed, _) => return Ok(()),
        (Status::Done, Verdict::KeepFull) => false,
        (Status::Done, _) => !all,
        _ => false,
    };
    match (start(info), info.end_xlog) {
        (Some(start), Some(end)) if alone => spans.push((start.at, end)),
        (Some(start), _) => starts.push(start),
        // Not so far yet: it needs what comes, which stays.
        (None, _) if !best.0.is_copied() => {}
        (None, _) => {
            return Err(format!("backup {} does not say where its WAL begins", it.copy.id));
        }
    }
    Ok(())
}

fn start(info: &BackupInfo) -> Option<Start> {
    let from_name = || {
        let segment = info.begin_wal?;
        segment.start(info.xlog_segment_size).ok()
    };
    Some(Start { at: info.begin_xlog.or_else(from_name)?, timeline: info.timeline })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use hayloft_postgres::wal::SegmentSize;

    use super::{super::plan::Rules, *};
    use crate::catalogue::{Copy, Keep, tests::copy};

    fn timeline(number: u32) -> TimelineId {
        TimelineId::new(number).unwrap()
    }

    /// A backup from segment `begin` to the next one.
    fn at(mut it: Copy, begin: u64, on: u32) -> Copy {
        if let Known::Info(info) = &mut it.known {
            info.begin_xlog = Some(Lsn::new((begin << 24) + 0x28));
            info.end_xlog = Some(Lsn::new(((begin + 1) << 24) + 0x100));
            info.timeline = Some(timeline(on));
        }
        it
    }

    fn plan(copies: Vec<Copy>, policy: &str, keeps: &[(&str, Keep)]) -> Plan {
        let keeps = keeps.iter().map(|(id, keep)| (id.parse().unwrap(), *keep)).collect();
        let now = "2026-06-30T00:00:00Z".parse().unwrap();
        Plan::of(copies, &keeps, Rules { policy: policy.parse().ok(), minimum: 0, now })
    }

    type Case<'a> = (&'a [(&'a str, Keep)], [u32; 3], &'a str, &'a Branches, &'a str);

    /// The segments that stay, of 20 on two timelines.
    fn stays(kept: &Kept) -> String {
        let mut text = String::new();
        for number in 1..=2 {
            for segment in 0..20 {
                let name = format!("{number:08X}00000000{segment:08X}");
                let needed = kept.needs(name.parse().unwrap(), SegmentSize::DEFAULT);
                text.push(if needed { 'x' } else { '.' });
            }
            text.push(' ');
        }
        text.trim().to_owned()
    }

    #[test]
    fn wal_stays_exactly_as_far_as_it_is_needed() {
        let three = |keep: &[(&str, Keep)], on: [u32; 3], policy: &str| {
            let copies = vec![
                at(copy("20260101T000000", Status::Done, None), 3, on[0]),
                at(copy("20260102T000000", Status::Done, None), 8, on[1]),
                at(copy("20260103T000000", Status::Done, None), 13, on[2]),
            ];
            plan(copies, policy, keep)
        };
        let known: Branches = [
            (timeline(1), Some([timeline(1)].into())),
            (timeline(2), Some([timeline(1), timeline(2)].into())),
        ]
        .into();
        let unknown: Branches = [(timeline(1), None), (timeline(2), None)].into();
        let none = Branches::new();
        let first = "20260101T000000";
        let cases: &[Case<'_>] = &[
            (&[], [1, 1, 1], "REDUNDANCY 2", &known, "........xxxxxxxxxxxx ........xxxxxxxxxxxx"),
            (&[], [1, 1, 1], "REDUNDANCY 2", &none, "........xxxxxxxxxxxx ........xxxxxxxxxxxx"),
            // Nothing on the first timeline is left to begin with.
            (&[], [1, 1, 2], "REDUNDANCY 1", &known, ".................... .............xxxxxxx"),
            (&[], [1, 1, 2], "REDUNDANCY 1", &unknown, ".................... .............xxxxxxx"),
            (&[], [1, 1, 2], "REDUNDANCY 1", &none, ".............xxxxxxx .............xxxxxxx"),
            // A timeline that comes from none of a backup's is of no use to it.
            (&[], [2, 2, 1], "REDUNDANCY 1", &known, ".............xxxxxxx .............xxxxxxx"),
            (
                &[(first, Keep::Standalone)],
                [1, 1, 1],
                "REDUNDANCY 1",
                &known,
                "...xx........xxxxxxx ...xx........xxxxxxx",
            ),
            (
                &[(first, Keep::Full)],
                [1, 1, 1],
                "REDUNDANCY 1",
                &known,
                "...xxxxxxxxxxxxxxxxx ...xxxxxxxxxxxxxxxxx",
            ),
            (
                &[],
                [1, 1, 1],
                "GFS 1 DAILY 9 WEEKLY",
                &known,
                ".............xxxxxxx .............xxxxxxx",
            ),
            (
                &[],
                [1, 1, 1],
                "GFS 1 DAILY 2 YEARLY",
                &known,
                ".............xxxxxxx .............xxxxxxx",
            ),
        ];
        for (keep, on, policy, branches, expected) in cases {
            let kept = needs(&[&three(keep, *on, policy)], branches).unwrap();
            assert_eq!(stays(&kept), *expected, "{policy} {on:?} {keep:?}");
        }
    }

    #[test]
    fn nothing_goes_while_something_is_not_known() {
        let done = || at(copy("20260102T000000", Status::Done, None), 8, 1);
        let unreadable = Copy {
            known: Known::Unreadable("damaged".to_owned()),
            ..copy("20260101T000000", Status::Done, None)
        };
        let nowhere = copy("20260101T000000", Status::WaitingForWals, None);
        let cases = [
            (plan(vec![done()], "no policy", &[]), Some("no retention policy")),
            (plan(vec![], "REDUNDANCY 1", &[]), Some("no backup that recovery")),
            (plan(vec![unreadable, done()], "REDUNDANCY 1", &[]), Some("is not known: damaged")),
            (plan(vec![nowhere, done()], "REDUNDANCY 1", &[]), Some("does not say where")),
            (plan(vec![done()], "REDUNDANCY 1", &[]), None),
        ];
        for (plan, expected) in cases {
            let found = needs(&[&plan], &BTreeMap::new());
            match expected {
                None => assert!(found.is_ok()),
                Some(part) => assert!(found.unwrap_err().contains(part), "{part}"),
            }
        }
        // What waits for its WAL needs all of it; what failed, none.
        let copies = vec![at(copy("20260101T000000", Status::WaitingForWals, None), 3, 1), done()];
        let kept = needs(&[&plan(copies, "REDUNDANCY 1", &[])], &BTreeMap::new()).unwrap();
        assert_eq!(kept.from, Some(Lsn::new((3 << 24) + 0x28)));
        let copies = vec![at(copy("20260103T000000", Status::Failed, None), 3, 1), done()];
        let kept = needs(&[&plan(copies, "REDUNDANCY 1", &[])], &BTreeMap::new()).unwrap();
        assert_eq!(kept.from, Some(Lsn::new((8 << 24) + 0x28)));
    }
}
