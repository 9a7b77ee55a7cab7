//! What is to be removed from one storage.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};

use super::{Candidate, Policy, Report, Verdict};
use crate::catalogue::{
    BackupId, Copy, Keep, Known, Moment, Status,
    copy::{Layout, State},
};

/// What is left of a backup may still be written by somebody, so long.
const SETTLED: SignedDuration = SignedDuration::from_hours(24);

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    /// The policy; without one nothing becomes too old.
    pub(crate) policy: Option<Policy>,
    /// How many full backups are to stay at least.
    pub(crate) minimum: u32,
    /// The time of now.
    pub(crate) now: Timestamp,
}

/// What becomes of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// It stays.
    Stays,
    /// It stays, though somebody had begun to delete it: the mark goes.
    Spared,
    /// It is deleted.
    Goes,
    /// Its deletion, which somebody has begun, is ended.
    Ends,
}

impl Step {
    /// Returns the word that scripts see.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stays => "stays",
            Self::Spared => "spared",
            Self::Goes => "deleted",
            Self::Ends => "deleted at last",
        }
    }

    /// Tells whether the backup is there afterwards.
    pub(crate) fn stays(self) -> bool {
        matches!(self, Self::Stays | Self::Spared)
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

/// What becomes of one backup, and why.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decision {
    /// The backup in that storage.
    pub(crate) copy: Copy,
    /// What can be done with it.
    pub(crate) state: State,
    /// What the policy says.
    pub(crate) verdict: Verdict,
    /// What becomes of it.
    pub(crate) step: Step,
    /// Why.
    pub(crate) why: String,
}

/// What becomes of all backups in one storage, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Plan {
    /// Each backup.
    pub(crate) decisions: Vec<Decision>,
    /// The oldest one from which recovery to any time is possible.
    pub(crate) first: Option<BackupId>,
    /// The oldest one since which all WAL stays.
    pub(crate) since: Option<BackupId>,
    /// Whether there is a policy.
    pub(crate) policy: bool,
}

impl Plan {
    /// Decides. `keeps` are the marks, whatever storage they were found in.
    pub(crate) fn of(copies: Vec<Copy>, keeps: &BTreeMap<BackupId, Keep>, rules: Rules) -> Self {
        let candidates: Vec<Candidate> = copies.iter().map(|it| candidate(it, keeps)).collect();
        let report = rules.policy.map(|it| it.report(&candidates, rules.minimum, rules.now));
        let first = report.as_ref().and_then(|it| it.first);
        let since = report.as_ref().and_then(|it| it.since);
        let mut decisions: Vec<Decision> = copies
            .into_iter()
            .zip(&candidates)
            .map(|(copy, candidate)| decide(copy, candidate, report.as_ref(), rules.now))
            .collect();
        keep_newest(&mut decisions);
        keep_referred(&mut decisions);
        Self { decisions, first, since, policy: rules.policy.is_some() }
    }

    /// Returns what is to be removed, in that order: what refers to others goes
    /// before them.
    pub(crate) fn doomed(&self) -> impl Iterator<Item = &Decision> {
        self.decisions.iter().rev().filter(|it| !it.step.stays())
    }

    /// Returns what stays.
    pub(crate) fn kept(&self) -> impl DoubleEndedIterator<Item = &Decision> {
        self.decisions.iter().filter(|it| it.step.stays())
    }
}

fn candidate(copy: &Copy, keeps: &BTreeMap<BackupId, Keep>) -> Candidate {
    let info = copy.info();
    Candidate {
        id: copy.id,
        status: if let State::Is(best) = copy.state() { Some(best.0) } else { None },
        end_time: info.and_then(|it| it.end_time).map(Moment::timestamp),
        keep: keeps.get(&copy.id).copied(),
        parent: info.and_then(|it| it.parent_backup_id),
    }
}

fn decide(copy: Copy, candidate: &Candidate, report: Option<&Report>, now: Timestamp) -> Decision {
    let state = copy.state();
    let none = || (Verdict::None, "there is no retention policy".to_owned());
    let (verdict, mut why) = report.map_or_else(none, |it| {
        let unsaid = || (Verdict::None, "the policy is not about it".to_owned());
        it.verdicts.get(&copy.id).cloned().unwrap_or_else(unsaid)
    });
    let oldest = report.and_then(|it| it.first);
    let mut step = Step::Stays;
    match &state {
        State::Deleting => {
            (step, why) = (Step::Ends, "its deletion was interrupted".to_owned());
        }
        State::Remains => {
            let settled = now.checked_sub(SETTLED).unwrap_or(Timestamp::MIN).as_nanosecond();
            if copy.layout == Layout::Parts && i128::from(copy.modified_ns) < settled {
                (step, why) = (Step::Ends, "nothing but parts is left of it".to_owned());
            } else {
                "it has no backup.info".clone_into(&mut why);
            }
        }
        State::Broken(reason) => why.clone_from(reason),
        _ if candidate.keep.is_some() => {}
        // What is under way, or waits for its WAL, is nobody's to delete.
        State::Is(best)
            if verdict == Verdict::Obsolete && matches!(best.0, Status::Done | Status::Failed) =>
        {
            step = Step::Goes;
        }
        it if it.is(Status::Failed) && oldest.is_some_and(|oldest| copy.id < oldest) => {
            let reason = "it failed, and is older than what the policy keeps".to_owned();
            (step, why) = (Step::Goes, reason);
        }
        State::Is(_) => {}
    }
    Decision { copy, state, verdict, step, why }
}

/// Whatever the policy: the newest backup that can be restored stays. Barman
/// takes `REDUNDANCY 0` at its word and deletes the last one.
fn keep_newest(decisions: &mut [Decision]) {
    let newest = decisions.iter_mut().rfind(|it| it.state.is(Status::Done));
    if let Some(newest) = newest.filter(|it| !it.step.stays()) {
        newest.step = Step::Stays;
        "it is the newest one".clone_into(&mut newest.why);
    }
}

/// What is referred to stays, and so does what it refers to itself.
fn keep_referred(decisions: &mut [Decision]) {
    let places: BTreeMap<BackupId, usize> =
        decisions.iter().enumerate().map(|(i, it)| (it.copy.id, i)).collect();
    let stays = |it: &Decision| it.step.stays() && it.state != State::Remains;
    let mut waiting: Vec<BackupId> =
        decisions.iter().filter(|it| stays(it)).map(|it| it.copy.id).collect();
    let mut seen: BTreeSet<BackupId> = waiting.iter().copied().collect();
    // What cannot be read may refer to whatever was there before it.
    for i in (0..decisions.len()).rev() {
        let it = &decisions[i];
        let unknown =
            it.step.stays() && it.copy.manifest && !matches!(it.copy.known, Known::Info(_));
        if unknown {
            let why = format!("{} cannot be read, and may refer to it", it.copy.id);
            for older in decisions[..i].iter_mut().filter(|it| it.copy.is_ours()) {
                spare(older, &why);
                waiting.extend(seen.insert(older.copy.id).then_some(older.copy.id));
            }
            break;
        }
    }
    while let Some(id) = waiting.pop() {
        let parent = places.get(&id).and_then(|i| decisions[*i].copy.info()?.parent_backup_id);
        let Some(place) = parent.and_then(|it| places.get(&it)) else { continue };
        let parent = &mut decisions[*place];
        spare(parent, &format!("{id} refers to it"));
        waiting.extend(seen.insert(parent.copy.id).then_some(parent.copy.id));
    }
}

fn spare(it: &mut Decision, why: &str) {
    it.step = match it.step {
        Step::Ends if it.copy.doomed => Step::Spared,
        Step::Goes | Step::Ends => Step::Stays,
        Step::Stays | Step::Spared => return,
    };
    why.clone_into(&mut it.why);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::tests::copy;

    fn rules(policy: &str, minimum: u32) -> Rules {
        let now = "2026-06-30T00:00:00Z".parse().unwrap();
        Rules { policy: Some(policy.parse().unwrap()), minimum, now }
    }

    fn steps(plan: &Plan) -> Vec<(String, &'static str, &str)> {
        let one = |it: &'_ Decision| (it.copy.id.to_string(), it.step.name());
        plan.decisions.iter().map(|it| (one(it).0, one(it).1, it.why.as_str())).collect()
    }

    #[test]
    fn the_last_one_stays_whatever_the_policy() {
        let copies = vec![
            copy("20260101T000000", Status::Done, None),
            copy("20260102T000000", Status::Done, None),
            copy("20260103T000000", Status::Failed, None),
        ];
        let plan = Plan::of(copies, &BTreeMap::new(), rules("REDUNDANCY 0", 0));
        let steps = steps(&plan);
        assert_eq!(steps[0].1, "deleted");
        assert_eq!((steps[1].1, steps[1].2), ("stays", "it is the newest one"));
        assert_eq!(steps[2].1, "stays");
    }

    #[test]
    fn what_is_referred_to_stays_and_children_go_first() {
        let copies = || {
            vec![
                copy("20260101T000000", Status::Done, None),
                copy("20260102T000000", Status::Done, Some("20260101T000000")),
                copy("20260103T000000", Status::Done, None),
                copy("20260104T000000", Status::Started, Some("20260102T000000")),
            ]
        };
        let plan = Plan::of(copies(), &BTreeMap::new(), rules("REDUNDANCY 1", 0));
        let steps = steps(&plan);
        assert_eq!(steps[0].2, "20260102T000000 refers to it");
        assert_eq!(steps[1].2, "20260104T000000 refers to it");
        assert!(plan.doomed().next().is_none());
        let plan = Plan::of(copies()[..3].to_vec(), &BTreeMap::new(), rules("REDUNDANCY 1", 0));
        let order: Vec<String> = plan.doomed().map(|it| it.copy.id.to_string()).collect();
        assert_eq!(order, ["20260102T000000", "20260101T000000"]);
        // A mark on the child keeps both.
        let keeps = [("20260102T000000".parse().unwrap(), Keep::Full)].into();
        let plan = Plan::of(copies()[..3].to_vec(), &keeps, rules("REDUNDANCY 1", 0));
        assert!(plan.doomed().next().is_none());
    }

    #[test]
    fn what_cannot_be_read_is_left_alone_and_what_it_may_need_too() {
        let unreadable = |id: &str, manifest: bool| Copy {
            known: Known::Unreadable("damaged".to_owned()),
            manifest,
            ..copy(id, Status::Done, None)
        };
        let copies = |manifest| {
            vec![
                copy("20260101T000000", Status::Done, None),
                unreadable("20260102T000000", manifest),
                copy("20260103T000000", Status::Done, None),
                copy("20260104T000000", Status::Done, None),
            ]
        };
        let plan = Plan::of(copies(true), &BTreeMap::new(), rules("REDUNDANCY 1", 0));
        let found: Vec<_> = steps(&plan).iter().map(|it| it.1).collect();
        assert_eq!(found, ["stays", "stays", "deleted", "stays"]);
        assert_eq!(plan.decisions[1].why, "damaged");
        // Without a manifest it refers to nothing.
        let plan = Plan::of(copies(false), &BTreeMap::new(), rules("REDUNDANCY 1", 0));
        let found: Vec<_> = steps(&plan).iter().map(|it| it.1).collect();
        assert_eq!(found, ["deleted", "stays", "deleted", "stays"]);
    }

    #[test]
    fn what_was_begun_is_ended_and_failures_go_with_their_time() {
        let now = rules("REDUNDANCY 1", 0).now.as_nanosecond();
        let remains = |id: &str, hours: i64| Copy {
            known: Known::Missing,
            manifest: false,
            modified_ns: i64::try_from(now).unwrap() - hours * 3_600_000_000_000,
            ..copy(id, Status::Done, None)
        };
        let copies = vec![
            copy("20260101T000000", Status::Failed, None),
            Copy { doomed: true, ..copy("20260102T000000", Status::Done, None) },
            remains("20260103T000000", 25),
            remains("20260104T000000", 1),
            copy("20260105T000000", Status::Done, None),
            Copy { doomed: true, ..copy("20260106T000000", Status::Done, None) },
            copy("20260107T000000", Status::Done, Some("20260106T000000")),
            copy("20260108T000000", Status::Failed, None),
        ];
        let plan = Plan::of(copies.clone(), &BTreeMap::new(), rules("REDUNDANCY 1", 0));
        let found: Vec<_> = steps(&plan).iter().map(|it| it.1).collect();
        let expected = [
            "deleted",
            "deleted at last",
            "deleted at last",
            "stays",
            "stays",
            "spared",
            "stays",
            "stays",
        ];
        assert_eq!(found, expected);
        // Without a policy what was begun is ended all the same.
        let none = Rules { policy: None, ..rules("REDUNDANCY 1", 0) };
        let plan = Plan::of(copies, &BTreeMap::new(), none);
        let found: Vec<_> = steps(&plan).iter().map(|it| it.1).collect();
        assert_eq!(found[..3], ["stays", "deleted at last", "deleted at last"]);
        assert_eq!(found[4..], ["stays", "spared", "stays", "stays"]);
    }
}
