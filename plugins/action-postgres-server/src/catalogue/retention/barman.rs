//! Barman's policies, with Barman's results.
//!
//! Backups that refer to another one are not counted: what becomes of the
//! full backup becomes of them. Source of the facts: Barman 3.19, watched with
//! many catalogues.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Candidate, Report, Verdict};
use crate::catalogue::{BackupId, Keep};

/// Keeps so many backups.
pub(super) fn redundancy(backups: &[Candidate], count: u32, minimum: u32) -> Report {
    let wanted = count.max(minimum);
    let mut report = Report::default();
    let mut seen = 0;
    for full in newest_first(backups) {
        if !full.is_done() {
            report.say(full.id, Verdict::None, "it is not done");
            follow(backups, full, Verdict::None, &mut report);
            continue;
        }
        let inside = seen < wanted;
        seen += 1;
        let why = if inside {
            format!("it is number {seen} of {wanted}")
        } else {
            format!("there are {wanted} newer ones")
        };
        let plain = if inside { Verdict::Valid } else { Verdict::Obsolete };
        if inside {
            report.since = Some(full.id);
        }
        if full.keep.is_none() && inside {
            report.first = Some(full.id);
        }
        settle(backups, full, (plain, inside, &why), &mut report);
    }
    report
}

/// Keeps what recovery to any time since `point` needs: up to and including
/// the newest backup that was whole before it.
pub(super) fn window(backups: &[Candidate], point: Timestamp, minimum: u32) -> Report {
    let mut report = Report::default();
    let (mut before, mut valid) = (false, 0);
    for full in newest_first(backups) {
        if !full.is_done() {
            report.say(full.id, Verdict::None, "it is not done");
            follow(backups, full, Verdict::None, &mut report);
            continue;
        }
        let (plain, why) = if !before {
            (Verdict::Valid, "it is within the window, or what recovery to its begin needs")
        } else if valid < minimum {
            (
                Verdict::PotentiallyObsolete,
                "it is older than the window; minimum_redundancy wants it",
            )
        } else {
            (Verdict::Obsolete, "it is older than the window")
        };
        if plain != Verdict::Obsolete {
            report.first = Some(full.id);
            report.since = report.first;
            valid += 1;
        }
        // One that nobody knows the end of is no end of the window.
        before |= full.end_time.is_some_and(|it| it < point);
        settle(backups, full, (plain, !before, why), &mut report);
    }
    report
}

fn newest_first(backups: &[Candidate]) -> Vec<&Candidate> {
    let mut fulls: Vec<&Candidate> = backups.iter().filter(|it| it.parent.is_none()).collect();
    fulls.sort_by_key(|it| std::cmp::Reverse(it.id));
    fulls
}

/// Says of a full backup and of those that refer to it.
fn settle(
    backups: &[Candidate],
    full: &Candidate,
    (plain, inside, why): (Verdict, bool, &str),
    report: &mut Report,
) {
    let children = match full.keep {
        None => plain,
        Some(Keep::Full) => Verdict::Valid,
        Some(Keep::Standalone) if inside => Verdict::Valid,
        Some(Keep::Standalone) => Verdict::Obsolete,
    };
    match full.keep {
        None => report.say(full.id, plain, why),
        Some(keep) => report.say(full.id, keep.into(), format!("it is marked: keep {keep}")),
    }
    follow(backups, full, children, report);
}

/// Says the same of all that refer to a backup, directly or not.
fn follow(backups: &[Candidate], full: &Candidate, verdict: Verdict, report: &mut Report) {
    let mut children: BTreeMap<BackupId, Vec<BackupId>> = BTreeMap::new();
    for it in backups {
        if let Some(parent) = it.parent {
            children.entry(parent).or_default().push(it.id);
        }
    }
    let mut waiting = vec![full.id];
    while let Some(parent) = waiting.pop() {
        // Taken out, so that not even a circle goes round.
        for child in children.remove(&parent).unwrap_or_default() {
            report.say(child, verdict, format!("as {}, which it builds upon", full.id));
            waiting.push(child);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::catalogue::{Status, retention::Policy};

    #[test]
    fn reports_are_barmans() {
        let now: Timestamp = "2026-06-30T12:00:00Z".parse().unwrap();
        for case in crate::catalogue::tests::vectors("retention") {
            let id = |name: &str| -> BackupId {
                format!("20260101T{:06}", name[1..].parse::<u32>().unwrap()).parse().unwrap()
            };
            let text = |it: &serde_json::Value| it.as_str().map(ToOwned::to_owned);
            let catalogue = case["catalogue"].as_array().unwrap();
            let backups: Vec<Candidate> = catalogue
                .iter()
                .map(|it| Candidate {
                    id: id(it["id"].as_str().unwrap()),
                    status: text(&it["status"]).unwrap_or("DONE".to_owned()).parse().ok(),
                    end_time: it["age_days"]
                        .as_f64()
                        .map(|days| now - SignedDuration::from_secs_f64(days * 86_400.0)),
                    keep: text(&it["keep"]).map(|it| it.parse().unwrap()),
                    parent: text(&it["parent"]).map(|it| id(&it)),
                })
                .collect();
            let policy: Policy = case["policy"].as_str().unwrap().parse().unwrap();
            let minimum = u32::try_from(case["minimum_redundancy"].as_u64().unwrap()).unwrap();
            let report = policy.report(&backups, minimum, now);
            let expected = &case["out"]["ok"];
            for (name, verdict) in expected["report"].as_object().unwrap() {
                let found = report.verdict(id(name)).to_string();
                assert_eq!(found, verdict.as_str().unwrap(), "{name} of {case}");
            }
            let first = text(&expected["first_backup"]).map(|it| id(&it));
            assert_eq!(report.first, first, "{case}");
        }
    }

    #[test]
    fn a_circle_of_parents_ends() {
        let id = |text: &str| -> BackupId { text.parse().unwrap() };
        let one = |name: &str, parent: Option<&str>| Candidate {
            id: id(name),
            status: Some(Status::Done),
            end_time: None,
            keep: None,
            parent: parent.map(id),
        };
        let backups = [
            one("20260101T000000", None),
            one("20260102T000000", Some("20260103T000000")),
            one("20260103T000000", Some("20260102T000000")),
            one("20260104T000000", Some("20260104T000000")),
        ];
        let report = redundancy(&backups, 1, 0);
        assert_eq!(report.verdict(backups[0].id), Verdict::Valid);
        assert_eq!(report.verdict(backups[3].id), Verdict::None);
    }
}
