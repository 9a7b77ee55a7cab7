//! Watches a session that work depends on.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{task::JoinHandle, time};

use super::session::Connection;

/// Tells that the session is lost. It can be cloned, and asked from any
/// thread.
#[derive(Debug, Clone, Default)]
pub struct Lost {
    lost: Arc<AtomicBool>,
    reason: Arc<Mutex<Option<String>>>,
}

impl Lost {
    /// Tells whether it is lost. As cheap as reading a variable.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Returns why, if it is.
    pub fn reason(&self) -> Option<String> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, reason: String) {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
        self.lost.store(true, Ordering::Release);
    }
}

/// How a session is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// How often it is asked whether it lives.
    pub interval: Duration,
    /// How long it may take to answer. A server that is busy, or whose machine
    /// swaps, answers late and is not dead: this is generous, and whoever
    /// would rather know early lowers it.
    pub patience: Duration,
}

impl Default for Heartbeat {
    /// Every 5 s; 2 minutes.
    fn default() -> Self {
        Self { interval: Duration::from_secs(5), patience: Duration::from_mins(2) }
    }
}

/// Watches a session until it is dropped: a backup belongs to its session,
/// and is void without it.
///
/// | what happens | noticed |
/// |---|---|
/// | the server ends, the session is terminated, the connection is reset | at once |
/// | the machine or the network is gone: nothing acknowledges what we send | after `tcp_user_timeout` or the keepalives of the connection string |
/// | the server says nothing any more, though its machine does | after the interval and the patience |
/// | a query takes long | never: the question stands behind it, and a long query is not a dead session |
pub struct Guard {
    lost: Lost,
    task: JoinHandle<()>,
}

impl Connection {
    /// Watches this session. `on_loss` is called once when it is lost, from a
    /// thread of this crate: it must be quick, and must not wait.
    pub fn guard(
        self: &Arc<Self>,
        beat: Heartbeat,
        on_loss: impl FnOnce(&str) + Send + 'static,
    ) -> Guard {
        let lost = Lost::default();
        let tell = lost.clone();
        let connection = Arc::downgrade(self);
        let mut ended = self.end_watch();
        let task = self.runtime().spawn(async move {
            let interval = beat.interval.max(Duration::from_millis(10));
            let reason = loop {
                tokio::select! {
                    gone = ended.wait_for(Option::is_some) => {
                        let reason = gone.ok().and_then(|it| it.clone());
                        break reason.unwrap_or_else(|| "it was closed".to_owned());
                    }
                    () = time::sleep(interval) => {}
                }
                let Some(connection) = connection.upgrade() else { return };
                if connection.is_busy() {
                    continue;
                }
                let asked = connection.client().simple_query("");
                if time::timeout(beat.patience, asked).await.is_err() {
                    if connection.is_busy() {
                        continue;
                    }
                    break format!(
                        "the server did not answer within {} s",
                        super::error::seconds(beat.patience)
                    );
                }
            };
            tell.set(reason.clone());
            on_loss(&reason);
        });
        Guard { lost, task }
    }
}

impl Guard {
    /// Returns what tells that the session is lost.
    pub fn lost(&self) -> Lost {
        self.lost.clone()
    }

    /// Fails if the session is lost.
    ///
    /// # Errors
    ///
    /// [`QueryError::Lost`](super::QueryError::Lost) with the reason.
    pub fn check(&self) -> Result<(), super::QueryError> {
        if !self.lost.is_lost() {
            return Ok(());
        }
        Err(super::QueryError::Lost(self.lost.reason().unwrap_or_default()))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("lost", &self.lost).finish_non_exhaustive()
    }
}
