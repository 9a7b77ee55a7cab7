//! Grandfather, father, son.

use jiff::civil::Date;

use super::{Candidate, Report, Verdict, policy::Generations};

/// Returns what days of one period have in common.
type Period = fn(Date) -> (i32, i32);

/// Keeps the newest backup of each of the last so many days, weeks, months
/// and years that have one. Each backup counts, as each can be restored by
/// itself; so does the newest one of all, and as many full ones as the minimum
/// redundancy wants.
///
/// Recovery to any time is possible since the oldest backup that is kept for
/// the shortest period named; what is older is kept with its own WAL.
pub(super) fn report(backups: &[Candidate], counts: Generations, minimum: u32) -> Report {
    let mut report = Report::default();
    let mut done: Vec<(&Candidate, Date)> = Vec::new();
    for it in backups {
        let date = it.id.time().map(jiff::civil::DateTime::date);
        match date.filter(|_| it.is_done()) {
            Some(date) => {
                report.say(it.id, Verdict::Obsolete, "no day, week, month or year needs it");
                done.push((it, date));
            }
            None => report.say(it.id, Verdict::None, "it is not done"),
        }
    }
    done.sort_by_key(|(it, _)| std::cmp::Reverse(it.id));
    keep_generations(&done, counts, &mut report);
    keep_enough(&done, minimum, &mut report);
    for (it, _) in &done {
        if let Some(keep) = it.keep {
            report.say(it.id, keep.into(), format!("it is marked: keep {keep}"));
        }
    }
    report
}

fn keep_generations(done: &[(&Candidate, Date)], counts: Generations, report: &mut Report) {
    let monday = |it: Date| {
        let week = it.iso_week_date();
        (i32::from(week.year()), i32::from(week.week()))
    };
    let month = |it: Date| (i32::from(it.year()), i32::from(it.month()));
    let day = |it: Date| (i32::from(it.year()), i32::from(it.day_of_year()));
    let year = |it: Date| (i32::from(it.year()), 0);
    let generations: [(u32, &str, Period); 4] = [
        (counts.daily, "day", day),
        (counts.weekly, "week", monday),
        (counts.monthly, "month", month),
        (counts.yearly, "year", year),
    ];
    let mut finest = true;
    for (count, name, period) in generations {
        let (mut last, mut kept) = (None, 0);
        for (it, date) in done {
            if kept == count || last == Some(period(*date)) {
                continue;
            }
            last = Some(period(*date));
            kept += 1;
            if report.verdict(it.id) == Verdict::Obsolete {
                let why = format!("it is the newest of its {name}, number {kept} of {count}");
                report.say(it.id, Verdict::Valid, why);
            }
            if finest {
                report.first = Some(it.id);
                report.since = report.first;
            }
        }
        finest &= count == 0;
    }
}

/// The newest one, and as many full ones as are wanted.
fn keep_enough(done: &[(&Candidate, Date)], minimum: u32, report: &mut Report) {
    if let Some((newest, _)) = done.first()
        && report.verdict(newest.id) == Verdict::Obsolete
    {
        report.say(newest.id, Verdict::Valid, "it is the newest one");
    }
    let full = || done.iter().filter(|(it, _)| it.parent.is_none());
    let enough = full().filter(|(it, _)| report.verdict(it.id) == Verdict::Valid).count();
    let obsolete: Vec<_> =
        full().filter(|(it, _)| report.verdict(it.id) == Verdict::Obsolete).collect();
    for (it, _) in obsolete.into_iter().take((minimum as usize).saturating_sub(enough)) {
        report.say(it.id, Verdict::PotentiallyObsolete, "minimum_redundancy wants it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Keep, Status};

    fn candidate(id: &str) -> Candidate {
        Candidate {
            id: id.parse().unwrap(),
            status: Some(Status::Done),
            end_time: None,
            keep: None,
            parent: None,
        }
    }

    fn kept(backups: &[Candidate], policy: &str, minimum: u32) -> (Vec<String>, String) {
        let policy: super::super::Policy = policy.parse().unwrap();
        let report = policy.report(backups, minimum, jiff::Timestamp::UNIX_EPOCH);
        let stays = |it: &&Candidate| report.verdict(it.id) != Verdict::Obsolete;
        let kept = backups.iter().filter(stays).map(|it| it.id.to_string()).collect();
        (kept, report.first.map(|it| it.to_string()).unwrap_or_default())
    }

    #[test]
    fn the_newest_of_each_period_is_kept() {
        let backups: Vec<Candidate> = [
            "20241231T230000", // Tuesday, in the first week of 2025
            "20250101T010000",
            "20250615T010000",
            "20251231T010000",
            "20260101T010000", // Thursday
            "20260102T010000",
            "20260102T130000",
            "20260104T010000", // Sunday
            "20260105T010000", // Monday
        ]
        .map(candidate)
        .to_vec();
        let cases: &[(&str, u32, &[&str], &str)] = &[
            ("GFS 1 DAILY", 0, &["20260105T010000"], "20260105T010000"),
            (
                "GFS 3 DAILY",
                0,
                &["20260102T130000", "20260104T010000", "20260105T010000"],
                "20260102T130000",
            ),
            ("GFS 2 WEEKLY", 0, &["20260104T010000", "20260105T010000"], "20260104T010000"),
            ("GFS 2 MONTHLY", 0, &["20251231T010000", "20260105T010000"], "20251231T010000"),
            (
                "GFS 9 YEARLY",
                0,
                &["20241231T230000", "20251231T010000", "20260105T010000"],
                "20241231T230000",
            ),
            ("GFS 1 DAILY 2 YEARLY", 0, &["20251231T010000", "20260105T010000"], "20260105T010000"),
            ("GFS 1 DAILY", 2, &["20260104T010000", "20260105T010000"], "20260105T010000"),
        ];
        for (policy, minimum, expected, first) in cases {
            let (found, from) = kept(&backups, policy, *minimum);
            assert_eq!(
                (found, from.as_str()),
                (expected.iter().map(ToString::to_string).collect(), *first),
                "{policy}"
            );
        }
    }

    #[test]
    fn marks_count_and_what_is_not_done_is_left_alone() {
        let mut backups = ["20260101T000000", "20260102T000000", "20260103T000000"].map(candidate);
        backups[0].keep = Some(Keep::Standalone);
        backups[2].status = Some(Status::Failed);
        let policy: super::super::Policy = "GFS 1 DAILY".parse().unwrap();
        let report = policy.report(&backups, 0, jiff::Timestamp::UNIX_EPOCH);
        let found: Vec<_> = backups.iter().map(|it| report.verdict(it.id).name()).collect();
        assert_eq!(found, ["KEEP:STANDALONE", "VALID", "-"]);
    }
}
