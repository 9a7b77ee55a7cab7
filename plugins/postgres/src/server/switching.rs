//! A primary that finishes segments while a standby waits for their end.

use std::{
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use crate::connection::{Connection, QueryError};

/// How often, and how hard, a primary is asked to finish a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switching {
    /// How long to wait between two requests, and before the first a tenth of
    /// it.
    pub every: Duration,
    /// How many there are at most.
    pub times: u32,
    /// How long to wait after the last for a checkpoint, which writes WAL
    /// even on a primary on which nothing happens, and one more request; none
    /// is not at all. The role must be allowed to (`pg_checkpoint`).
    pub checkpoint_after: Option<Duration>,
    /// How long the primary may take to answer.
    pub patience: Duration,
}

impl Default for Switching {
    /// As Barman does it, every 10 s, ten times; and then a checkpoint, without
    /// which a primary on which nothing happens would be waited for for ever.
    fn default() -> Self {
        Self {
            every: Duration::from_secs(10),
            times: 10,
            checkpoint_after: Some(Duration::from_secs(10)),
            patience: Duration::from_secs(10),
        }
    }
}

/// What was asked of the primary.
#[derive(Debug, Default)]
pub struct Switched {
    /// How many requests it granted.
    pub times: u32,
    /// Whether there was a checkpoint.
    pub checkpoint: bool,
    /// What it refused last.
    pub problem: Option<QueryError>,
}

/// Does `work`, which waits until a segment is archived, and lets the primary
/// finish segments meanwhile: a standby cannot, and a primary on which nothing
/// happens would not. Ends with `work`, whatever came of that; a primary that
/// hangs costs its patience more.
///
/// `primary` needs EXECUTE on `pg_switch_wal()`.
pub fn while_switching<T>(
    primary: &Connection,
    how: &Switching,
    work: impl FnOnce() -> T,
) -> (T, Switched) {
    thread::scope(|scope| {
        let (done, ended) = mpsc::channel();
        let switching = scope.spawn(move || switch(primary, how, &ended));
        // Dropped on a panic too: the thread must not outlive the work.
        let result = {
            let _done = done;
            work()
        };
        (result, switching.join().unwrap_or_default())
    })
}

fn switch(primary: &Connection, how: &Switching, ended: &Receiver<()>) -> Switched {
    let mut switched = Switched::default();
    let goes_on = |pause| ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout);
    let request = |switched: &mut Switched, sql: &str| {
        let answer = primary.simple_within(sql, how.patience);
        let granted = answer.is_ok();
        switched.problem = answer.err().or(switched.problem.take());
        granted
    };
    let mut pause = how.every / 10;
    for _ in 0..how.times {
        if !goes_on(pause) {
            return switched;
        }
        switched.times += u32::from(request(&mut switched, SWITCH));
        pause = how.every;
    }
    if let Some(patience) = how.checkpoint_after
        && goes_on(patience)
    {
        switched.checkpoint = request(&mut switched, "CHECKPOINT");
        switched.times += u32::from(request(&mut switched, SWITCH));
    }
    switched
}

const SWITCH: &str = "SELECT pg_catalog.pg_switch_wal()";
