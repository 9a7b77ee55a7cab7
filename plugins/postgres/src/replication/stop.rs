//! A request to stop that reaches whoever waits.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;

/// Set once, for good.
#[derive(Debug, Clone, Default)]
pub(super) struct Stop(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    set: AtomicBool,
    told: Notify,
}

impl Stop {
    pub(super) fn set(&self) {
        self.0.set.store(true, Ordering::Release);
        self.0.told.notify_waiters();
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.set.load(Ordering::Acquire)
    }

    /// Returns as soon as it is set.
    pub(super) async fn wait(&self) {
        let told = self.0.told.notified();
        let mut told = std::pin::pin!(told);
        // First listen, then look: otherwise it may be set in between.
        told.as_mut().enable();
        if !self.is_set() {
            told.await;
        }
    }
}
