//! Encrypts the files of days.

use std::{
    collections::BTreeSet,
    fs,
    io::Read,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use hayloft_plugin_api::{Error, ErrorKind, Host, Result, Transform};
use hayloft_staging::{
    content::Recogniser,
    day::{self, Day, ENCRYPTED, STAGED},
    failures::Failures,
    files::{self, Found, Identity, Walk, sync_directory},
    leftovers, parts,
    record::Records,
};
use tracing::info;

use crate::{
    chains::{appended, chains, stripped},
    open::Encryptors,
    record::{Sealed, SealedFile, is_finished, is_ours},
    seal::seal,
};

/// How many files are encrypted at a time at most.
const MOST_WORKERS: usize = 8;

/// What encrypting came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// Days on which there was something to do.
    pub(crate) days: u64,
    /// Files that were encrypted.
    pub(crate) files: u64,
    /// Their size in bytes.
    pub(crate) bytes: u64,
    /// What a person should look at.
    pub(crate) warnings: Vec<String>,
}

/// The plain files of a day.
pub(crate) struct Pending {
    pub(crate) day: Day,
    /// In the order in which they are to be encrypted.
    chains: Vec<Vec<Found>>,
}

impl Pending {
    /// Returns the files.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Found> {
        self.chains.iter().flatten()
    }
}

/// Everything that the days of a run share.
pub(crate) struct Work<'a> {
    host: &'a Host,
    encryptors: Encryptors,
    recogniser: Recogniser,
    records: Mutex<Records<Sealed>>,
    failures: Mutex<Failures>,
    done: Mutex<Done>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Work<'a> {
    pub(crate) fn new(host: &'a Host, encryptors: Encryptors) -> Self {
        Self {
            host,
            encryptors,
            recogniser: Recogniser::new(host),
            records: Mutex::new(Records::load(host)),
            failures: Mutex::default(),
            done: Mutex::default(),
        }
    }

    /// Finds the days that have plain files or no indicator. A day that has
    /// the indicator may have been staged anew. With `sweep`, what killed runs
    /// have left goes.
    ///
    /// # Errors
    ///
    /// If something cannot be read.
    pub(crate) fn pending(&self, root: &Path, sweep: bool) -> Result<Vec<Pending>> {
        let mut pending = Vec::new();
        for day in day::all(root)? {
            self.host.check_cancelled()?;
            let chains = self.plain(&day, sweep)?;
            if !chains.is_empty() || !day.has(ENCRYPTED) {
                pending.push(Pending { day, chains });
            }
        }
        Ok(pending)
    }

    /// Removes what killed runs have left, which may be clear text.
    fn sweep(&self, walk: &Walk) {
        for path in leftovers::sweep(walk) {
            let path = path.to_string_lossy();
            let path = path.escape_debug();
            let text = format!("{path} is being written, and is not encrypted");
            locked(&self.done).warnings.push(text);
        }
    }

    fn plain(&self, day: &Day, sweep: bool) -> Result<Vec<Vec<Found>>> {
        let walk = files::walk(&day.path)?;
        if sweep {
            self.sweep(&walk);
        }
        let records = locked(&self.records);
        let record = records.of(&day.path);
        let (mut plain, mut encrypted) = (Vec::new(), Vec::new());
        for file in walk.files {
            if is_finished(record, &file.key(), &file.identity) || self.is_encrypted(&file)? {
                encrypted.push(file);
            } else {
                plain.push(file);
            }
        }
        let suffix = self.suffix();
        drop_parts_of_encrypted(&mut plain, &encrypted, suffix);
        // An encrypted file of somebody else makes room by being encrypted.
        let mut taken: BTreeSet<PathBuf> =
            plain.iter().map(|it| appended(&it.path, suffix)).collect();
        encrypted.sort_by(|a, b| a.path.cmp(&b.path));
        for file in encrypted {
            let foreign = !is_ours(record, &file.key(), &file.identity)
                && !is_of_cedar_backup(day, &file.identity);
            if taken.contains(&file.path) && foreign {
                info!("{} is in the way of another file, and is encrypted", file.path.display());
                taken.insert(appended(&file.path, suffix));
                plain.push(file);
            }
        }
        Ok(chains(plain, suffix))
    }

    fn is_encrypted(&self, file: &Found) -> Result<bool> {
        let kind = self.recogniser.kind(self.host, &mut file.open()?);
        let kind = kind
            .map_err(|e| Error::from(e).context(format!("cannot read {}", file.path.display())))?;
        Ok(kind.is_some())
    }

    /// Encrypts the files of the days.
    ///
    /// # Errors
    ///
    /// All files that could not be encrypted, in one. Their days are not
    /// marked.
    pub(crate) fn encrypt(self, pending: &[Pending]) -> Result<Done> {
        for day in pending {
            self.host.check_cancelled()?;
            self.encrypt_day(day)?;
        }
        let failures = self.failures.into_inner().unwrap_or_else(PoisonError::into_inner);
        failures.into_result(|n| format!("{n} files were not encrypted"))?;
        Ok(self.done.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn encrypt_day(&self, pending: &Pending) -> Result<()> {
        let Pending { day, chains } = pending;
        let before = locked(&self.failures).count();
        if !chains.is_empty() {
            let indicator = day.path.join(ENCRYPTED);
            if day.has(ENCRYPTED) {
                // What it says is not true any more.
                fs::remove_file(&indicator)?;
                sync_directory(&indicator)?;
            }
            self.plan(day, chains)?;
            let result = self.encrypt_chains(day, chains);
            // Whatever happened, what was made is to be known.
            locked(&self.records).save(self.host)?;
            result?;
        }
        if locked(&self.failures).count() == before {
            self.host.touch(&day.path.join(ENCRYPTED))?;
            locked(&self.done).days += 1;
        }
        Ok(())
    }

    /// Remembers which files will be ours. Those whose names are not free yet
    /// come later.
    fn plan(&self, day: &Day, chains: &[Vec<Found>]) -> Result<()> {
        let mut records = locked(&self.records);
        let record = records.of_mut(day);
        for first in chains.iter().filter_map(|it| it.first()) {
            record.entry(self.key(first)).or_default().done = None;
        }
        records.save(self.host)
    }

    fn key(&self, file: &Found) -> String {
        files::key(&appended(&file.relative, self.suffix()))
    }

    fn suffix(&self) -> &str {
        self.encryptors.plain.suffix()
    }

    /// Returns what a file is encrypted with: what is compressed would only
    /// take time to be compressed once more.
    fn encryptor_for(&self, file: &Found) -> Result<&Transform> {
        /// What is told of a file lies in its first bytes.
        const HEAD: u64 = 512;
        let Some(compressing) = &self.encryptors.compressing else {
            return Ok(&self.encryptors.plain);
        };
        let mut head = Vec::new();
        file.open()?.take(HEAD).read_to_end(&mut head)?;
        // Whether it can be opened again is nobody's question here.
        let known = self.host.recognise("", &head).is_ok_and(|it| it.is_some());
        Ok(if known { &self.encryptors.plain } else { compressing })
    }

    fn encrypt_chains(&self, day: &Day, chains: &[Vec<Found>]) -> Result<()> {
        let (next, end) = (AtomicUsize::new(0), AtomicBool::new(false));
        let fatal = Mutex::new(None);
        let work = || {
            while let Some(chain) = chains.get(next.fetch_add(1, Ordering::Relaxed)) {
                if end.load(Ordering::Relaxed) {
                    return;
                }
                if let Err(error) = self.encrypt_chain(day, chain)
                    && let Err(error) = locked(&self.failures).add(error)
                {
                    end.store(true, Ordering::Relaxed);
                    locked(&fatal).get_or_insert(error);
                }
            }
        };
        let workers = thread::available_parallelism().map_or(1, |it| it.get().min(MOST_WORKERS));
        thread::scope(|scope| {
            for _ in 1..workers.min(chains.len()) {
                scope.spawn(work);
            }
            work();
        });
        fatal.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    fn encrypt_chain(&self, day: &Day, chain: &[Found]) -> Result<()> {
        for (index, file) in chain.iter().enumerate() {
            if index > 0 {
                let mut records = locked(&self.records);
                records.of_mut(day).insert(self.key(file), Sealed::default());
                records.save(self.host)?;
            }
            let sealed = self
                .encrypt_file(file)
                .map_err(|e| e.context(format!("cannot encrypt {}", file.path.display())))?;
            let done = Some(sealed);
            locked(&self.records).of_mut(day).insert(self.key(file), Sealed { done });
            file.remove()?;
            info!("encrypted {}", file.path.display());
            let mut done = locked(&self.done);
            done.files += 1;
            done.bytes += file.identity.size;
        }
        Ok(())
    }

    fn encrypt_file(&self, file: &Found) -> Result<SealedFile> {
        let target = appended(&file.path, self.suffix());
        let there = fs::symlink_metadata(&target);
        if there.as_ref().is_ok_and(|it| !it.is_file()) {
            let message = format!("{} is there, and is no file", target.display());
            return Err(
                Error::new(ErrorKind::ALREADY_EXISTS, message).hint("remove it, or move it away")
            );
        }
        seal(self.host, self.encryptor_for(file)?, file, &target, there.is_ok())
    }
}

/// Parts of a file that was split after it was encrypted are encrypted, though
/// only the first one can be recognised.
fn drop_parts_of_encrypted(plain: &mut Vec<Found>, encrypted: &[Found], suffix: &str) {
    let paths: BTreeSet<&Path> = encrypted.iter().map(|it| it.path.as_path()).collect();
    plain.retain(|it| {
        let base = it.path.file_name().and_then(parts::parse);
        let base = base.map(|(base, _)| it.path.with_file_name(base));
        !base.is_some_and(|base| {
            stripped(&base, suffix).is_some()
                && paths.contains(parts::part_path(&base, 0).as_path())
        })
    });
}

/// Tells whether Cedar Backup made an encrypted file: on a day that it has
/// marked, or after the day was staged. Then it is of the plain file beside
/// it, or half of that, and may be replaced.
fn is_of_cedar_backup(day: &Day, identity: &Identity) -> bool {
    let written = |name: &str| {
        let there = fs::symlink_metadata(day.path.join(name)).ok()?;
        there.is_file().then(|| Identity::of(&there).modified_ns)
    };
    written(ENCRYPTED).is_some_and(|it| identity.modified_ns <= it)
        || written(STAGED).is_some_and(|it| identity.modified_ns > it)
}
