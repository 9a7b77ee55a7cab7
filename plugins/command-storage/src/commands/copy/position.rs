//! How far a copy has come, so that one that was interrupted can go on.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    time::{Duration, Instant},
};

use hayloft_plugin_api::{Host, Result};
use serde::{Deserialize, Serialize};

use crate::place::Place;

/// How often it is written down.
const PULSE: Duration = Duration::from_secs(5);

/// What is kept of a copy that is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    from: String,
    to: String,
    /// All objects up to this key of the source are in the target.
    after: String,
}

/// How far a copy is: several objects are under way, and end in any order.
pub(super) struct Position<'a> {
    host: &'a Host,
    kept: Kept,
    /// The key under which it is kept.
    name: String,
    /// Those that have begun, in their order, and whether they are done.
    open: BTreeMap<u64, (String, bool)>,
    /// An object has failed, and is to be tried again.
    failed: bool,
    saved: Instant,
    is_saved: bool,
}

impl<'a> Position<'a> {
    pub(super) fn open(host: &'a Host, from: &Place, to: &Place) -> Self {
        let (from, to) = (from.to_string(), to.to_string());
        let mut hash = DefaultHasher::new();
        (&from, &to).hash(&mut hash);
        let name = format!("copy-{:016x}", hash.finish());
        let same = |it: &Kept| it.from == from && it.to == to;
        let kept = read(host, &name).filter(same);
        let is_saved = kept.is_some();
        let kept = kept.unwrap_or(Kept { from, to, after: String::new() });
        let (open, saved) = (BTreeMap::new(), Instant::now());
        Self { host, kept, name, open, failed: false, saved, is_saved }
    }

    /// Begins anew.
    pub(super) fn forget(&mut self) {
        self.kept.after.clear();
    }

    /// Returns the key behind which to go on.
    pub(super) fn after(&self) -> Option<String> {
        Some(&self.kept.after).filter(|it| !it.is_empty()).cloned()
    }

    pub(super) fn begin(&mut self, number: u64, key: String) {
        if !self.failed {
            self.open.insert(number, (key, false));
        }
    }

    pub(super) fn end(&mut self, number: u64, good: bool) {
        if let Some((_, done)) = self.open.get_mut(&number) {
            *done = good;
        }
        // What failed stays open: what comes behind it is compared again.
        self.failed |= !good;
        while let Some(first) = self.open.first_entry()
            && first.get().1
        {
            self.kept.after = first.remove().0;
        }
        if self.saved.elapsed() > PULSE
            && let Err(error) = self.save()
        {
            tracing::debug!("an interrupted copy would begin anew: {error}");
        }
    }

    /// Writes it down.
    pub(super) fn save(&mut self) -> Result<()> {
        self.saved = Instant::now();
        if self.kept.after.is_empty() {
            return Ok(());
        }
        self.is_saved = true;
        self.host.state().put(&self.name, &serde_json::to_vec(&self.kept)?)
    }

    /// The copy is done.
    pub(super) fn clear(&mut self) {
        if self.is_saved
            && let Err(error) = self.host.state().delete(&self.name)
        {
            tracing::debug!("the next copy would go on where this one has ended: {error}");
        }
    }
}

fn read(host: &Host, name: &str) -> Option<Kept> {
    let bytes = host.state().get(name).unwrap_or_else(|error| {
        tracing::debug!("it is not known whether a copy was interrupted: {error}");
        None
    });
    serde_json::from_slice(&bytes?).ok()
}
