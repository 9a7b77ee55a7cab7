//! What an item's earlier backups mean for the next one.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
};

use hayloft_dump::read_small;
use hayloft_plugin_api::{Host, Result};
use jiff::tz::TimeZone;

use crate::{
    cedar_state,
    choice::{Before, Counts},
    extract::Extract,
    items::{Due, Item, Mode},
    state::{Known, State},
};

/// Cedar Backup's state is some hundred bytes long.
const LONGEST: u64 = 4096;
/// Nobody backs up a mailbox more often on a day without knowing of it.
const MOST_PARTS: u32 = 1000;

/// What is known of an item's earlier backups.
#[derive(Debug)]
pub(crate) struct Memory {
    path: PathBuf,
    remembers: bool,
    /// The file to make, without the compressor's suffix.
    pub file: String,
    /// Whether what an earlier run of today put into that file, if it is
    /// there, must be in the new one too.
    pub adds: bool,
    /// Whether [`Known::today`] is what is in that file.
    same_file: bool,
    old: Option<State>,
    since: Option<i64>,
    new: State,
}

/// What can be told of an item before anything is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circumstances<'a> {
    /// What is due.
    pub due: Due,
    /// Where state is kept.
    pub working_dir: &'a Path,
    /// The day, as in the names of files.
    pub day: &'a str,
}

impl Memory {
    /// Reads what is known; what cannot be read is as good as nothing, but
    /// somebody should know. `exists` tells whether a file is there, with any
    /// compression.
    pub(crate) fn load(
        item: &Item,
        now: Circumstances<'_>,
        exists: impl Fn(&str) -> bool,
        warn: impl Fn(String),
    ) -> Self {
        let path = item.state(now.working_dir);
        let remembers = item.mode == Mode::Incremental;
        let whole = now.due != Due::New;
        let (mut old, mut since) = (None, None);
        if remembers {
            match State::load(&path) {
                Ok(state) => old = state,
                Err(e) if !whole => warn(unusable(&path, item, &e)),
                Err(_) => {}
            }
            // A state of ours that is damaged is newer than Cedar Backup's.
            if !whole && old.is_none() && !path.exists() {
                since = cedar(&item.cedar_state(now.working_dir), item, warn);
            }
        }
        let last = old.as_ref().filter(|it| it.day == now.day);
        let there = |part| exists(&item.file(now.day, part));
        let (part, same_file) = match last {
            Some(last) => part(last, whole, there(last.part)),
            // Of a file of today nothing is known any more: it may have more in it.
            None if remembers && !whole && old.is_none() && since.is_none() => {
                ((1..MOST_PARTS).find(|it| !there(*it)).unwrap_or(MOST_PARTS), false)
            }
            None => (1, false),
        };
        Self {
            path,
            remembers,
            file: item.file(now.day, part),
            adds: !whole && (old.is_some() || since.is_some()),
            same_file,
            new: State { day: now.day.to_owned(), part, whole, ..State::default() },
            old: old.filter(|_| !whole),
            since,
        }
    }

    /// Returns what is known of a mailbox.
    pub(crate) fn before(&self, name: &OsStr) -> Before {
        let Some(state) = &self.old else {
            return self.since.map_or(Before::Nothing, Before::Since);
        };
        let mut counts = Counts::default();
        if let Some(known) = state.mailboxes.get(name) {
            counts.add_all(&known.before);
            counts.add_all(&known.today);
        }
        Before::Known(counts)
    }

    /// Forgets what an earlier run put into the file of today, which cannot be
    /// read: it is backed up again, as far as it is there.
    pub(crate) fn forget_today(&mut self) {
        self.adds = false;
        if let Some(old) = self.old.as_mut().filter(|_| self.same_file) {
            old.mailboxes.values_mut().for_each(|it| it.today = Counts::default());
        }
    }

    /// Notes what was taken from a mailbox.
    pub(crate) fn note(&mut self, name: &OsStr, extract: &Extract) {
        let mut known = self.kept(name);
        if self.old.is_none() {
            known.before.add_all(&extract.left);
        }
        known.today.add_all(&extract.taken);
        self.new.mailboxes.insert(name.to_owned(), known);
    }

    /// Keeps what is known of a mailbox that could not be backed up.
    pub(crate) fn keep(&mut self, name: &OsStr) {
        if self.old.as_ref().is_some_and(|it| it.mailboxes.contains_key(name)) {
            let known = self.kept(name);
            self.new.mailboxes.insert(name.to_owned(), known);
        }
    }

    fn kept(&self, name: &OsStr) -> Known {
        let old = self.old.as_ref().and_then(|it| it.mailboxes.get(name));
        let mut known = old.cloned().unwrap_or_default();
        if !self.same_file {
            let today = std::mem::take(&mut known.today);
            known.before.add_all(&today);
        }
        known
    }

    /// Remembers everything that was noted, if the item's increments need it.
    ///
    /// # Errors
    ///
    /// If it cannot be made durable.
    pub(crate) fn save(&self, host: &Host) -> Result<()> {
        if self.remembers { self.new.save(host, &self.path) } else { Ok(()) }
    }
}

/// Returns which file of today is made after the `last` one, which may be
/// `there` still, and whether it is the same.
///
/// One that is staged already would be replaced by another of its name, and a
/// full backup may have less in it than an increment of the same day: what
/// has gone in between.
fn part(last: &State, whole: bool, there: bool) -> (u32, bool) {
    let same = if whole { last.whole } else { there };
    if same { (last.part, true) } else { (last.part.saturating_add(1), false) }
}

fn unusable(path: &Path, item: &Item, why: &dyn std::fmt::Display) -> String {
    format!("{} cannot be used, so {item} is backed up whole: {why}", path.display())
}

fn cedar(path: &Path, item: &Item, warn: impl Fn(String)) -> Option<i64> {
    match read_small(path, LONGEST).map(|it| cedar_state::read(&it, &TimeZone::system())) {
        Ok(Ok(time)) => return Some(time),
        Ok(Err(e)) => warn(unusable(path, item, &e)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => warn(unusable(path, item, &e)),
    }
    None
}
