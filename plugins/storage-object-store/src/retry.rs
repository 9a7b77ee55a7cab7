//! Asks again, a few times, and never in step with others.

use std::time::Duration;

use rand::RngExt;

use crate::failure::Failure;

/// How often and how patiently.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// How often to ask again.
    pub(crate) retries: u32,
    /// The longest pause before the first time; it doubles each time.
    pub(crate) first: Duration,
    /// The longest pause of all.
    pub(crate) longest: Duration,
}

impl Patience {
    pub(crate) fn new(retries: u32) -> Self {
        Self { retries, first: Duration::from_millis(200), longest: Duration::from_secs(20) }
    }

    /// Begins to try.
    pub(crate) fn begin(&self) -> Tries<'_> {
        Tries { patience: self, made: 0, renewed: false }
    }
}

/// The tries at one thing.
#[derive(Debug)]
pub(crate) struct Tries<'a> {
    patience: &'a Patience,
    made: u32,
    renewed: bool,
}

impl Tries<'_> {
    /// Tells whether this is the first time that keys are to be read again.
    pub(crate) fn renews(&mut self) -> bool {
        !std::mem::replace(&mut self.renewed, true)
    }

    /// Waits before the next try, or gives the failure back if there is none.
    pub(crate) async fn again(&mut self, failure: Failure) -> Result<(), Failure> {
        if !failure.is_transient() {
            return Err(failure);
        }
        if self.made >= self.patience.retries {
            return Err(exhausted(failure, self.made + 1));
        }
        let asked = match &failure {
            Failure::Busy(refusal) => refusal.wait,
            _ => None,
        };
        let ceiling = self.patience.first.saturating_mul(1 << self.made.min(16));
        let pause = ceiling.min(self.patience.longest).mul_f64(rand::rng().random_range(0.0..1.0));
        let pause = asked.map_or(pause, |it| it.min(self.patience.longest).max(pause));
        self.made += 1;
        tracing::debug!(retry = self.made, ?pause, "{failure}");
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// Adds the number of tries, if it was more than one.
fn exhausted(failure: Failure, tries: u32) -> Failure {
    if tries < 2 {
        return failure;
    }
    let text = |it: String| format!("{it} (tried {tries} times)");
    match failure {
        Failure::Busy(mut it) => {
            it.message = text(it.message);
            Failure::Busy(it)
        }
        Failure::Broken(it) => Failure::Broken(text(it)),
        Failure::Unreachable(it) => Failure::Unreachable(text(it)),
        Failure::Damaged(it) => Failure::Damaged(text(it)),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Refusal;

    fn tries(patience: Patience, make: impl Fn() -> Failure) -> (u32, String) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut tries = patience.begin();
            let mut count = 0;
            loop {
                count += 1;
                if let Err(failure) = tries.again(make()).await {
                    return (count, failure.to_string());
                }
            }
        })
    }

    #[test]
    fn only_what_may_pass_is_tried_again_and_not_for_ever() {
        let quick = |retries| Patience {
            first: Duration::from_millis(1),
            longest: Duration::from_millis(2),
            ..Patience::new(retries)
        };
        let broken = || Failure::Broken("the connection broke".to_owned());
        let expected = "the connection broke (tried 4 times)".to_owned();
        assert_eq!(tries(quick(3), broken), (4, expected));
        assert_eq!(tries(quick(0), broken), (1, "the connection broke".to_owned()));
        let refused = || Failure::Refused(Refusal { status: 403, ..Refusal::default() });
        assert_eq!(tries(quick(3), refused).0, 1);
        assert_eq!(tries(quick(3), || Failure::Absent).0, 1);
    }

    #[test]
    fn the_store_may_ask_for_more_time_but_not_for_all_of_it() {
        let patience = Patience { longest: Duration::from_millis(50), ..Patience::new(1) };
        let begin = std::time::Instant::now();
        tries(patience, || {
            let wait = Some(Duration::from_hours(1));
            Failure::Busy(Refusal { status: 503, wait, ..Refusal::default() })
        });
        assert!(begin.elapsed() >= Duration::from_millis(50));
        assert!(begin.elapsed() < Duration::from_mins(10));
    }
}
