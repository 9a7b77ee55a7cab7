//! Ends everything that a worker has started.

use rustix::process::Signal;

use crate::processes::Family;

/// Kills every process of a session.
///
/// A worker leads a session of its own, so this reaches programs that it
/// started in other process groups too. A process may appear while we look;
/// looking again until there is none catches it.
pub(super) fn kill(leader: u32) {
    const MOST_ROUNDS: usize = 20;
    for _ in 0..MOST_ROUNDS {
        let family = Family::of_session(leader);
        if family.is_empty() {
            return;
        }
        family.signal(Signal::KILL);
    }
}

/// Asks every process of a session to end but its leader.
pub(super) fn terminate_others(leader: u32) {
    Family::of_session(leader).without(leader).signal(Signal::TERM);
}
