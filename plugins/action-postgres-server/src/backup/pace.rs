//! How fast a backup reads, and how far it is.

use std::{
    thread,
    time::{Duration, Instant},
};

use hayloft_plugin_api::{Host, Progress};

use crate::manifest::File;

/// How fast it goes, and how far it is.
pub(super) struct Pace {
    most: Option<u64>,
    total: u64,
    done: u64,
    began: Instant,
}

impl Pace {
    /// Begins; `most` is how many bytes a second are read at most, `total` how
    /// many there are, about.
    pub(super) fn new(most: Option<u64>, total: u64) -> Self {
        Self { most, total, done: 0, began: Instant::now() }
    }

    /// Waits until it is time for so many bytes more.
    #[expect(clippy::cast_precision_loss, reason = "a wait need not be exact")]
    pub(super) fn go(&mut self, host: &Host, file: &File, bytes: u64) {
        self.done += bytes;
        let total = self.total.max(self.done);
        let what = file.path.path().to_string_lossy();
        host.progress(Progress { what: &what, done: self.done, total });
        let Some(most) = self.most else { return };
        let due = Duration::from_secs_f64(self.done as f64 / most as f64);
        while self.began.elapsed() < due && !host.cancelled() {
            thread::sleep(due.saturating_sub(self.began.elapsed()).min(Duration::from_millis(100)));
        }
    }
}
