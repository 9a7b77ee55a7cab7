//! Stores one day in one storage.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use hayloft_plugin_api::{Error, PutOptions, Result};
use tracing::{debug, warn};

use crate::{
    days::Day,
    manifest::{Entry, Manifest},
    source::{Listing, SourceFile},
    upload::{self, Content, Encoding, Fault, Objects, Reading},
};

/// How many files are stored at a time.
const WORKERS: usize = 2;
/// How often a file is tried if the storage says that trying again may help.
const TRIES: u32 = 3;

/// What storing needs of the outside.
pub trait World: Sync {
    /// Fails if the work is to end.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CANCELLED`](hayloft_plugin_api::ErrorKind::CANCELLED).
    fn check_cancelled(&self) -> Result<()>;

    /// Is told of every piece of a file that was read.
    fn advanced(&self, what: &str, bytes: u64);
}

/// A storage and how files go into it.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// Where to.
    pub objects: &'a dyn Objects,
    /// What they go through, the compressor first.
    pub encodings: &'a [&'a dyn Encoding],
    /// When the run began, in RFC 3339.
    pub created: &'a str,
    /// The least pause before another try; it grows, and part of it is chance.
    pub pause: Duration,
    /// The rest.
    pub world: &'a dyn World,
}

impl std::fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target").field("created", &self.created).finish_non_exhaustive()
    }
}

/// What storing a day came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stored {
    /// Files that were sent.
    pub files: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Files that were there already.
    pub unchanged: u64,
}

/// A day on its way into a storage.
struct Work<'a> {
    target: Target<'a>,
    day: &'a Day,
    files: &'a [SourceFile],
    /// What an earlier run stored, by key.
    before: BTreeMap<String, Entry>,
    /// Whether the manifest of that run is still there.
    has_manifest: Mutex<bool>,
    next: AtomicUsize,
    failed: AtomicBool,
}

/// What a worker came to.
type Share = Result<(Stored, Vec<Entry>), Fault>;

/// Stores all files of a day, then its manifest.
///
/// An object that is there already with the same content is left alone. Before
/// one is replaced, the manifest goes, so that none ever speaks of something
/// else than what is there.
///
/// # Errors
///
/// The first fault; the day then has no manifest, or the one it had if nothing
/// of it was touched.
pub fn store(day: &Day, listing: &Listing, target: Target<'_>) -> Result<Stored, Fault> {
    let key = Manifest::key(&day.name);
    if listing.files.iter().any(|it| it.key(&day.name) == key) {
        let message = format!("{}/manifest.json has the name of the manifest", day.path.display());
        return Err(Fault::Source(Error::msg(message).hint("give the file another name")));
    }
    let before = read_manifest(target.objects, &key).map_err(Fault::Storage)?;
    let has_manifest = Mutex::new(before.is_some());
    let work = Work {
        target,
        day,
        files: &listing.files,
        before: before.map(Manifest::by_key).unwrap_or_default(),
        has_manifest,
        next: AtomicUsize::new(0),
        failed: AtomicBool::new(false),
    };
    let (stored, entries) = work.store_all()?;
    work.put_manifest(&key, &Manifest::new(&day.name, target.created, entries))?;
    Ok(stored)
}

/// Returns the manifest of an earlier run. One that cannot be understood is
/// as good as none: everything is stored again.
fn read_manifest(objects: &dyn Objects, key: &str) -> Result<Option<Manifest>> {
    let text = objects.read(key).map_err(|e| e.context(format!("cannot read {key}")))?;
    let Some(text) = text else { return Ok(None) };
    match Manifest::from_json(&text) {
        Ok(manifest) => Ok(Some(manifest)),
        Err(error) => {
            warn!("ignoring {key}, which cannot be used: {error}");
            Ok(Some(Manifest::new("", "", Vec::new())))
        }
    }
}

impl Work<'_> {
    fn store_all(&self) -> Share {
        let shares: Vec<Share> = std::thread::scope(|scope| {
            let helpers: Vec<_> = (1..WORKERS).map(|_| scope.spawn(|| self.store_some())).collect();
            let own = self.store_some();
            let joined = helpers
                .into_iter()
                .map(|it| it.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            std::iter::once(own).chain(joined).collect()
        });
        let mut all = (Stored::default(), Vec::new());
        for share in shares {
            let (stored, entries) = share?;
            all.0.files += stored.files;
            all.0.bytes += stored.bytes;
            all.0.unchanged += stored.unchanged;
            all.1.extend(entries);
        }
        Ok(all)
    }

    fn store_some(&self) -> Share {
        let mut stored = Stored::default();
        let mut entries = Vec::new();
        while let Some(file) = self.files.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            if self.failed.load(Ordering::Relaxed) {
                break;
            }
            match self.store_one(file) {
                Ok((entry, sent)) => {
                    stored.files += u64::from(sent);
                    stored.bytes += if sent { entry.size } else { 0 };
                    stored.unchanged += u64::from(!sent);
                    entries.push(entry);
                }
                Err(fault) => {
                    self.failed.store(true, Ordering::Relaxed);
                    return Err(fault);
                }
            }
        }
        Ok((stored, entries))
    }

    /// Stores a file unless it is there; returns whether it was sent.
    fn store_one(&self, file: &SourceFile) -> Result<(Entry, bool), Fault> {
        self.target.world.check_cancelled().map_err(Fault::Storage)?;
        let suffixes = self.target.encodings.iter().map(|it| it.suffix());
        let key: String =
            std::iter::once(file.key(&self.day.name).as_str()).chain(suffixes).collect();
        if let Some(entry) = self.is_there(file, &key)? {
            debug!("{key} is there already");
            return Ok((entry, false));
        }
        if self.before.contains_key(&key) {
            self.drop_manifest()?;
        }
        let (Content { size, sha256 }, encoded) = self.put(file, &key)?;
        debug!("stored {key}");
        let (peer, name) = (file.peer.clone(), file.name.clone());
        Ok((Entry { peer, name, size, sha256, key, encoded }, true))
    }

    fn is_there(&self, file: &SourceFile, key: &str) -> Result<Option<Entry>, Fault> {
        let Some(entry) = self.before.get(key) else { return Ok(None) };
        let same_way = entry.encodings().iter().map(String::as_str).eq(self
            .target
            .encodings
            .iter()
            .map(|it| it.name()));
        if entry.size != file.size || !same_way {
            return Ok(None);
        }
        let there = self.target.objects.stat(key);
        let there =
            there.map_err(|e| Fault::Storage(e.context(format!("cannot look for {key}"))))?;
        if there.is_none_or(|it| it.size != entry.stored_size()) {
            return Ok(None);
        }
        let content = Reading::open(&file.path)?.read(|piece| self.advance(file, piece.len()))?;
        Ok((content.sha256 == entry.sha256).then(|| entry.clone()))
    }

    fn put(
        &self,
        file: &SourceFile,
        key: &str,
    ) -> Result<(Content, Option<crate::manifest::Encoded>), Fault> {
        let Target { objects, encodings, .. } = self.target;
        let mut attempt = 1;
        loop {
            let progress = |n| {
                self.target.world.check_cancelled()?;
                self.target.world.advanced(&file.name, n);
                Ok(())
            };
            match upload::put(objects, key, &file.path, encodings, progress) {
                Err(fault) if fault.is_transient() && attempt < TRIES => {
                    warn!("trying again: {}", fault.into_error());
                }
                Err(Fault::Storage(error)) if attempt > 1 => {
                    let message = format!("gave up after {attempt} tries");
                    return Err(Fault::Storage(error.context(message)));
                }
                other => return other,
            }
            self.pause(attempt)?;
            attempt += 1;
        }
    }

    fn advance(&self, file: &SourceFile, bytes: usize) -> Result<(), Fault> {
        self.target.world.check_cancelled().map_err(Fault::Storage)?;
        self.target.world.advanced(&file.name, bytes as u64);
        Ok(())
    }

    /// Waits before another try, so that several machines do not all come
    /// back at once.
    fn pause(&self, attempt: u32) -> Result<(), Fault> {
        const SLICE: Duration = Duration::from_millis(100);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let chance = f64::from(now.map_or(0, |it| it.subsec_micros()) % 1000) / 1000.0;
        let mut left = self.target.pause.mul_f64(f64::from(attempt) * (0.5 + chance));
        while !left.is_zero() {
            self.target.world.check_cancelled().map_err(Fault::Storage)?;
            let slice = left.min(SLICE);
            std::thread::sleep(slice);
            left -= slice;
        }
        Ok(())
    }

    fn drop_manifest(&self) -> Result<(), Fault> {
        let mut there = self.has_manifest.lock().unwrap_or_else(PoisonError::into_inner);
        if *there {
            let key = Manifest::key(&self.day.name);
            let deleted = self.target.objects.delete(&key);
            deleted.map_err(|e| Fault::Storage(e.context(format!("cannot replace {key}"))))?;
            *there = false;
        }
        Ok(())
    }

    fn put_manifest(&self, key: &str, manifest: &Manifest) -> Result<(), Fault> {
        let put = || {
            let text = manifest.to_json()?;
            let size_hint = Some(text.len() as u64);
            let options = PutOptions { create_only: false, size_hint };
            let mut stream = self.target.objects.put(key, options)?;
            stream.write(&text)?;
            stream.commit()?;
            upload::verify(self.target.objects, key, text.len() as u64)
        };
        let mut attempt = 1;
        loop {
            match put() {
                Ok(()) => return Ok(()),
                Err(error) if error.is_transient() && attempt < TRIES => {
                    warn!("trying again: {error}");
                }
                Err(error) => {
                    return Err(Fault::Storage(error.context(format!("cannot store {key}"))));
                }
            }
            self.pause(attempt)?;
            attempt += 1;
        }
    }
}
