//! How long to wait before the next attempt.

use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_secs(1);
/// The longest one.
const LONGEST: Duration = Duration::from_mins(1);

/// Waits that double, from one second to one minute, each up to a fifth
/// longer or shorter: receivers that lost the same server do not come back all
/// at once.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BackOff {
    failures: u32,
}

impl BackOff {
    /// Returns how often it failed in a row.
    pub(super) fn failures(self) -> u32 {
        self.failures
    }

    /// It went well.
    pub(super) fn succeed(&mut self) {
        self.failures = 0;
    }

    /// It failed once more; `chance` is from 0 to 1.
    pub(super) fn fail(&mut self, chance: f64) -> Duration {
        let wait = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        wait.mul_f64(0.8 + 0.4 * chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute_and_begin_again_after_a_success() {
        let mut back_off = BackOff::default();
        let waits: Vec<u64> = (0..9).map(|_| back_off.fail(0.5).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(back_off.failures(), 9);
        back_off.succeed();
        assert_eq!(back_off.fail(0.0), Duration::from_millis(800));
        assert_eq!(back_off.fail(1.0), Duration::from_millis(2400));
        back_off.failures = u32::MAX;
        assert_eq!(back_off.fail(0.5), LONGEST);
    }
}
