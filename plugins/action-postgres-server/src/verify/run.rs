//! The steps of a verification.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use hayloft_plugin_api::{Error, ErrorKind, Host, Progress, Result, StorageHandle};
use hayloft_postgres::wal::{FileName, SegmentName, SegmentRange};

use super::{
    Options, Problem, Report,
    frames::{self, Spare},
    known::Known,
    part::{self, Expected, Shared},
};
use crate::{
    archive::Archive,
    backup::{self, Foreign, Found, place},
    catalogue::BackupInfo,
    config::Server,
    directories,
    manifest::{Entry, File, Frame, Part, Reader},
};

/// Verifies a server's backups.
///
/// # Errors
///
/// If nothing could be verified: no storage can be read, or there is no such
/// backup. What is damaged is in the report.
pub(crate) fn verify(host: &Host, server: &Server, options: &Options) -> Result<Report> {
    let began = Instant::now();
    let names = match &options.storage {
        Some(name) => vec![name.clone()],
        None => server.backup_storages(),
    };
    if let [name] = names.as_slice()
        && options.storage.is_some()
    {
        // It is named, so that it must be there.
        host.storage(name)?;
    }
    let own = known(host, server);
    let own = if options.changed { own? } else { own.ok().flatten() };
    let run = Run {
        host,
        server,
        options,
        began,
        report: Mutex::new(Report { server: server.name.clone(), ..Report::default() }),
        own: own.as_ref().map(|it| it.0.clone()),
        known: Mutex::new(own.map(|it| it.1).unwrap_or_default()),
        seen: Mutex::default(),
        read: AtomicU64::new(0),
        total: AtomicU64::new(0),
    };
    let mut last = None;
    let mut seen = HashSet::new();
    for name in &names {
        match run.storage(name, &mut seen) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::CANCELLED => return Err(error),
            Err(error) => {
                let error = error.context(format!("cannot verify storage {name}"));
                run.problem(name, ("", ""), None, crate::intake::chain(&error));
                last = Some(error);
            }
        }
    }
    if options.wal {
        run.wal(&seen)?;
    }
    run.remember(&names);
    let mut report = run.report.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.bytes = run.read.into_inner();
    report.seconds = began.elapsed().as_secs_f64();
    asked_for(server, options, (&names, &seen), last)?;
    Ok(report)
}

/// Fails if what was asked for is not there at all.
fn asked_for(
    server: &Server,
    options: &Options,
    (names, seen): (&[String], &HashSet<Seen>),
    last: Option<Error>,
) -> Result<()> {
    if let Some(missing) = options.backups.iter().find(|id| !seen.iter().any(|it| it.0 == **id)) {
        let message = format!("there is no backup {missing} of server {}", server.name);
        return Err(last.unwrap_or_else(|| Error::new(ErrorKind::NOT_FOUND, message)));
    }
    if names.is_empty() {
        let message = format!("server {} has no <storage>", server.name);
        return Err(Error::new(ErrorKind::CONFIGURATION, message));
    }
    Ok(())
}

/// Returns the directory of a server on this machine, and what is known there.
fn known(host: &Host, server: &Server) -> Result<Option<(PathBuf, Known)>> {
    let Some(own) = directories::own(host, &server.name)? else { return Ok(None) };
    let known = Known::load(&own)?;
    Ok(Some((own, known)))
}

/// A backup that is needed whole, with the WAL that it needs.
type Seen = (crate::catalogue::BackupId, Option<(SegmentName, SegmentName, u64)>);

struct Run<'a> {
    host: &'a Host,
    server: &'a Server,
    options: &'a Options,
    began: Instant,
    report: Mutex<Report>,
    read: AtomicU64,
    total: AtomicU64,
    /// The directory of this server on this machine.
    own: Option<PathBuf>,
    /// What was good, before and now.
    known: Mutex<Known>,
    /// The storages and keys of what there is.
    seen: Mutex<BTreeSet<(String, String)>>,
}

/// A part that is to be read.
struct Job {
    backup: String,
    part: Part,
    frames: Arc<[Expected]>,
}

impl Run<'_> {
    fn storage(&self, name: &str, seen: &mut HashSet<Seen>) -> Result<()> {
        let storage = self.host.storage(name)?;
        let mut all = backup::all(&storage, &self.server.name)?;
        all.retain(|it| self.options.backups.is_empty() || self.options.backups.contains(&it.id));
        all.retain(|it| {
            it.whole || it.is_foreign() || self.options.backups.contains(&it.id) || claims(it)
        });
        let workers = self.options.workers;
        let (give, jobs) = sync_channel(workers);
        let (hand, pieces) = sync_channel(workers);
        let (jobs, pieces, spare) = (Mutex::new(jobs), Mutex::new(pieces), Spare::default());
        thread::scope(|scope| -> Result<()> {
            let (jobs, spare) = (&jobs, &spare);
            for _ in 0..workers {
                let hand = hand.clone();
                scope.spawn(move || self.work(name, jobs, (&hand, spare)));
                scope.spawn(|| frames::work(&pieces, spare));
            }
            drop(hand);
            let mut known = HashMap::new();
            for found in &all {
                seen.insert((found.id, needs(found.info.as_ref())));
                self.host.check_cancelled()?;
                self.backup((name, &storage), found, &give, &mut known)?;
            }
            drop(give);
            Ok(())
        })?;
        self.host.check_cancelled()
    }

    fn work(&self, name: &str, jobs: &Mutex<Receiver<Job>>, shared: Shared<'_>) {
        let storage = self.host.storage(name);
        loop {
            let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = job else { return };
            if self.host.cancelled() {
                continue;
            }
            match &storage {
                Ok(storage) => self.part((name, storage), &job, shared),
                Err(error) => {
                    let key = place::part(&self.server.name, &job.part.backup, &job.part.name);
                    self.problem(name, (&job.backup, &key), None, crate::intake::chain(error));
                }
            }
        }
    }

    fn part(&self, (name, storage): (&str, &StorageHandle), job: &Job, shared: Shared<'_>) {
        let key = place::part(&self.server.name, &job.part.backup, &job.part.name);
        let step = |bytes: u64| self.step(&key, bytes);
        let frames = (&job.frames, shared);
        let checked = part::check(self.host, storage, (&key, &job.part), frames, &step);
        self.count();
        match checked {
            Ok(None) => self.known().add(name, &key, job.part.blake3.clone()),
            Ok(Some(wrong)) => {
                let file = wrong.file.map(|it| it.display().to_string());
                self.known().remove(name, &key);
                self.problem(name, (&job.backup, &key), file, wrong.problem);
            }
            // It is to end.
            Err(error) => tracing::debug!("{error}"),
        }
    }

    /// Reads a backup's own objects, and gives workers its parts.
    fn backup(
        &self,
        (name, storage): (&str, &StorageHandle),
        found: &Found,
        give: &SyncSender<Job>,
        known: &mut HashMap<(String, String), String>,
    ) -> Result<()> {
        let id = found.id.to_string();
        self.lock().backups += 1;
        if found.is_foreign() {
            return self.foreign((name, storage), found);
        }
        self.count();
        if let Err(error) = backup::check_info(storage, &self.server.name, &id) {
            let key = format!("{}backup.info", place::directory(&self.server.name, &id));
            self.problem(name, (&id, &key), None, crate::intake::chain(&error));
        }
        self.count();
        let done = backup::open_manifest(self.host, storage, &self.server.name, found.id)
            .and_then(|reader| self.manifest(reader, (name, &id, give), known));
        match done {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::CANCELLED => Err(error),
            Err(error) => {
                let key = format!("{}manifest", place::directory(&self.server.name, &id));
                self.problem(name, (&id, &key), None, crate::intake::chain(&error));
                Ok(())
            }
        }
    }

    /// Reads a backup of Barman's.
    fn foreign(&self, (name, storage): (&str, &StorageHandle), found: &Found) -> Result<()> {
        let last = RefCell::new(String::new());
        let step = |key: &str, bytes: u64| {
            if *last.borrow() != key {
                self.count();
                key.clone_into(&mut last.borrow_mut());
            }
            self.step(key, bytes)
        };
        let id = found.id.to_string();
        match Foreign::read(self.host, storage, (&self.server.name, found), &step) {
            Ok(foreign) => {
                let directory = place::directory(&self.server.name, &id);
                for (file, why) in foreign.damaged {
                    self.problem(name, (&id, &directory), Some(file), why);
                }
                Ok(())
            }
            Err(error) if self.host.cancelled() => Err(error),
            Err(error) => {
                let key = last.borrow().clone();
                self.problem(name, (&id, &key), None, crate::intake::chain(&error));
                Ok(())
            }
        }
    }

    fn manifest(
        &self,
        mut reader: Reader,
        (name, id, give): (&str, &str, &SyncSender<Job>),
        known: &mut HashMap<(String, String), String>,
    ) -> Result<()> {
        let parts = reader.parts().to_vec();
        // Frames of a part are together; not so if it was interrupted.
        let mut own: BTreeMap<u32, Vec<Expected>> = BTreeMap::new();
        let scattered = reader.header().resumed;
        let mut given = HashSet::new();
        let is_own = |at: u32| parts.get(at as usize).is_some_and(|it| it.backup == id);
        while let Some(entry) = reader.next()? {
            let Entry::File(file) = entry else { continue };
            let path = Arc::new(file.path.path().to_owned());
            for (at, expected) in expected(&file, &path).filter(|it| is_own(it.0)) {
                if !scattered
                    && !own.contains_key(&at)
                    && let Some((at, frames)) = own.pop_first()
                {
                    given.insert(at);
                    self.give((name, id, &parts[at as usize]), frames, give, known)?;
                }
                own.entry(at).or_default().push(expected);
            }
        }
        for (at, frames) in own {
            given.insert(at);
            self.give((name, id, &parts[at as usize]), frames, give, known)?;
        }
        for (at, part) in (0..).zip(&parts).filter(|(at, _)| !given.contains(at)) {
            let _: u32 = at;
            self.give((name, id, part), Vec::new(), give, known)?;
        }
        Ok(())
    }

    fn give(
        &self,
        (name, id, part): (&str, &str, &Part),
        mut frames: Vec<Expected>,
        give: &SyncSender<Job>,
        known: &mut HashMap<(String, String), String>,
    ) -> Result<()> {
        self.host.check_cancelled()?;
        let key = (part.backup.clone(), part.name.clone());
        // Read already, with the same expectation.
        if known.get(&key) == Some(&part.blake3) && frames.is_empty() {
            return Ok(());
        }
        known.insert(key, part.blake3.clone());
        let object = place::part(&self.server.name, &part.backup, &part.name);
        if !self.is_in_sample(part) || self.was_good(name, &object, &part.blake3) {
            self.lock().left_out += 1;
            return Ok(());
        }
        self.total.fetch_add(part.size, Ordering::Relaxed);
        frames.sort_by_key(|it| it.offset);
        // What several files have may be there once.
        frames.dedup_by_key(|it| it.offset);
        let job = Job { backup: id.to_owned(), part: part.clone(), frames: frames.into() };
        give.send(job).map_err(|_| Error::msg("the workers have ended"))
    }

    /// Takes note that there is an object; tells whether it is one that was
    /// good, and need not be read again.
    fn was_good(&self, storage: &str, key: &str, what: &str) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert((storage.to_owned(), key.to_owned()));
        self.options.changed && self.known().has(storage, key, what)
    }

    /// Keeps what is good, for the next time; where that is impossible, all of
    /// it is read again then.
    fn remember(&self, names: &[String]) {
        let Some(own) = &self.own else { return };
        let mut known = self.known();
        // What was not looked for is not gone.
        if self.options.backups.is_empty() && self.options.percent >= 100 && self.options.wal {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            for name in names {
                let keys = seen.iter().filter(|it| it.0 == *name).map(|it| it.1.clone());
                known.retain(name, &keys.collect());
            }
        }
        if let Err(error) = known.save(self.host, own) {
            tracing::info!("what was verified is not kept: {error}");
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Chooses by chance, and other parts on another day.
    fn is_in_sample(&self, part: &Part) -> bool {
        if self.options.percent >= 100 {
            return true;
        }
        let day = jiff::Zoned::now().date();
        let hash = blake3::hash(format!("{day} {} {}", part.backup, part.name).as_bytes());
        let number = u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap_or_default());
        number % 100 < u64::from(self.options.percent)
    }

    /// Reads the segments that backups need, from the first storage that has
    /// each.
    fn wal(&self, seen: &HashSet<Seen>) -> Result<()> {
        let archive = Archive::open(self.host, self.server)?;
        let mut done = HashSet::new();
        for (id, needs) in seen {
            let Some((first, last, size)) = needs else { continue };
            let size = hayloft_postgres::wal::SegmentSize::new(*size);
            let range = size.and_then(|it| SegmentRange::new(*first, *last, it));
            let Ok(range) = range else { continue };
            for segment in range.filter(|it| done.insert(*it)) {
                self.host.check_cancelled()?;
                self.segment(&archive, &id.to_string(), segment);
            }
        }
        Ok(())
    }

    fn segment(&self, archive: &Archive<'_>, id: &str, segment: SegmentName) {
        let mut copies = 0;
        for copy in archive.copies(FileName::Segment(segment)) {
            let copy = match copy {
                Ok(copy) => copy,
                Err(error) => {
                    self.problem(
                        "",
                        (id, &segment.to_string()),
                        None,
                        crate::intake::chain(&error),
                    );
                    continue;
                }
            };
            copies += 1;
            let (storage, key) = (copy.storage.clone(), copy.object.key.clone());
            let what = format!("{} bytes, {}", copy.object.size, copy.object.etag);
            if self.was_good(&storage, &key, &what) {
                self.lock().left_out += 1;
                continue;
            }
            self.count();
            self.read.fetch_add(copy.object.size, Ordering::Relaxed);
            match archive.fetch(&copy, &mut io::sink()) {
                Ok(_) => self.known().add(&storage, &key, what),
                Err(error) => {
                    self.known().remove(&storage, &key);
                    self.problem(&storage, (id, &key), None, crate::intake::chain(&error));
                }
            }
        }
        if copies == 0 {
            let why = "the backup needs it, and it is in no storage".to_owned();
            self.problem("", (id, &segment.to_string()), None, why);
        }
    }

    fn step(&self, key: &str, bytes: u64) -> Result<()> {
        self.host.check_cancelled()?;
        let done = self.read.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let total = self.total.load(Ordering::Relaxed).max(done);
        self.host.progress(Progress { what: key, done, total });
        self.pace(done);
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "a wait need not be exact")]
    fn pace(&self, done: u64) {
        let Some(most) = self.options.max_rate else { return };
        let due = Duration::from_secs_f64(done as f64 / most as f64);
        while self.began.elapsed() < due && !self.host.cancelled() {
            thread::sleep(due.saturating_sub(self.began.elapsed()).min(Duration::from_millis(100)));
        }
    }

    fn count(&self) {
        self.lock().objects += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn problem(
        &self,
        storage: &str,
        (backup, object): (&str, &str),
        file: Option<String>,
        problem: String,
    ) {
        self.lock().problems.push(Problem {
            storage: storage.to_owned(),
            backup: backup.to_owned(),
            object: object.to_owned(),
            file,
            why: problem,
        });
    }
}

/// Tells whether a backup says that it is one, though it has no manifest.
fn claims(found: &Found) -> bool {
    found.info.as_ref().is_some_and(|it| backup::is_ours(it) && it.status.is_copied())
}

fn needs(info: Option<&BackupInfo>) -> Option<(SegmentName, SegmentName, u64)> {
    let info = info.filter(|it| it.status.is_copied())?;
    Some((info.begin_wal?, info.end_wal?, info.xlog_segment_size.bytes()))
}

/// The frames of a file, with the numbers of the parts that they are in.
fn expected<'a>(
    file: &'a File,
    path: &'a Arc<PathBuf>,
) -> impl Iterator<Item = (u32, Expected)> + 'a {
    file.frames.iter().enumerate().filter_map(move |(index, frame)| {
        let (_, length) = file.span(index);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (hash, place, length) = match frame {
            Frame::Zeros => return None,
            Frame::Stored { hash, place } => (*hash, *place, length),
            Frame::Patched { patch, .. } => (patch.hash, patch.place, patch.length()),
        };
        let expected = Expected {
            offset: place.offset,
            stored: place.stored,
            length,
            hash,
            file: Arc::clone(path),
        };
        Some((place.part, expected))
    })
}
