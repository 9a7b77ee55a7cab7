//! Random histories of a server and its catalogue, against a model that knows
//! all that was ever stored: nothing goes that is needed.

use std::collections::{BTreeMap, BTreeSet};

use hayloft_postgres::wal::{FileName, Lsn, SegmentName, SegmentSize, TimelineId};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use proptest::{prelude::*, test_runner::TestCaseResult};

use super::{Plan, Policy, Step, Verdict, needs, plan::Rules};
use crate::catalogue::{
    BackupId, BackupInfo, Copy, Keep, Known, Moment, Status,
    copy::{Layout, State},
};

const SIZE: SegmentSize = SegmentSize::DEFAULT;

#[derive(Debug, Clone)]
enum Event {
    /// A backup, which may refer to an older one, fail, or wait for its WAL.
    Backup { parent: Option<usize>, fails: bool, waits: bool },
    /// Segments are written.
    Work(u64),
    /// Hours pass.
    Time(i64),
    /// A mark is set or taken away.
    Mark(usize, Option<Keep>),
    /// An older backup is restored and recovered so far, and goes on there.
    Restore { backup: usize, segments: u64 },
    /// What is too old goes; it may be interrupted after so many steps.
    Expire { after: Option<usize> },
}

fn events() -> impl Strategy<Value = Event> {
    let which = || 0..6_usize;
    prop_oneof![
        4 => (prop::option::of(which()), 0..8_u8).prop_map(|(parent, luck)| Event::Backup {
            parent, fails: luck == 0, waits: luck == 1,
        }),
        2 => (1..4_u64).prop_map(Event::Work),
        3 => (1..60_i64).prop_map(Event::Time),
        1 => (which(), prop::option::of(prop_oneof![Just(Keep::Full), Just(Keep::Standalone)]))
            .prop_map(|(which, keep)| Event::Mark(which, keep)),
        1 => (which(), 0..5_u64).prop_map(|(backup, segments)| Event::Restore { backup, segments }),
        4 => prop::option::of(0..12_usize).prop_map(|after| Event::Expire { after }),
    ]
}

fn policies() -> impl Strategy<Value = Policy> {
    let texts = [
        "REDUNDANCY 0",
        "REDUNDANCY 1",
        "REDUNDANCY 3",
        "RECOVERY WINDOW OF 0 DAYS",
        "RECOVERY WINDOW OF 3 DAYS",
        "GFS 2 DAILY",
        "GFS 3 DAILY 2 WEEKLY 2 MONTHLY",
        "GFS 2 WEEKLY 1 YEARLY",
    ];
    prop::sample::select(texts.to_vec()).prop_map(|it| it.parse().unwrap())
}

#[derive(Debug)]
struct World {
    now: Timestamp,
    copies: BTreeMap<BackupId, Copy>,
    /// Those of which parts are there.
    parts: BTreeSet<BackupId>,
    /// What each backup refers to, whether it is known or not.
    refers: BTreeMap<BackupId, BackupId>,
    timeline: TimelineId,
    /// The segment that is being written.
    segment: u64,
    wal: BTreeSet<(TimelineId, u64)>,
    written: BTreeSet<(TimelineId, u64)>,
    lines: BTreeMap<TimelineId, Option<BTreeSet<TimelineId>>>,
}

impl World {
    fn new() -> Self {
        let first = TimelineId::FIRST;
        Self {
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            copies: BTreeMap::new(),
            parts: BTreeSet::new(),
            refers: BTreeMap::new(),
            timeline: first,
            segment: 1,
            wal: BTreeSet::new(),
            written: BTreeSet::new(),
            lines: [(first, Some([first].into()))].into(),
        }
    }

    fn work(&mut self, segments: u64) {
        for _ in 0..segments {
            self.wal.insert((self.timeline, self.segment));
            self.written.insert((self.timeline, self.segment));
            self.segment += 1;
        }
    }

    /// The whole ones, as a person sees them.
    fn whole(&self) -> Vec<BackupId> {
        self.copies.values().filter(|it| it.state().is_copied()).map(|it| it.id).collect()
    }

    fn choose(&self, which: usize) -> Option<BackupId> {
        let whole = self.whole();
        (!whole.is_empty()).then(|| whole[whole.len() - 1 - which % whole.len()])
    }

    fn backup(&mut self, parent: Option<usize>, status: Status) {
        let newest = self.copies.keys().next_back().copied();
        let id = BackupId::choose(self.now, &TimeZone::UTC, newest);
        let parent = parent.and_then(|it| self.choose(it));
        let begin = self.segment;
        self.work(2);
        let lsn = |segment: u64| Some(Lsn::new((segment << 24) + 0x28));
        let info = BackupInfo {
            status,
            parent_backup_id: parent,
            begin_xlog: lsn(begin),
            end_xlog: lsn(begin + 1),
            end_time: Some(Moment::of(&self.now.to_zoned(TimeZone::UTC))),
            timeline: Some(self.timeline),
            ..BackupInfo::default()
        };
        // One that is gone may have had the same id.
        self.refers.remove(&id);
        self.refers.extend(parent.map(|it| (id, it)));
        self.parts.insert(id);
        let copy = Copy {
            id,
            storage: "disk".to_owned(),
            known: Known::Info(Box::new(info)),
            layout: Layout::Parts,
            manifest: status.is_copied(),
            keep: None,
            doomed: false,
            modified_ns: i64::try_from(self.now.as_nanosecond()).unwrap(),
        };
        self.copies.insert(id, copy);
    }

    fn span(&self, id: BackupId) -> (TimelineId, u64, u64) {
        let info = self.copies[&id].info().unwrap();
        let number = |it: Option<Lsn>| it.unwrap().segment_number(SIZE);
        (info.timeline.unwrap(), number(info.begin_xlog), number(info.end_xlog))
    }

    /// Whether all WAL is there that recovery from a backup can go through.
    fn is_complete(&self, id: BackupId) -> bool {
        let (timeline, begin, _) = self.span(id);
        let leads = |it: &TimelineId| self.lines[it].as_ref().unwrap().contains(&timeline);
        let mut needed = self.written.iter().filter(|(on, at)| *at >= begin && leads(on));
        needed.all(|it| self.wal.contains(it))
    }

    fn mark(&mut self, which: usize, keep: Option<Keep>) {
        let Some(id) = self.choose(which) else { return };
        // Nobody can keep what is gone already.
        if keep == Some(Keep::Full) && !self.is_complete(id) {
            return;
        }
        let copy = self.copies.get_mut(&id).unwrap();
        if copy.state().is(Status::Done) {
            copy.keep = keep;
        }
    }

    fn restore(&mut self, which: usize, segments: u64) {
        let Some(id) = self.choose(which).filter(|it| self.is_complete(*it)) else { return };
        let (from, _, end) = self.span(id);
        let last = self.written.iter().filter(|(on, _)| *on == from).map(|it| it.1).max();
        self.segment = last.unwrap_or(end).min(end + segments).max(end);
        self.timeline = TimelineId::new(u32::try_from(self.lines.len()).unwrap() + 1).unwrap();
        let mut line = self.lines[&from].clone().unwrap();
        line.insert(self.timeline);
        self.lines.insert(self.timeline, Some(line));
        self.work(1);
    }

    /// Does it step by step, as far as it comes.
    fn expire(&mut self, policy: Policy, minimum: u32, after: Option<usize>) -> TestCaseResult {
        let keeps = self.copies.values().filter_map(|it| Some((it.id, it.keep?))).collect();
        let rules = Rules { policy: Some(policy), minimum, now: self.now };
        let plan = Plan::of(self.copies.values().cloned().collect(), &keeps, rules);
        let mut left = after.unwrap_or(usize::MAX);
        let mut step = || {
            left = left.saturating_sub(1);
            left > 0
        };
        for it in plan.decisions.iter().filter(|it| it.step == Step::Spared) {
            self.copies.get_mut(&it.copy.id).unwrap().doomed = false;
        }
        for it in plan.doomed() {
            if !step() {
                return Ok(());
            }
            self.copies.get_mut(&it.copy.id).unwrap().doomed = true;
        }
        for it in plan.doomed() {
            let id = it.copy.id;
            let copy = self.copies.get_mut(&id).unwrap();
            if !step() {
                return Ok(());
            }
            copy.manifest = false;
            if !step() {
                return Ok(());
            }
            copy.known = Known::Missing;
            if !step() {
                return Ok(());
            }
            self.parts.remove(&id);
            self.copies.remove(&id);
        }
        let Ok(kept) = needs(&[&plan], &self.lines) else { return Ok(()) };
        self.wal.retain(|(timeline, number)| {
            let name = SegmentName::new(*timeline, *number, SIZE).unwrap();
            kept.needs(FileName::Segment(name), SIZE)
        });
        self.policy_holds(&plan)
    }

    /// What the policy promises, just after it was carried out.
    fn policy_holds(&self, plan: &Plan) -> TestCaseResult {
        for it in plan.kept().filter(|it| it.state.is(Status::Done)) {
            let promised = it.verdict == Verdict::KeepFull
                || plan.first.is_some_and(|first| it.copy.id >= first);
            prop_assert!(!promised || self.is_complete(it.copy.id), "{} lacks WAL", it.copy.id);
        }
        Ok(())
    }

    /// What must be so at any time.
    fn nothing_is_lost(&self) -> TestCaseResult {
        let newest = self.copies.values().rfind(|it| it.state().is(Status::Done));
        for copy in self.copies.values().filter(|it| it.state().is_copied()) {
            let mut id = Some(copy.id);
            while let Some(it) = id {
                prop_assert!(self.parts.contains(&it), "{} refers to {it}", copy.id);
                id = self.refers.get(&it).copied();
            }
            let (timeline, begin, end) = self.span(copy.id);
            for segment in begin..=end {
                prop_assert!(
                    self.wal.contains(&(timeline, segment)),
                    "{} needs {segment}",
                    copy.id
                );
            }
            let all = copy.keep == Some(Keep::Full) || newest.is_some_and(|it| it.id == copy.id);
            prop_assert!(!all || self.is_complete(copy.id), "{} lacks WAL", copy.id);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_goes_that_something_kept_refers_to(
        policy in policies(), minimum in 0_u32..3,
        events in prop::collection::vec(events(), 1..60),
    ) {
        let mut world = World::new();
        let mut had_whole = false;
        for event in events {
            match event {
                Event::Backup { parent, fails, waits } => world.backup(parent, match (fails, waits) {
                    (true, _) => Status::Failed,
                    (_, true) => Status::WaitingForWals,
                    _ => Status::Done,
                }),
                Event::Work(segments) => world.work(segments),
                Event::Time(hours) => world.now += SignedDuration::from_hours(hours),
                Event::Mark(which, keep) => world.mark(which, keep),
                Event::Restore { backup, segments } => world.restore(backup, segments),
                Event::Expire { after } => world.expire(policy, minimum, after)?,
            }
            world.nothing_is_lost()?;
            had_whole |= world.copies.values().any(|it| it.state().is(Status::Done));
            let has = world.copies.values().any(|it| it.state().is(Status::Done));
            prop_assert!(has == had_whole, "the last backup is gone");
        }
        // What was interrupted is ended, and nothing is left of it.
        world.expire(policy, minimum, None)?;
        world.nothing_is_lost()?;
        let left = world.copies.values().filter(|it| matches!(it.state(), State::Deleting | State::Remains));
        prop_assert_eq!(left.count(), 0);
        let known: Vec<BackupId> = world.copies.keys().copied().collect();
        prop_assert!(world.parts.iter().all(|it| known.contains(it)));
    }
}
