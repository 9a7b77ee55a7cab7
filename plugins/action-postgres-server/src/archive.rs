//! The archive of a server's WAL: the one way in and out, whatever the
//! storages are.
//!
//! ```text
//! let archive = Archive::open(host, server)?;
//!
//! // In: every storage of the server, durable when this returns.
//! let receipt = archive.save(name, &path)?;
//! if receipt.is_new() { … }
//!
//! // Out: one copy after the other, until one is whole.
//! for copy in archive.copies(name) {
//!     archive.fetch(&copy?, &mut file)?;
//! }
//!
//! // What there is, in one storage after the other.
//! archive.for_each(None, None, &mut |stored| Ok(()))?;
//!
//! // What is missing of all that can be recovered.
//! let gaps = archive.inventory(None, segment_size)?.gaps(&archive.starts()?);
//!
//! // Away with what no backup needs.
//! archive.delete_before(&Kept { from: Some(lsn), spans: vec![] }, segment_size)?;
//! ```
//!
//! An `Archive` can be shared between threads: `save` and `fetch` may run at
//! the same time in any number of them.
//!
//! # What `save` guarantees
//!
//! * `Ok` means that the file is durable in **every** storage that is written
//!   to. On an error it may be in some of them; saving it again does the rest.
//! * What is stored is what its name says: a segment's header is read, and
//!   must be of the cluster whose archive it is.
//! * Nothing is ever overwritten. The same content under the same name is
//!   success ([`Receipt::is_new`] tells), other content is
//!   [`ErrorKind::ALREADY_EXISTS`].
//! * A file that is not what its name says is [`ErrorKind::CORRUPT`]; a hook
//!   that said no is [`ErrorKind::VETOED`].
//!
//! The file itself is left alone: whoever brought it removes it.
//!
//! Hooks are called from here (`pre_archive`, `post_archive`,
//! `pre_wal_delete`, `post_wal_delete`), one at a time, and no lock of a
//! storage or of the archive is held meanwhile.

mod backups;
mod compare;
mod copies;
mod delete;
pub(crate) mod deliver;
mod digest;
mod events;
mod examine;
mod gaps;
mod identity;
mod keep;
mod known;
mod ledger;
mod pace;
mod place;
mod read;
mod retry;
mod save;
mod source;
mod spool;
mod stamp;
mod target;
mod timelines;
mod verify;
mod write;

use std::{
    io::Write,
    sync::{Mutex, PoisonError},
};

use hayloft_plugin_api::{Error, ErrorKind, Host, ObjectMeta, Result, StorageHandle};
use hayloft_postgres::wal::FileName;

pub(crate) use self::{
    backups::Backup,
    delete::Deleted,
    events::path_of,
    examine::{Examined, Fault},
    identity::{claim_for, cluster_of},
    keep::Kept,
    ledger::Ledger,
    pace::Pace,
    retry::patiently,
    spool::Spool,
    verify::{Course, Finding, Verification, Verified},
};
use self::{copies::Copies, identity::Identity, stamp::Stamp, target::Target};
use crate::config::Server;

/// How many objects are asked for at a time.
const PAGE: u32 = 1000;
/// More forms of one file than there can be.
const FORMS: u32 = 64;

/// The archive of one server.
#[derive(Debug)]
pub(crate) struct Archive<'a> {
    host: &'a Host,
    server: &'a Server,
    targets: Vec<Target>,
    spool: Option<Spool>,
    /// How many threads one encoder may use.
    threads: u32,
    /// Memory for files that are encoded in one piece.
    rooms: Option<write::Rooms>,
    hooks: Mutex<()>,
}

/// A file in a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Which file it is.
    pub(crate) name: FileName,
    /// The storage's name.
    pub(crate) storage: String,
    /// What is appended to the file's name, such as `.zst`.
    pub(crate) suffix: String,
    /// The object.
    pub(crate) object: ObjectMeta,
}

impl Stored {
    /// Says where it is, for messages.
    pub(crate) fn place(&self) -> String {
        format!("{} of storage {}", self.object.key, self.storage)
    }
}

/// What came of [`Archive::save`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receipt {
    /// Where the file is now, one for each storage.
    pub(crate) copies: Vec<Stored>,
    new: bool,
    /// BLAKE3 of the content in hexadecimal digits, if it was computed.
    content: Option<String>,
    /// By which the file can be known again.
    stamp: Option<Stamp>,
}

impl Receipt {
    /// Tells whether any storage did not have the file before.
    pub(crate) fn is_new(&self) -> bool {
        self.new
    }
}

impl<'a> Archive<'a> {
    /// Opens the archive of a server. No storage is asked for anything yet.
    /// One encoder may use as many threads as the server has `<workers>`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`] if the server has no storage.
    pub(crate) fn open(host: &'a Host, server: &'a Server) -> Result<Self> {
        let archive = Self::to_look(host, server)?;
        Ok(Self { spool: Spool::open(host, server), ..archive })
    }

    /// Opens it only to look into: no directory is made on this machine.
    ///
    /// # Errors
    ///
    /// As [`Archive::open`].
    pub(crate) fn to_look(host: &'a Host, server: &'a Server) -> Result<Self> {
        let targets: Vec<Target> = server.wal_destinations().into_iter().map(Target::new).collect();
        if targets.is_empty() {
            let message = format!("server {} has no <storage>", server.name);
            return Err(Error::new(ErrorKind::CONFIGURATION, message)
                .hint("name a storage of <storages> that its WAL is to be kept in"));
        }
        let threads = u32::try_from(server.wal_workers()).unwrap_or(u32::MAX);
        Ok(Self { host, server, targets, spool: None, threads, rooms: None, hooks: Mutex::new(()) })
    }

    /// Lets one encoder use one thread: for those who store several files at
    /// the same time.
    #[must_use]
    pub(crate) fn in_parallel(mut self) -> Self {
        self.threads = 1;
        self
    }

    /// Holds each file in memory while it is encoded, so many at the same time:
    /// quicker, and needs the memory for them, encoded and not.
    #[must_use]
    pub(crate) fn in_one_piece(mut self, at_a_time: usize) -> Self {
        self.rooms = Some(write::Rooms::new(at_a_time));
        self
    }

    /// Returns the directory for what is done ahead.
    pub(crate) fn spool(&self) -> Option<&Spool> {
        self.spool.as_ref()
    }

    /// The storages that WAL is written to.
    fn written(&self) -> impl Iterator<Item = &Target> {
        self.targets.iter().filter(|it| !it.destination.read_only)
    }

    /// Makes sure that the archive in a storage is of this cluster, of which
    /// this is a file.
    fn claim(&self, target: &Target, ours: &Identity, name: FileName) -> Result<()> {
        let directory = name.directory();
        let spool = self.spool.as_ref();
        if spool.is_some_and(|it| known::is(it, &directory, ours, target.name())) {
            return Ok(());
        }
        target.claim(self.host, &self.server.name, ours).map_err(|e| {
            if e.kind() == ErrorKind::ALREADY_EXISTS { e } else { target.failed("look into", e) }
        })?;
        if let Some(spool) = spool {
            known::remember(spool, &directory, ours, target.name());
        }
        Ok(())
    }

    /// Hooks are not called by two threads at the same time: scripts may not
    /// be made for it.
    fn one_at_a_time<T>(&self, work: impl FnOnce() -> T) -> T {
        let _turn = self.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        work()
    }

    /// Returns every object that a storage has of a file.
    fn forms(&self, target: &Target, name: FileName) -> Result<Vec<Stored>> {
        let storage = target.storage(self.host)?;
        let prefix = place::key(&self.server.name, name);
        let objects =
            storage.list(&prefix, "", FORMS).map_err(|e| target.failed("look into", e))?;
        let stored = objects.into_iter().filter_map(|it| self.stored(target, it));
        Ok(stored.filter(|it| it.name == name).collect())
    }

    fn stored(&self, target: &Target, object: ObjectMeta) -> Option<Stored> {
        let mut known = |suffix: &str| {
            let name = format!("x{suffix}");
            self.host.recognise(&name, &[]).is_ok_and(|it| it.is_some())
        };
        let (name, suffix) = place::parse(&self.server.name, &object.key, &mut known)?;
        let suffix = suffix.to_owned();
        Some(Stored { name, storage: target.name().to_owned(), suffix, object })
    }

    /// Looks for every copy of a file, as far as the iterator is asked: an
    /// error for each storage that cannot tell. Those that may be able to in a
    /// moment are asked again last.
    pub(crate) fn copies(&self, name: FileName) -> impl Iterator<Item = Result<Stored>> {
        Copies::new(self, name)
    }

    /// Writes the content of a file, decoded, to `to`, and returns how many
    /// bytes it has. A segment is checked on its way: its header, its length.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CORRUPT`] if what is stored is damaged,
    /// [`ErrorKind::NOT_FOUND`] if no key opens it. What has been written to
    /// `to` is worthless then.
    pub(crate) fn fetch(&self, copy: &Stored, to: &mut dyn Write) -> Result<u64> {
        read::copy(self.host, self.storage(&copy.storage)?, copy, to)
            .map_err(|e| e.context(format!("cannot read {}", copy.place())))
    }

    /// Calls `each` for every file, one storage after the other, in the order
    /// of their names. `storage` limits it to one; `directory` to the files of
    /// one timeline and log (16 digits).
    ///
    /// # Errors
    ///
    /// If a storage cannot tell, and those of `each`, which ends it.
    pub(crate) fn for_each(
        &self,
        storage: Option<&str>,
        directory: Option<&str>,
        each: &mut dyn FnMut(Stored) -> Result<()>,
    ) -> Result<()> {
        let wanted = |it: &&Target| storage.is_none_or(|name| it.name() == name);
        let targets = self.targets.iter().filter(wanted);
        targets.into_iter().try_for_each(|target| self.for_each_in(target, directory, each))
    }

    /// Returns the names of the storages; only those that WAL is written to, if
    /// `written`.
    pub(crate) fn storages(&self, written: bool) -> impl Iterator<Item = &str> {
        self.targets
            .iter()
            .filter(move |it| !(written && it.destination.read_only))
            .map(Target::name)
    }

    /// Returns the storage of that name.
    fn storage(&self, name: &str) -> Result<&StorageHandle> {
        let target = self.targets.iter().find(|it| it.name() == name);
        let target = target.ok_or_else(|| Error::msg(format!("no storage {name}")))?;
        target.storage(self.host)
    }

    fn for_each_in(
        &self,
        target: &Target,
        directory: Option<&str>,
        each: &mut dyn FnMut(Stored) -> Result<()>,
    ) -> Result<()> {
        let server = &self.server.name;
        let prefix = match directory {
            Some(directory) => place::directory(server, directory),
            None => place::root(server),
        };
        let storage = target.storage(self.host)?;
        let mut after = String::new();
        loop {
            let page = patiently(|| storage.list(&prefix, &after, PAGE))
                .map_err(|e| target.failed("look into", e))?;
            let last = page.len() < PAGE as usize;
            if let Some(object) = page.last() {
                after.clone_from(&object.key);
            }
            for stored in page.into_iter().filter_map(|it| self.stored(target, it)) {
                each(stored)?;
            }
            if last {
                return Ok(());
            }
        }
    }
}

/// One error out of those of several storages.
fn joined(failures: Vec<Error>, what: &str, done: &[&str]) -> Error {
    let mut failures = failures.into_iter();
    let Some(first) = failures.next() else { return Error::msg(what) };
    let mut what = what.to_owned();
    if !done.is_empty() {
        what = format!("{what} everywhere (it is in {})", done.join(", "));
    }
    let others: Vec<String> = failures.map(|it| it.to_string()).collect();
    if others.is_empty() {
        return first.context(what);
    }
    let message = format!("{first}; {}", others.join("; "));
    let error = Error::new(first.kind(), message).context(what);
    match first.remedy() {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
