//! How old a file is, in whole days, as Cedar Backup counts.

/// Seconds and nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant {
    /// Whole seconds.
    pub seconds: i64,
    /// The fraction, in nanoseconds.
    pub nanoseconds: u32,
}

/// Which of a file's times its age counts from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AgeRule {
    /// The last change of the content. Reading a backup does not make it
    /// younger.
    #[default]
    Modified,
    /// The later one of the last change and the last access: what Cedar
    /// Backup does.
    Accessed,
}

impl AgeRule {
    /// Returns the moment that the age counts from.
    pub fn moment(self, modified: Instant, accessed: Instant) -> Instant {
        match self {
            Self::Modified => modified,
            Self::Accessed => modified.max(accessed),
        }
    }
}

/// Returns how many whole days of 86400 seconds lie between `then` and `now`;
/// 0 if `then` is in the future.
pub fn in_days(now: Instant, then: Instant) -> u64 {
    let borrow = i64::from(now.nanoseconds < then.nanoseconds);
    let seconds = now.seconds.saturating_sub(then.seconds).saturating_sub(borrow);
    u64::try_from(seconds).unwrap_or(0) / 86_400
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64, nanoseconds: u32) -> Instant {
        Instant { seconds, nanoseconds }
    }

    #[test]
    fn only_whole_days_count_and_the_future_is_today() {
        let now = at(1_000_000, 500);
        let cases = [
            (at(1_000_000, 500), 0),
            (at(1_000_000 - 86_399, 0), 0),
            (at(1_000_000 - 86_400, 500), 1),
            (at(1_000_000 - 86_400, 501), 0),
            (at(1_000_000 - 86_400, 0), 1),
            (at(1_000_000 - 3 * 86_400, 0), 3),
            (at(2_000_000, 0), 0),
            (at(i64::MAX, 0), 0),
            (at(-86_400, 0), 12),
        ];
        for (then, days) in cases {
            assert_eq!(in_days(now, then), days, "{then:?}");
        }
    }

    #[test]
    fn an_access_counts_only_if_asked_for() {
        let (old, new) = (at(1, 0), at(9, 0));
        assert_eq!(AgeRule::Modified.moment(old, new), old);
        assert_eq!(AgeRule::Accessed.moment(old, new), new);
        assert_eq!(AgeRule::Accessed.moment(new, old), new);
    }
}
