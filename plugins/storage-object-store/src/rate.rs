//! Keeps transfers below a number of bytes a second.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::Instant};

/// A rate, shared by everything that is to stay below it together.
#[derive(Debug, Clone)]
pub(crate) struct Rate {
    /// `None` is no limit.
    limit: Option<Arc<Limit>>,
}

#[derive(Debug)]
struct Limit {
    bytes_per_second: f64,
    /// When everything that was let through so far is paid for.
    paid: Mutex<Option<Instant>>,
}

impl Rate {
    pub(crate) fn new(bytes_per_second: Option<u64>) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "nobody counts single bytes a second")]
        let limit = bytes_per_second.map(|it| {
            Arc::new(Limit { bytes_per_second: it.max(1) as f64, paid: Mutex::default() })
        });
        Self { limit }
    }

    /// Waits until `bytes` more may pass.
    pub(crate) async fn take(&self, bytes: u64) {
        let Some(limit) = self.limit.as_ref().filter(|_| bytes > 0) else { return };
        #[expect(clippy::cast_precision_loss, reason = "nobody counts single bytes a second")]
        let cost = Duration::from_secs_f64(bytes as f64 / limit.bytes_per_second);
        let begin = {
            let mut paid = limit.paid.lock().await;
            let now = Instant::now();
            let begin = paid.map_or(now, |it| it.max(now));
            *paid = Some(begin + cost);
            begin
        };
        tokio::time::sleep_until(begin).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_stays_below_the_rate() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let rate = Rate::new(Some(1_000_000));
            let begin = Instant::now();
            for _ in 0..5 {
                rate.take(20_000).await;
            }
            // The first one is free, so that small things need not wait.
            assert!(begin.elapsed() >= Duration::from_millis(80));
            let free = Rate::new(None);
            free.take(u64::MAX).await;
        });
    }
}
