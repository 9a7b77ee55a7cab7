//! A lease that we have.

use std::{
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{
    clock::Moment,
    error::LeaseError,
    object::{Object, Written},
    record::Record,
};

/// A lease that this process has. It is renewed by a thread of its own, and
/// released when it is dropped.
pub struct Lease {
    shared: Arc<Shared>,
    heart: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    object: Object,
    ttl: Duration,
    /// Held while the storage is asked.
    written: Mutex<Last>,
    /// Never held for long.
    state: Mutex<State>,
    /// Wakes the thread that renews.
    ending: Condvar,
}

/// What we have written last.
struct Last {
    /// The etag of what is there.
    etag: String,
    /// What was tried last, whether that is known to be there or not: each
    /// attempt has a number of its own.
    record: Record,
}

struct State {
    /// The moment before the last renewal that succeeded.
    renewed: Moment,
    /// Why it is not ours any more. It never will be again.
    lost: Option<String>,
    /// Whether it needs not be renewed any more.
    ends: bool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lease {
    pub(crate) fn begin(object: Object, etag: String, record: Record, sent: Moment) -> Self {
        let shared = Shared {
            object,
            ttl: record.ttl(),
            written: Mutex::new(Last { etag, record }),
            state: Mutex::new(State { renewed: sent, lost: None, ends: false }),
            ending: Condvar::new(),
        };
        Self { shared: Arc::new(shared), heart: Mutex::new(None) }
    }

    /// Starts the thread that renews.
    pub(crate) fn keep(&self) -> Result<(), LeaseError> {
        let shared = Arc::clone(&self.shared);
        let started = thread::Builder::new().name("lease".to_owned()).spawn(move || shared.beat());
        let heart = started.map_err(|e| self.shared.object.failed("keep", e.into()))?;
        *locked(&self.heart) = Some(heart);
        Ok(())
    }

    /// Returns what is written in the object.
    pub(crate) fn record(&self) -> Record {
        locked(&self.shared.written).record.clone()
    }

    /// Renews it now.
    pub(crate) fn renew(&self) -> Result<(), LeaseError> {
        self.shared.renew(&mut locked(&self.shared.written))
    }

    /// Returns a number that is greater than that of everybody who had the
    /// lease before. What is stored with it tells who was late.
    pub fn term(&self) -> u64 {
        self.record().term
    }

    /// Makes sure that the lease is still ours, and will be for a tenth of its
    /// time; to be asked before each step that cannot be taken back. It asks
    /// the storage only if the lease was not renewed for too long.
    ///
    /// # Errors
    ///
    /// [`CHANGED`](hayloft_plugin_api::ErrorKind::CHANGED) if somebody else has it or may have it, and the
    /// storage's own if it cannot be told.
    pub fn check(&self) -> hayloft_plugin_api::Result<()> {
        self.check_for(self.shared.ttl / 10)
    }

    /// As [`Lease::check`], for a step that takes up to `needed`.
    ///
    /// # Errors
    ///
    /// As [`Lease::check`]; also if the lease does not last that long at all.
    pub fn check_for(&self, needed: Duration) -> hayloft_plugin_api::Result<()> {
        self.try_check(needed).map_err(LeaseError::into_error)
    }

    fn try_check(&self, needed: Duration) -> Result<(), LeaseError> {
        if self.shared.is_ours_for(needed)? {
            return Ok(());
        }
        let mut written = locked(&self.shared.written);
        // Perhaps the other thread was renewing it just then.
        if !self.shared.is_ours_for(needed)? {
            self.shared.renew(&mut written)?;
        }
        if self.shared.is_ours_for(needed)? {
            return Ok(());
        }
        let why = format!("a renewal takes so long that {needed:?} are not left");
        Err(self.shared.lost(why))
    }

    /// Gives the lease back: the next one need not wait.
    ///
    /// # Errors
    ///
    /// If it was not ours any more, or the storage fails; others get the lease
    /// after its time in any case.
    pub fn release(self) -> hayloft_plugin_api::Result<()> {
        self.end().map_err(LeaseError::into_error)
    }

    fn end(&self) -> Result<(), LeaseError> {
        {
            let mut state = locked(&self.shared.state);
            if std::mem::replace(&mut state.ends, true) {
                return Ok(());
            }
            self.shared.ending.notify_all();
        }
        if let Some(heart) = locked(&self.heart).take() {
            // It does not panic; and if it did, the lease ends all the same.
            drop(heart.join());
        }
        self.shared.give_back()
    }
}

impl Shared {
    /// Tells whether it is ours for that long without asking the storage.
    fn is_ours_for(&self, needed: Duration) -> Result<bool, LeaseError> {
        let state = locked(&self.state);
        match &state.lost {
            Some(why) => Err(self.lost(why.clone())),
            None => Ok(state.renewed.at_most() + needed < self.ttl),
        }
    }

    fn lost(&self, why: String) -> LeaseError {
        LeaseError::Lost { key: self.object.key.clone(), why }
    }

    fn renew(&self, last: &mut Last) -> Result<(), LeaseError> {
        if let Some(why) = locked(&self.state).lost.clone() {
            return Err(self.lost(why));
        }
        let (written, sent) = self.write(last, |it| it)?;
        if written {
            locked(&self.state).renewed = sent;
            return Ok(());
        }
        let why = self.taken();
        locked(&self.state).lost = Some(why.clone());
        Err(self.lost(why))
    }

    /// Writes the next record; tells whether it is still our lease, and the
    /// moment before it was written.
    fn write(
        &self,
        last: &mut Last,
        change: impl Fn(Record) -> Record,
    ) -> Result<(bool, Moment), LeaseError> {
        loop {
            last.record = change(last.record.next());
            let sent = Moment::now();
            match self.object.write(Some(&last.etag), &last.record)? {
                Written::Ours(etag) => {
                    last.etag = etag;
                    return Ok((true, sent));
                }
                // Others count from the moment at which that came to be, which
                // we do not know: it is written once more.
                Written::Earlier(etag) if etag != last.etag => last.etag = etag,
                Written::Earlier(_) | Written::Theirs => return Ok((false, sent)),
            }
        }
    }

    /// Says who has it instead of us.
    fn taken(&self) -> String {
        match self.object.look() {
            Ok(Some(seen)) => format!("{} has it now", seen.record.holder),
            Ok(None) => "somebody has removed it".to_owned(),
            Err(error) => format!("somebody else has it ({error})"),
        }
    }

    /// Renews it, as often as needed and more often when that fails, until it
    /// is given back or lost.
    fn beat(&self) {
        let mut pause = self.ttl / 4;
        loop {
            let state = locked(&self.state);
            let waited = self.ending.wait_timeout_while(state, pause, |it| !it.ends);
            let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if state.ends {
                return;
            }
            drop(state);
            pause = match self.renew(&mut locked(&self.written)) {
                Ok(()) => self.ttl / 4,
                Err(error @ LeaseError::Lost { .. }) => {
                    tracing::warn!("{error}");
                    return;
                }
                Err(error) => {
                    tracing::warn!("cannot renew the lease {}: {error}", self.object.key);
                    self.ttl / 16
                }
            };
        }
    }

    fn give_back(&self) -> Result<(), LeaseError> {
        let mut last = locked(&self.written);
        if let Some(why) = locked(&self.state).lost.clone() {
            return Err(self.lost(why));
        }
        let (given, _) = self.write(&mut last, Record::given_back)?;
        locked(&self.state).lost = Some("it was given back".to_owned());
        if given { Ok(()) } else { Err(self.lost(self.taken())) }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::debug!("{error}");
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("key", &self.shared.object.key).finish_non_exhaustive()
    }
}
