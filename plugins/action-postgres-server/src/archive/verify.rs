//! Reading a stretch of the archive to its last bit.
//!
//! Every segment that a recovery would read is looked for in the storages, and
//! every copy of it is read: decoded, its header, its length, each record; and
//! whether it continues the segment before it. One directory's files (at most
//! 4 GiB of WAL) are in hand at a time.

mod absent;
mod batch;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use hayloft_plugin_api::{Error, Progress, Result};
use hayloft_postgres::wal::{Chain, FileName, Gap, History, Lsn, SegmentSize, TimelineId, Walked};

use self::{absent::Absent, batch::Batch};
use super::{Archive, Examined, Fault, Pace, Stored};

/// A stretch of the log.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    /// The way to the timeline on which it ends.
    pub(crate) history: History,
    /// Where it begins.
    pub(crate) from: Lsn,
    /// The first position behind it.
    pub(crate) to: Lsn,
    /// How large segments are.
    pub(crate) size: SegmentSize,
}

/// What is to be verified, and how.
#[derive(Debug)]
pub(crate) struct Verification<'a> {
    pub(crate) archive: &'a Archive<'a>,
    pub(crate) course: &'a Course,
    /// Only this storage.
    pub(crate) storage: Option<&'a str>,
    /// How many copies are read at the same time.
    pub(crate) workers: usize,
    pub(crate) pace: &'a Pace,
    /// How many bytes are to be read, if that is known.
    pub(crate) total: u64,
}

/// Something that is not as it should be.
#[derive(Debug, Clone)]
pub(crate) enum Finding {
    /// Segments are missing: in one storage, or in all.
    Missing { gap: Gap, storage: Option<String> },
    /// The same of the history of a timeline.
    NoHistory { timeline: TimelineId, storage: Option<String> },
    /// A copy is not what it should be.
    Bad { copy: Box<Stored>, fault: Fault },
    /// Copies of one file hold different things.
    Differ { name: FileName, storages: Vec<String> },
    /// A segment does not continue the one before it.
    Torn { name: FileName, why: String },
}

impl Finding {
    /// Tells whether everything can still be recovered, as far as is known.
    pub(crate) fn is_warning(&self) -> bool {
        match self {
            Self::Missing { storage, .. } | Self::NoHistory { storage, .. } => storage.is_some(),
            Self::Bad { fault, .. } => fault.is_only_locked() || matches!(fault, Fault::Gone),
            Self::Differ { .. } | Self::Torn { .. } => false,
        }
    }
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verified {
    /// Segments of the stretch that are there and good.
    pub(crate) segments: u64,
    /// Copies that were read, other files too.
    pub(crate) copies: u64,
    /// Bytes of content.
    pub(crate) bytes: u64,
    /// Records in the segments, each segment counted once.
    pub(crate) records: u64,
}

/// Is told what is found.
type Each<'e> = &'e mut dyn FnMut(Finding) -> Result<()>;
/// A copy and what came of reading it.
type Looked = (Stored, Result<Examined, Fault>);

impl Verification<'_> {
    /// Does it; `each` is told what is found, in the order of the log.
    ///
    /// # Errors
    ///
    /// If a storage cannot tell what it has, the user wants an end, and those
    /// of `each`.
    pub(crate) fn run(&self, each: Each<'_>) -> Result<Verified> {
        let mut state = State { verified: Verified::default(), chain: Chain::new(), each };
        self.histories(&mut state)?;
        if let Some(before) = self.before()? {
            // What it begins may end in the first segment.
            drop(state.chain.follow(&before));
        }
        let mut absent = Absent::new(self.course.size, self.wanted());
        for batch in batch::of(self.course)? {
            let there = self.list(&batch)?;
            let mut looked = self.examine(there.into_values().flatten().collect())?;
            for name in &batch.names {
                let copies = looked.remove(&FileName::Segment(*name)).unwrap_or_default();
                let storages: Vec<&str> = copies.iter().map(|it| it.0.storage.as_str()).collect();
                absent.note(*name, &storages, state.each)?;
                state.judge(FileName::Segment(*name), copies)?;
            }
            for (name, copies) in looked {
                state.judge(name, copies)?;
            }
        }
        absent.end(state.each)?;
        Ok(state.verified)
    }

    /// The storages that should have everything.
    fn wanted(&self) -> Vec<String> {
        match self.storage {
            Some(only) => vec![only.to_owned()],
            None => self.archive.storages(true).map(ToOwned::to_owned).collect(),
        }
    }

    /// Looks at the histories on the way.
    fn histories(&self, state: &mut State<'_>) -> Result<()> {
        let first = self.course.history.timeline_of(self.course.from);
        let wanted = self.wanted();
        for timeline in self.course.history.timelines().filter(|it| *it > first) {
            let name = FileName::History(timeline);
            let copies = self.archive.copies(name).collect::<Result<Vec<_>>>()?;
            let copies: Vec<Stored> = copies.into_iter().filter(|it| self.takes(it)).collect();
            let has = |storage: &String| copies.iter().any(|it| it.storage == *storage);
            if copies.is_empty() {
                (state.each)(Finding::NoHistory { timeline, storage: None })?;
            } else {
                for storage in wanted.iter().filter(|it| !has(it)) {
                    let storage = Some(storage.clone());
                    (state.each)(Finding::NoHistory { timeline, storage })?;
                }
            }
            for (name, copies) in self.examine(copies)? {
                state.judge(name, copies)?;
            }
        }
        Ok(())
    }

    fn takes(&self, copy: &Stored) -> bool {
        self.storage.is_none_or(|it| it == copy.storage)
    }

    /// Walks through the segment before the stretch, if it is there and good.
    fn before(&self) -> Result<Option<Walked>> {
        let (course, size) = (self.course, self.course.size);
        let Some(number) = course.from.segment_number(size).checked_sub(1) else {
            return Ok(None);
        };
        let names = course.history.candidates(number, size);
        for name in names.map_err(|e| Error::msg(e.to_string()))? {
            for copy in self.archive.copies(FileName::Segment(name)).flatten() {
                let examined = self.archive.examine(&copy, Some(&course.history), self.pace);
                if let Some(walked) = examined.ok().and_then(|it| it.walked) {
                    return Ok(Some(walked));
                }
            }
        }
        Ok(None)
    }

    /// Lists what there is of a directory's part of the stretch.
    fn list(&self, batch: &Batch) -> Result<BTreeMap<FileName, Vec<Stored>>> {
        let mut there: BTreeMap<FileName, Vec<Stored>> = BTreeMap::new();
        self.archive.for_each(self.storage, Some(&batch.directory), &mut |stored| {
            if batch.has(stored.name) {
                there.entry(stored.name).or_default().push(stored);
            }
            Ok(())
        })?;
        Ok(there)
    }

    /// Reads copies, several at the same time.
    fn examine(&self, copies: Vec<Stored>) -> Result<BTreeMap<FileName, Vec<Looked>>> {
        let (next, host) = (AtomicUsize::new(0), self.archive.host);
        let results: Mutex<Vec<Option<Result<Examined, Fault>>>> =
            Mutex::new(copies.iter().map(|_| None).collect());
        let work = || {
            while let Some((at, copy)) = Some(next.fetch_add(1, Ordering::Relaxed))
                .and_then(|at| Some((at, copies.get(at)?)))
            {
                if host.cancelled() {
                    return;
                }
                let examined = self.archive.examine(copy, Some(&self.course.history), self.pace);
                let what = copy.name.to_string();
                host.progress(Progress { what: &what, done: self.pace.done(), total: self.total });
                let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                results[at] = Some(examined);
            }
        };
        thread::scope(|scope| {
            for _ in 1..self.workers.min(copies.len()) {
                scope.spawn(work);
            }
            work();
        });
        host.check_cancelled()?;
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        let silent = || Err(Fault::Unreadable("it was not read".to_owned()));
        let mut looked: BTreeMap<FileName, Vec<Looked>> = BTreeMap::new();
        for (copy, result) in copies.into_iter().zip(results) {
            looked.entry(copy.name).or_default().push((copy, result.unwrap_or_else(silent)));
        }
        Ok(looked)
    }
}

/// How far it is.
struct State<'e> {
    verified: Verified,
    chain: Chain,
    each: Each<'e>,
}

impl State<'_> {
    /// Judges all copies of a file.
    fn judge(&mut self, name: FileName, copies: Vec<Looked>) -> Result<()> {
        let mut good: Vec<(Stored, Examined)> = Vec::new();
        for (copy, examined) in copies {
            self.verified.copies += 1;
            match examined.and_then(|it| whole(name, it)) {
                Ok(examined) => {
                    self.verified.bytes += examined.length;
                    good.push((copy, examined));
                }
                Err(fault) => {
                    (self.each)(Finding::Bad { copy: Box::new(copy), fault })?;
                }
            }
        }
        let Some((_, first)) = good.first() else { return Ok(()) };
        if good.iter().any(|(_, it)| it.content != first.content) {
            let storages = good.iter().map(|(copy, _)| copy.storage.clone()).collect();
            (self.each)(Finding::Differ { name, storages })?;
        }
        if let (FileName::Segment(_), Some(walked)) = (name, &first.walked) {
            self.verified.segments += 1;
            self.verified.records += walked.records;
            if let Err(damage) = self.chain.follow(walked) {
                (self.each)(Finding::Torn { name, why: damage.to_string() })?;
            }
        }
        Ok(())
    }
}

/// On the way of a recovery no log ends within a whole segment.
fn whole(name: FileName, examined: Examined) -> Result<Examined, Fault> {
    let ended = examined.walked.as_ref().and_then(|it| it.ended.as_ref());
    match (name, ended) {
        (FileName::Segment(_), Some(ended)) => Err(Fault::Damaged(ended.to_string())),
        _ => Ok(examined),
    }
}
