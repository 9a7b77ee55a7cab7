//! Receiving for ever: one connection after the other.

use std::{
    collections::BTreeSet,
    sync::{Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::{
    back_off::BackOff,
    course::Origin,
    directory::StreamingDirectory,
    error::ReceiveError,
    figures::{Figures, News, Phase},
    options::{ReceiveOptions, Supervisor},
    session::session,
};
use crate::{
    connection::chain,
    replication::Canceller,
    wal::{Lsn, TimelineId},
};

/// How often somebody is told how it is.
const PULSE: Duration = Duration::from_millis(100);
/// How long whatever the connection does may go on when somebody wants an end.
const GRACE: Duration = Duration::from_secs(4);

/// Why receiving came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Somebody asked for it.
    Cancelled,
    /// The position that was asked for is reached, and safe.
    Reached,
}

/// Receives WAL until somebody wants an end, or nothing but a person can
/// help. What was received is durable when this returns, however it returns.
///
/// # Errors
///
/// [`ReceiveError`], never one that is transient unless
/// [`ReceiveOptions::once`] is set.
pub fn receive(options: &ReceiveOptions, supervisor: &dyn Supervisor) -> Result<End, ReceiveError> {
    let directory = StreamingDirectory::open(&options.directory)?;
    let line = Line::default();
    thread::scope(|scope| {
        let guard = thread::Builder::new().name("guard".to_owned());
        let guarded = guard.spawn_scoped(scope, || line.guard(supervisor));
        guarded.map_err(|e| ReceiveError::directory("start a thread for", directory.path(), e))?;
        let mut run = Run::new(options, supervisor, &directory, &line);
        let ended = run.forever();
        run.enter(Phase::Ended);
        line.end();
        ended
    })
}

/// What all connections of a receiver share.
pub(super) struct Run<'a> {
    pub(super) options: &'a ReceiveOptions,
    pub(super) supervisor: &'a dyn Supervisor,
    pub(super) directory: &'a StreamingDirectory,
    pub(super) line: &'a Line,
    pub(super) figures: Figures,
    /// Whose histories were stored.
    pub(super) histories: BTreeSet<TimelineId>,
    behind: bool,
    observed: Instant,
    /// The highest position that was ever safe.
    best: Lsn,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        options: &'a ReceiveOptions,
        supervisor: &'a dyn Supervisor,
        directory: &'a StreamingDirectory,
        line: &'a Line,
    ) -> Self {
        let figures =
            Figures { system_identifier: options.system_identifier, ..Figures::default() };
        Self {
            options,
            supervisor,
            directory,
            line,
            figures,
            histories: BTreeSet::new(),
            behind: false,
            observed: Instant::now(),
            best: Lsn::ZERO,
        }
    }

    fn forever(&mut self) -> Result<End, ReceiveError> {
        let mut back_off = BackOff::default();
        loop {
            let ended = session(self);
            self.line.let_go();
            let error = match ended {
                Ok(end) => return Ok(end),
                Err(_) if self.supervisor.cancelled() => return Ok(End::Cancelled),
                Err(error) if self.options.once || !error.is_transient() => return Err(error),
                Err(error) => error,
            };
            if self.figures.flushed > self.best {
                self.best = self.figures.flushed;
                back_off.succeed();
            }
            let wait = back_off.fail(rand::random());
            self.figures.failures = back_off.failures();
            self.pause(chain(&error), wait);
            StreamingDirectory::open(self.directory.path())?;
        }
    }

    /// Waits for the next attempt.
    fn pause(&mut self, problem: String, wait: Duration) {
        let failures = self.figures.failures;
        self.figures.problem = Some(problem.clone());
        self.enter(Phase::Waiting);
        self.supervisor.say(&News::Retry { problem, failures, wait });
        let began = Instant::now();
        while began.elapsed() < wait && !self.supervisor.cancelled() {
            thread::sleep(PULSE.min(wait.saturating_sub(began.elapsed())));
            self.observe();
        }
    }

    /// It does something else now.
    pub(super) fn enter(&mut self, phase: Phase) {
        self.figures.phase = phase;
        self.tell();
    }

    /// A stream has begun.
    pub(super) fn begin(&mut self, origin: Origin) {
        let Origin { timeline, position, why } = origin;
        self.figures.failures = 0;
        self.figures.problem = None;
        if self.figures.timeline.replace(timeline) != Some(timeline) {
            self.figures.flushed = position;
        }
        self.figures.written = position;
        self.enter(Phase::Streaming);
        let synchronous = self.figures.synchronous;
        self.supervisor.say(&News::Begun { timeline, position, why, synchronous });
    }

    /// It must be the same cluster all the time.
    pub(super) fn check_cluster(&mut self, found: u64) -> Result<(), ReceiveError> {
        match self.figures.system_identifier {
            Some(expected) if expected != found => {
                Err(ReceiveError::OtherCluster { expected, found })
            }
            _ => {
                self.figures.system_identifier = Some(found);
                Ok(())
            }
        }
    }

    /// Notes how far the server is, and how far we are.
    pub(super) fn note(&mut self, server_end: Lsn, written: Lsn, flushed: Lsn, now: SystemTime) {
        // What comes again after a new connection is still safe from before.
        let flushed = flushed.max(self.figures.flushed);
        self.figures.note(server_end, written, flushed, now);
        let (lag, limit) = (self.figures.lag(), self.options.lag_warning);
        if !self.behind && lag > limit {
            self.behind = true;
            self.supervisor.say(&News::Behind { bytes: lag });
        } else if self.behind && lag <= limit / 2 {
            self.behind = false;
            self.supervisor.say(&News::CaughtUp);
        }
    }

    /// Tells how it is, every now and then.
    pub(super) fn observe(&mut self) {
        if self.observed.elapsed() >= PULSE {
            self.tell();
        }
    }

    fn tell(&mut self) {
        self.observed = Instant::now();
        self.supervisor.observe(&self.figures);
    }
}

/// The connection of now, for whoever has to stop it.
#[derive(Debug, Default)]
pub(super) struct Line {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    canceller: Option<Canceller>,
    over: bool,
}

impl Line {
    /// There is a connection.
    pub(super) fn hold(&self, canceller: Canceller) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).canceller = Some(canceller);
    }

    fn let_go(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).canceller = None;
    }

    pub(super) fn end(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).over = true;
        self.changed.notify_all();
    }

    /// Stops the connection some time after somebody wanted an end: a server
    /// that is gone would hold us up.
    pub(super) fn guard(&self, supervisor: &dyn Supervisor) {
        let mut since = None;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.over {
            let waited = self.changed.wait_timeout(state, PULSE);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if since.is_none() && supervisor.cancelled() {
                since = Some(Instant::now());
            }
            if since.is_some_and(|it| it.elapsed() > GRACE)
                && let Some(canceller) = &state.canceller
            {
                canceller.stop();
            }
        }
    }
}
