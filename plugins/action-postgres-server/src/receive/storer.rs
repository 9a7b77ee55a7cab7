//! Brings what was received into the archive, while more is received.

use std::{
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use hayloft_plugin_api::{Error, Host, Result};

use super::{REMIND, archive_lock, record::Record};
use crate::{
    intake::{Batch, ErrorsDirectory, Keep, Pass, Tally},
    lock::{Lock, Tried},
};

/// How long after a failure it is tried again, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// How often the directory is looked through without a reason.
const LOOK: Duration = Duration::from_secs(30);
/// How often an end is looked for.
const PULSE: Duration = Duration::from_millis(100);

/// Brings whole files of a directory into the archive.
pub(super) struct Storer<'a> {
    host: &'a Host,
    keep: &'a dyn Keep,
    directory: PathBuf,
    errors: &'a ErrorsDirectory,
    /// How many files at a time.
    jobs: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// There is something new.
    woken: bool,
    over: bool,
    waiting: u64,
    archived: Option<String>,
    problem: Option<String>,
    failures: u32,
    said: Option<Instant>,
}

impl<'a> Storer<'a> {
    pub(super) fn new(
        host: &'a Host,
        keep: &'a dyn Keep,
        directory: &Path,
        errors: &'a ErrorsDirectory,
        jobs: usize,
    ) -> Self {
        let state = Mutex::new(State { woken: true, ..State::default() });
        let changed = Condvar::new();
        Self { host, keep, directory: directory.to_owned(), errors, jobs, state, changed }
    }

    /// Works until it is to end.
    pub(super) fn run(&self) {
        while self.wait() {
            let passed = self.pass();
            self.note(passed);
        }
    }

    /// There is a new file.
    pub(super) fn wake(&self) {
        let mut state = self.lock();
        state.woken = true;
        state.waiting += 1;
        self.changed.notify_all();
    }

    /// It is to end, once the files that are under way have arrived.
    pub(super) fn end(&self) {
        self.lock().over = true;
        self.changed.notify_all();
    }

    /// Brings in what is still there.
    ///
    /// # Errors
    ///
    /// If not everything could be archived.
    pub(super) fn finish(&self) -> Result<()> {
        let tally = self.pass()?.unwrap_or_default();
        match tally.failure {
            Some(problem) => Err(Error::msg(problem).context("not everything is archived")),
            None => Ok(()),
        }
    }

    /// Fills in how the archive is.
    pub(super) fn describe(&self, record: &mut Record) {
        let state = self.lock();
        record.waiting = state.waiting;
        record.archived.clone_from(&state.archived);
        record.archive_problem.clone_from(&state.problem);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is something to do; false at the end.
    fn wait(&self) -> bool {
        let mut state = self.lock();
        let pause = match state.failures {
            0 => LOOK,
            failures => RETRY.0.saturating_mul(1 << failures.min(10)).min(RETRY.1),
        };
        let began = Instant::now();
        loop {
            if state.over || self.host.cancelled() {
                return false;
            }
            if (state.woken && state.failures == 0) || began.elapsed() >= pause {
                state.woken = false;
                return true;
            }
            let waited = self.changed.wait_timeout(state, PULSE);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Goes through the directory once; `None` if somebody else does.
    fn pass(&self) -> Result<Option<Tally>> {
        let Tried::Taken(_lock) = Lock::take(&archive_lock(&self.directory))? else {
            return Ok(None);
        };
        let batch = Batch::of_streaming(&self.directory, 0, SystemTime::now())?;
        self.lock().waiting = batch.items.len() as u64;
        let last = batch.items.last().map(|it| it.name.to_string());
        let pass = Pass { host: self.host, keep: self.keep, errors: self.errors, jobs: self.jobs };
        let tally = pass.run(&batch);
        if tally.failure.is_none() && last.is_some() {
            self.lock().archived = last;
        }
        Ok(Some(tally))
    }

    fn note(&self, passed: Result<Option<Tally>>) {
        let problem = match passed {
            Ok(None) => return,
            Ok(Some(tally)) => {
                self.lock().waiting = tally.waiting;
                tally.failure
            }
            Err(error) => Some(crate::intake::chain(&error)),
        };
        let mut state = self.lock();
        let Some(problem) = problem else {
            if state.problem.take().is_some() {
                tracing::info!("the archive takes WAL again");
            }
            state.failures = 0;
            return;
        };
        if self.host.cancelled() {
            return;
        }
        let known = state.problem.as_ref() == Some(&problem);
        if !known || state.said.is_none_or(|it| it.elapsed() >= REMIND) {
            tracing::warn!("{problem}; it is kept here meanwhile, and tried again");
            state.said = Some(Instant::now());
        }
        state.failures = state.failures.saturating_add(1);
        state.problem = Some(problem);
    }
}
