//! Tries again what may work a moment later.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::atomic::{AtomicBool, Ordering},
    thread::sleep,
    time::{Duration, Instant},
};

use hayloft_plugin_api::{Error, Host, Result};

/// How often it is looked whether the action was cancelled.
const PULSE: Duration = Duration::from_millis(50);

/// How long something is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How often it is tried in all.
    pub tries: u32,
    /// The first pause; each further one is twice as long.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Patience {
    /// For a connection that was refused: three times within two seconds.
    pub const SHORT: Self =
        Self { tries: 3, first: Duration::from_millis(400), longest: Duration::from_secs(1) };
    /// For a server that says that it is on its way up, or full: some two
    /// minutes.
    pub const LONG: Self =
        Self { tries: 10, first: Duration::from_secs(1), longest: Duration::from_secs(20) };

    /// Returns the pause after the `tried`-th time: between half of it and
    /// the whole, so that many that failed together do not come together.
    fn pause(&self, tried: u32, random: u64) -> Duration {
        let whole = self.first.saturating_mul(1 << tried.saturating_sub(1).min(16));
        let whole = whole.min(self.longest);
        let part = u32::try_from(random % 1024).unwrap_or(0);
        whole / 2 + whole / 2 * part / 1024
    }
}

/// Tries again, for the dumps of one run together: once something was in
/// vain until the end, nothing else waits.
#[derive(Debug, Default)]
pub struct Retry {
    in_vain: AtomicBool,
}

impl Retry {
    /// Calls `attempt` until it succeeds, or fails with something for which
    /// `patience` has none or no longer any.
    ///
    /// # Errors
    ///
    /// The last one, with the number of tries; and
    /// [`ErrorKind::CANCELLED`](hayloft_plugin_api::ErrorKind::CANCELLED).
    pub fn run<T>(
        &self,
        host: &Host,
        patience: impl Fn(&Error) -> Option<Patience>,
        mut attempt: impl FnMut() -> Result<T>,
    ) -> Result<T> {
        let mut tried = 0;
        loop {
            let error = match attempt() {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            tried += 1;
            let Some(patience) = patience(&error) else { return Err(error) };
            if tried >= patience.tries {
                self.in_vain.store(true, Ordering::Relaxed);
                return Err(error.context(format!("tried {tried} times")));
            }
            if self.in_vain.load(Ordering::Relaxed) {
                return Err(error);
            }
            let pause = patience.pause(tried, RandomState::new().build_hasher().finish());
            tracing::info!("trying again in {:.1} s: {error}", pause.as_secs_f64());
            wait(host, pause)?;
        }
    }
}

fn wait(host: &Host, pause: Duration) -> Result<()> {
    let began = Instant::now();
    loop {
        host.check_cancelled()?;
        let left = pause.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        sleep(left.min(PULSE));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use hayloft_plugin_api::{ErrorKind, conformance::TestHost};

    use super::*;

    const QUICK: Patience =
        Patience { tries: 3, first: Duration::from_millis(1), longest: Duration::from_millis(2) };

    fn transient(error: &Error) -> Option<Patience> {
        error.is_transient().then_some(QUICK)
    }

    #[test]
    fn what_may_pass_is_tried_again_and_what_may_not_is_not() {
        let test = TestHost::new().unwrap();
        let cases = [
            // fails so often, with what, calls, ends well
            (0, ErrorKind::TRANSIENT, 1, true),
            (2, ErrorKind::TRANSIENT, 3, true),
            (9, ErrorKind::TRANSIENT, 3, false),
            (9, ErrorKind::PERMISSION, 1, false),
        ];
        for (failures, kind, calls, well) in cases {
            let called = Cell::new(0);
            let done = Retry::default().run(&test.host(), transient, || {
                called.set(called.get() + 1);
                if called.get() > failures { Ok(()) } else { Err(Error::new(kind, "no")) }
            });
            assert_eq!((called.get(), done.is_ok()), (calls, well), "{failures} {kind:?}");
        }
    }

    #[test]
    fn the_number_of_tries_is_told_and_nobody_waits_after_that() {
        let test = TestHost::new().unwrap();
        let retry = Retry::default();
        let fail = || Err::<(), _>(Error::new(ErrorKind::TRANSIENT, "refused"));
        let error = retry.run(&test.host(), transient, fail).unwrap_err();
        assert_eq!(error.to_string(), "tried 3 times: refused");
        assert_eq!(error.kind(), ErrorKind::TRANSIENT);
        let error = retry.run(&test.host(), transient, fail).unwrap_err();
        assert_eq!(error.to_string(), "refused");
    }

    #[test]
    fn a_wait_ends_when_the_action_is_cancelled() {
        let test = TestHost::new().unwrap();
        test.cancel();
        let long = |_: &Error| Some(Patience { first: Duration::from_mins(1), ..Patience::LONG });
        let fail = || Err::<(), _>(Error::new(ErrorKind::TRANSIENT, "refused"));
        let error = Retry::default().run(&test.host(), long, fail).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CANCELLED);
    }

    #[test]
    fn pauses_grow_to_a_limit_and_differ() {
        let it =
            Patience { tries: 9, first: Duration::from_secs(1), longest: Duration::from_secs(8) };
        let longest: Vec<_> = (1..6).map(|at| it.pause(at, 1023).as_secs_f32().ceil()).collect();
        assert_eq!(longest, [1.0, 2.0, 4.0, 8.0, 8.0]);
        assert_eq!(it.pause(1, 0), Duration::from_millis(500));
        assert_eq!(it.pause(100, 0), Duration::from_secs(4));
    }
}
