//! How much was read, and not more of it in a second than is wanted.

use std::{
    io::{self, Read},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

/// So long nobody sleeps at a time, so that a wish to end is noticed.
const NAP: Duration = Duration::from_millis(200);

/// Counts the bytes that are read from storages, by any number of threads,
/// and slows them down.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Bytes in a second.
    limit: Option<u64>,
    begun: Instant,
    done: AtomicU64,
}

impl Pace {
    /// Begins to count.
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self { limit, begun: Instant::now(), done: AtomicU64::new(0) }
    }

    /// Returns how many bytes were read.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Counts what is read from there.
    pub(crate) fn reader<R: Read>(&self, inner: R) -> Paced<'_, R> {
        Paced { pace: self, inner }
    }

    fn spend(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        while let Some(wait) = self.ahead(done, self.begun.elapsed()) {
            thread::sleep(wait.min(NAP));
        }
    }

    /// How long to wait, if so many bytes came in that time.
    fn ahead(&self, done: u64, elapsed: Duration) -> Option<Duration> {
        let limit = self.limit.filter(|it| *it > 0)?;
        let millis = done.saturating_mul(1000) / limit;
        Duration::from_millis(millis).checked_sub(elapsed).filter(|it| !it.is_zero())
    }
}

/// A reader that is counted.
#[derive(Debug)]
pub(crate) struct Paced<'a, R> {
    pace: &'a Pace,
    inner: R,
}

impl<R: Read> Read for Paced<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.pace.spend(read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_too_fast_waits() {
        let cases = [
            (None, 1 << 40, 0, None),
            (Some(1000), 1000, 0, Some(1000)),
            (Some(1000), 1000, 400, Some(600)),
            (Some(1000), 1000, 1000, None),
            (Some(0), 1000, 0, None),
        ];
        for (limit, done, elapsed, expected) in cases {
            let wait = Pace::new(limit).ahead(done, Duration::from_millis(elapsed));
            assert_eq!(wait, expected.map(Duration::from_millis), "{limit:?} {done} {elapsed}");
        }
        let pace = Pace::new(Some(1 << 20));
        let began = Instant::now();
        io::copy(&mut pace.reader(io::repeat(0).take(100 << 10)), &mut io::sink()).unwrap();
        assert!(began.elapsed() >= Duration::from_millis(90));
        assert_eq!(pace.done(), 100 << 10);
    }
}
