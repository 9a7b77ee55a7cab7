//! Times on this machine.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment, by the clock that also runs while the machine sleeps, and by the
/// one that people set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    boot: Duration,
    real: Duration,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self { boot: read(ClockId::Boottime), real: read(ClockId::Realtime) }
    }

    /// Returns how long ago it was, for somebody who must not think too late
    /// that it is long ago.
    pub(crate) fn at_least(self) -> Duration {
        Self::now().boot.saturating_sub(self.boot)
    }

    /// Returns how long ago it was, for somebody who must not think that it
    /// was a short time ago: a virtual machine that was stopped learns of it
    /// when its wall clock is put right, if at all.
    pub(crate) fn at_most(self) -> Duration {
        let now = Self::now();
        now.boot.saturating_sub(self.boot).max(now.real.saturating_sub(self.real))
    }
}

fn read(clock: ClockId) -> Duration {
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}
