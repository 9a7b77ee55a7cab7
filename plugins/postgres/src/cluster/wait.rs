//! Waiting, until something is so, the time is up, or the caller wants an end.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use super::error::ClusterError;

/// How often is looked.
const TICK: Duration = Duration::from_millis(20);

/// How long to wait, and who may end it.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    limit: Duration,
    cancelled: &'a dyn Fn() -> bool,
}

impl std::fmt::Debug for Patience<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Patience").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl<'a> Patience<'a> {
    /// Waits for a time; `cancelled` is asked every few milliseconds.
    pub fn new(limit: Duration, cancelled: &'a dyn Fn() -> bool) -> Self {
        Self { limit, cancelled }
    }

    /// Waits for a time, whatever happens.
    pub fn of(limit: Duration) -> Self {
        Self { limit, cancelled: &|| false }
    }

    /// The same, with no more than this time.
    pub(super) fn at_most(&self, limit: Duration) -> Self {
        Self { limit: self.limit.min(limit), ..*self }
    }

    /// Returns the time.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    pub(super) fn is_cancelled(&self) -> bool {
        (self.cancelled)()
    }

    /// Looks until `look` returns something. `what` says what does not happen
    /// if the time runs out ("the server did not start"), `doing` what was
    /// going on; `look` leaves what it saw last in its argument.
    pub(super) fn until<T>(
        &self,
        (what, doing): (&str, &str),
        mut look: impl FnMut(&mut String) -> Result<Option<T>, ClusterError>,
    ) -> Result<T, ClusterError> {
        let began = Instant::now();
        let mut last = String::new();
        loop {
            if let Some(found) = look(&mut last)? {
                return Ok(found);
            }
            if self.is_cancelled() {
                return Err(ClusterError::Cancelled { what: doing.to_owned() });
            }
            if began.elapsed() >= self.limit {
                return Err(ClusterError::TimedOut {
                    what: what.to_owned(),
                    limit: self.limit,
                    last,
                });
            }
            sleep(TICK);
        }
    }
}
