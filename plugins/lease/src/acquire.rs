//! Getting a lease.

use std::{
    sync::Arc,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hayloft_plugin_api::{Capabilities, ErrorKind, Guarantee, StorageHandle};

use crate::{
    clock::Moment,
    error::LeaseError,
    held::Lease,
    object::{Object, Seen, Written},
    record::Record,
};

/// How often somebody who waits looks whether the work is to end.
const PULSE: Duration = Duration::from_millis(50);

/// How a lease is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// How long it lasts when it is not renewed: as long as others wait for a
    /// holder that has died. Renewals must succeed more often than that, so
    /// not less than a few seconds over a network.
    pub ttl: Duration,
    /// How long to wait for a holder that is alive. Whether it is shows when
    /// it renews the lease, so an answer takes a quarter of the holder's `ttl`
    /// even if this is nothing; and one that is dead is waited for in any
    /// case, once its `ttl`.
    pub patience: Duration,
    /// What others are told of who has the lease.
    pub holder: String,
    /// Whether a holder that is called as we are is known to be gone, so that
    /// its lease need not run out: the caller sees to it, by a lock, that there
    /// is one of that name at a time, wherever the storage is used from.
    pub heir: bool,
}

impl Default for Terms {
    /// A minute, no patience, and a holder called by its machine and process.
    fn default() -> Self {
        let uname = rustix::system::uname();
        let machine = uname.nodename().to_string_lossy();
        let holder = format!("process {} on {machine}", std::process::id());
        Self { ttl: Duration::from_mins(1), patience: Duration::ZERO, holder, heir: false }
    }
}

/// Gets the lease whose object is `key`. It is renewed until it is released or
/// dropped. `cancelled` is asked often whether to give up.
///
/// # Errors
///
/// [`ErrorKind::TRANSIENT`], naming the holder, when patience has run out;
/// [`ErrorKind::UNSUPPORTED`] if the storage cannot hold a lease;
/// [`ErrorKind::CANCELLED`]; and the storage's own.
pub fn acquire(
    storage: Arc<StorageHandle>,
    key: &str,
    terms: &Terms,
    cancelled: &dyn Fn() -> bool,
) -> hayloft_plugin_api::Result<Lease> {
    let object = Object { storage, key: key.to_owned() };
    contend(object, terms, cancelled).map_err(LeaseError::into_error)
}

fn contend(
    object: Object,
    terms: &Terms,
    cancelled: &dyn Fn() -> bool,
) -> Result<Lease, LeaseError> {
    let known = object.storage.capabilities().map_err(|e| object.failed("ask about", e))?;
    claimed(&object, &known)?;
    let mut contender = Contender {
        object,
        terms,
        cancelled,
        since: Moment::now(),
        watched: None,
        is_alive: false,
    };
    loop {
        let won = contender.attempt()?;
        if let Some((etag, record, sent)) = won
            && let Some(lease) = contender.prove(&etag, record, sent)?
        {
            return Ok(lease);
        }
        contender.pause()?;
    }
}

/// Refuses a storage that says itself that it is no place for a lease.
fn claimed(object: &Object, known: &Capabilities) -> Result<(), LeaseError> {
    for (what, guarantee) in [("creates", known.create), ("replaces", known.replace)] {
        if guarantee != Guarantee::Atomic {
            let why = match guarantee {
                Guarantee::Checked => format!("two that ask at once may both get what it {what}"),
                _ => format!("it does not promise what it {what} on a condition"),
            };
            return Err(LeaseError::Untrusted { key: object.key.clone(), why });
        }
    }
    Ok(())
}

/// What was seen, and when first. Only what is seen again counts.
#[derive(Debug)]
struct Watched {
    seen: Seen,
    since: Moment,
}

struct Contender<'a> {
    object: Object,
    terms: &'a Terms,
    cancelled: &'a dyn Fn() -> bool,
    since: Moment,
    watched: Option<Watched>,
    /// Whether the holder has renewed the lease while we looked.
    is_alive: bool,
}

impl Contender<'_> {
    /// Looks, and takes the lease if nobody has it: returns the etag, what is
    /// written, and the moment before it was.
    fn attempt(&mut self) -> Result<Option<(String, Record, Moment)>, LeaseError> {
        let terms = self.terms;
        let before = match self.watch()? {
            None => None,
            Some(Watched { seen, .. })
                if seen.record.released || (terms.heir && seen.record.holder == terms.holder) =>
            {
                Some(seen.clone())
            }
            // It lasts from a moment before we saw it first; and clocks do not
            // all run equally fast.
            Some(Watched { seen, since }) => {
                let ttl = seen.record.ttl();
                if since.at_least() <= ttl + ttl / 10 {
                    return self.held();
                }
                tracing::info!("{} is gone, whose lease it was", seen.record.holder);
                Some(seen.clone())
            }
        };
        let term = before.as_ref().map_or_else(first_term, |it| it.record.term + 1);
        let record = Record::new(&self.terms.holder, term, self.terms.ttl);
        let sent = Moment::now();
        match self.object.write(before.as_ref().map(|it| it.etag.as_str()), &record)? {
            Written::Ours(etag) => Ok(Some((etag, record, sent))),
            Written::Earlier(_) | Written::Theirs => Ok(None),
        }
    }

    /// Looks at the lease; what is as it was keeps the moment at which it was
    /// seen first.
    fn watch(&mut self) -> Result<Option<&Watched>, LeaseError> {
        if let Some(watched) = &self.watched
            && self.object.etag()?.as_ref() == Some(&watched.seen.etag)
        {
            return Ok(self.watched.as_ref());
        }
        let seen = self.object.look()?;
        if let (Some(_), Some(new)) = (&self.watched, &seen) {
            self.is_alive = !new.record.released;
        }
        // After the answer: the moment of the renewal was before it.
        self.watched = seen.map(|seen| Watched { seen, since: Moment::now() });
        Ok(self.watched.as_ref())
    }

    fn held<T>(&self) -> Result<Option<T>, LeaseError> {
        let holder = self.watched.as_ref().map(|it| it.seen.record.holder.clone());
        if self.is_alive && self.since.at_least() >= self.terms.patience {
            let key = self.object.key.clone();
            return Err(LeaseError::Held { key, holder: holder.unwrap_or_default() });
        }
        Ok(None)
    }

    /// Waits for a part of the time after which something may have changed.
    fn pause(&self) -> Result<(), LeaseError> {
        let ttl = self.watched.as_ref().map_or(Duration::ZERO, |it| it.seen.record.ttl());
        let until = (ttl / 16).clamp(Duration::from_millis(20), Duration::from_secs(1));
        let since = Moment::now();
        while since.at_least() < until {
            if (self.cancelled)() {
                return Err(LeaseError::Cancelled { key: self.object.key.clone() });
            }
            thread::sleep(PULSE.min(until));
        }
        Ok(())
    }

    /// Finds out whether the storage keeps its word, with requests that must
    /// fail, and begins to renew. A storage that ignores conditions lets them
    /// succeed, for us and for everybody else who thinks to have the lease: then
    /// none of us goes on. Nothing is returned if somebody else has the lease
    /// after all.
    fn prove(
        &self,
        first: &str,
        record: Record,
        sent: Moment,
    ) -> Result<Option<Lease>, LeaseError> {
        let lease = Lease::begin(self.object.clone(), first.to_owned(), record, sent);
        match lease.renew() {
            Ok(()) => {}
            Err(LeaseError::Lost { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
        let again = lease.record();
        // What they would overwrite is what they write.
        let created = self.object.try_write(None, &again).map(drop);
        self.refused("creates", created, ErrorKind::ALREADY_EXISTS)?;
        let replaced = self.object.try_write(Some(first), &again).map(drop);
        self.refused("replaces", replaced, ErrorKind::CHANGED)?;
        lease.keep()?;
        Ok(Some(lease))
    }

    fn refused(
        &self,
        what: &str,
        answer: hayloft_plugin_api::Result<()>,
        expected: ErrorKind,
    ) -> Result<(), LeaseError> {
        match answer {
            Err(error) if error.kind() == expected => Ok(()),
            Err(error) => Err(self.object.failed("try", error)),
            Ok(()) => Err(LeaseError::Untrusted {
                key: self.object.key.clone(),
                why: format!("it accepts a condition, and {what} all the same"),
            }),
        }
    }
}

/// The term of a lease that was never had. One whose object somebody has
/// removed must not begin where others were already.
fn first_term() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(1)
}
