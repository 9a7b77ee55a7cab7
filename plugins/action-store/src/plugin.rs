//! The action, as the host sees it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use hayloft_plugin_api::{
    Action, Diagnostic, Error, ErrorKind, Host, Node, Outcome, Progress, Request, Result,
    StorageHandle, Transform,
    cedar::{self, Names, text},
};
use tracing::{debug, info};

use crate::{
    days::{self, Day, STORED},
    discs,
    manifest::Manifest,
    source::{self, Listing},
    storing::{self, Stored, Target, World},
    upload::{Encoding, Fault},
};

/// Stores staged days in storages.
#[derive(Debug)]
pub struct Store {
    config: cedar::Store,
}

impl Action for Store {
    type Config = cedar::Store;

    fn new(config: cedar::Store) -> Result<Self> {
        Ok(Self { config })
    }

    fn run(&self, host: &Host, request: &Request) -> Result<Outcome> {
        let root = host.document();
        let Some(section) = root.child("store") else {
            return Err(Error::new(ErrorKind::CONFIGURATION, "the store section is missing")
                .hint("<store><storage>NAME</storage></store>, with NAME one of <storages>"));
        };
        let source = self.source_dir(&root)?;
        if self.config.storages.is_empty() && self.config.target_device.is_some() {
            let device_type = text(&self.config.device_type).unwrap_or(discs::DEFAULT_DEVICE);
            let writer = discs::open(host, device_type, section)?;
            return discs::store(&writer, host, request, (&source, self.config.warn_midnite));
        }
        let mut storages = self.open_storages(host)?;
        let mut of_trees = Vec::new();
        for at in (0..storages.len()).rev() {
            if storages[at].1.takes_trees(host, request)? {
                of_trees.insert(0, storages.remove(at));
            }
        }
        if !of_trees.is_empty() {
            discs::refuse_encodings(section)?;
        }
        let today = request.now.day_path();
        let days = days::to_store(&source, &today, request.full)?;
        let transforms = open_encodings(host, section)?;
        let encodings: Vec<_> = transforms.iter().map(|it| it as &dyn Encoding).collect();
        let created = jiff::Timestamp::from_second(request.now.unix_seconds)?.to_string();
        let world = HostWorld { host, done: AtomicU64::new(0), total: AtomicU64::new(0) };
        let run = Run {
            storages,
            of_trees,
            encodings: &encodings,
            created: &created,
            request,
            world: &world,
        };
        if request.dry_run {
            return run.preview(&days);
        }
        let mut outcome = run.store(&days)?;
        if self.config.warn_midnite {
            let others = days.iter().filter(|it| it.name != today);
            outcome.warnings.extend(others.map(|it| format!("{} is not today's day", it.name)));
        }
        if let Some(device) = text(&self.config.target_device) {
            let ignored = "is not used, because the store section names storages";
            outcome.warnings.push(format!("the device {device} {ignored}"));
        }
        Ok(outcome)
    }
}

/// How long to wait before a file is tried once more.
const PAUSE: Duration = Duration::from_secs(2);

impl Store {
    fn open_storages(&self, host: &Host) -> Result<Vec<(String, StorageHandle)>> {
        if self.config.storages.is_empty() {
            let place = &self.config.place;
            let message = "the store section names no storage";
            let help = "<storage>NAME</storage>, with NAME one of <storages>";
            let found = Diagnostic::error(place.position, &place.path, message).help(help);
            return Err(Error::configuration(vec![found]));
        }
        let mut names = BTreeSet::new();
        let mut storages = Vec::new();
        for name in self.config.storages.iter().filter(|it| names.insert(it.trim())) {
            let opened = host.storage(name.trim()).map_err(|error| {
                if error.kind() != ErrorKind::NOT_FOUND {
                    return error;
                }
                let found = Diagnostic::error(name.position, "store/storage", error.to_string());
                let found = match error.remedy() {
                    Some(remedy) => found.help(remedy),
                    None => found,
                };
                Error::configuration(vec![found])
            })?;
            storages.push((name.trim().to_owned(), opened));
        }
        Ok(storages)
    }

    /// Returns where the days are: where they are staged, or without staging
    /// where the section says.
    fn source_dir(&self, root: &Node) -> Result<PathBuf> {
        let (document, _) = cedar::read(root, &Names::any());
        let staging = document.stage.as_ref().and_then(|it| text(&it.staging_dir));
        match staging.or(text(&self.config.source_dir)) {
            Some(path) => Ok(path.into()),
            None => Err(Error::new(
                ErrorKind::CONFIGURATION,
                "neither <stage><staging_dir> nor <store><source_dir> says where the days are",
            )),
        }
    }
}

/// Opens the compressor and the encryptor that the section names.
fn open_encodings(host: &Host, section: &Node) -> Result<Vec<Transform>> {
    let name = |element: &str| {
        let text = section.child(element).map(|it| it.first_text.trim().to_owned());
        text.filter(|it| !it.is_empty() && it != "none")
    };
    let compressor = name("compressor").map(|it| host.compressor(&it));
    let encryptor = name("encryptor").map(|it| host.encryptor(&it));
    compressor.into_iter().chain(encryptor).collect()
}

/// The storages of a run and how files go into them.
struct Run<'a> {
    storages: Vec<(String, StorageHandle)>,
    /// Those that take whole days and no single files.
    of_trees: Vec<(String, StorageHandle)>,
    encodings: &'a [&'a dyn Encoding],
    created: &'a str,
    request: &'a Request,
    world: &'a HostWorld<'a>,
}

/// What the storages of a run came to.
#[derive(Default)]
struct Tally {
    stored: Stored,
    days: u64,
    /// Storages that failed; they are not asked again.
    gone: BTreeSet<String>,
    /// What storages of trees say of what they did.
    written: Vec<String>,
    failures: Vec<Error>,
    warnings: Vec<String>,
    /// Until when storages keep what was stored from being removed.
    protected: BTreeMap<String, jiff::Timestamp>,
}

impl Run<'_> {
    fn preview(&self, days: &[Day]) -> Result<Outcome> {
        let names = self.names();
        for day in days {
            let files = source::list(&day.path)?.files.len();
            info!("would store {files} files of {} in {names}", day.name);
        }
        let days = counted(days.len() as u64, "day");
        Ok(Outcome::new(format!("would store {days} in {names}")))
    }

    fn names(&self) -> String {
        let all = self.of_trees.iter().chain(&self.storages);
        all.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Writes all days into the storages that take whole days. The error is an
    /// interruption.
    fn store_trees(&self, days: &[Day], tally: &mut Tally) -> Result<()> {
        let trees = discs::trees(days);
        for (name, storage) in &self.of_trees {
            match storage.put_trees(self.world.host, self.request, &trees) {
                Ok(outcome) => {
                    tally.written.push(format!("{name}: {}", outcome.summary));
                    tally.warnings.extend(outcome.warnings);
                }
                Err(error) if error.kind() == ErrorKind::CANCELLED => return Err(error),
                Err(error) => {
                    tally.gone.insert(name.clone());
                    tally.failures.push(error.context(format!("nothing was stored in {name}")));
                }
            }
        }
        Ok(())
    }

    fn store(&self, days: &[Day]) -> Result<Outcome> {
        let mut tally = Tally::default();
        self.store_trees(days, &mut tally)?;
        for day in days {
            match source::list(&day.path) {
                Ok(listing) => self.store_day(day, &listing, &mut tally)?,
                Err(error) => tally.failures.push(error),
            }
        }
        if let Some(error) = tally.failure() {
            return Err(error);
        }
        let Stored { files, bytes, unchanged } = tally.stored;
        let days = counted(tally.days, "day");
        let mut summary = format!("{days} in {}", self.names());
        if !self.storages.is_empty() {
            let files = counted(files, "file");
            let _ = write!(summary, ": {files} stored, {unchanged} there already");
        }
        for written in &tally.written {
            let _ = write!(summary, "; {written}");
        }
        for (name, until) in &tally.protected {
            let _ = write!(summary, "; locked in {name} until {until:.0}");
        }
        let mut outcome = Outcome { warnings: tally.warnings, ..Outcome::new(summary) };
        if let Some(until) = tally.protected.values().max() {
            outcome = outcome.value("protected_until", format!("{until:.0}"));
        }
        let figures =
            [("days", tally.days), ("files", files), ("bytes", bytes), ("unchanged", unchanged)];
        Ok(figures.into_iter().fold(outcome, |outcome, (name, n)| outcome.value(name, n)))
    }

    /// Stores a day everywhere, and marks it as stored if that went well. The
    /// error is an interruption; every other failure goes into the tally.
    fn store_day(&self, day: &Day, listing: &Listing, tally: &mut Tally) -> Result<()> {
        let skipped = if self.storages.is_empty() { &[][..] } else { &listing.others };
        for other in skipped {
            let path = other.to_string_lossy();
            let path = path.escape_debug();
            tally.warnings.push(format!("{path} is no regular file and was not stored"));
        }
        let size: u64 = listing.files.iter().map(|it| it.size).sum();
        let mut everywhere = self.of_trees.iter().all(|(name, _)| !tally.gone.contains(name));
        for (name, storage) in &self.storages {
            if tally.gone.contains(name) {
                everywhere = false;
                continue;
            }
            self.world.total.fetch_add(size, Ordering::Relaxed);
            let target = Target {
                objects: storage,
                encodings: self.encodings,
                created: self.created,
                pause: PAUSE,
                world: self.world,
            };
            let context =
                |error: Error| error.context(format!("{} was not stored in {name}", day.name));
            match storing::store(day, listing, target) {
                Ok(stored) => {
                    info!("stored {} files of {} in {name}", stored.files, day.name);
                    tally.stored.files += stored.files;
                    tally.stored.bytes += stored.bytes;
                    tally.stored.unchanged += stored.unchanged;
                    tally.note_protection(name, storage, day);
                    continue;
                }
                Err(Fault::Storage(error)) if error.kind() == ErrorKind::CANCELLED => {
                    return Err(error);
                }
                Err(Fault::Storage(error)) => {
                    tally.gone.insert(name.clone());
                    tally.failures.push(context(error));
                }
                Err(Fault::Source(error)) => tally.failures.push(context(error)),
            }
            everywhere = false;
        }
        if everywhere {
            self.world.host.touch(&day.path.join(STORED))?;
            tally.days += 1;
        }
        Ok(())
    }
}

fn counted(n: u64, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}

impl Tally {
    /// Asks until when the storage protects a day: its manifest was written
    /// last, so that it stands for all of it. Who may not ask does not know.
    fn note_protection(&mut self, name: &str, storage: &StorageHandle, day: &Day) {
        let protection = match storage.protection(&Manifest::key(&day.name)) {
            Ok(protection) => protection,
            Err(error) => return debug!("{name} does not say what it protects: {error}"),
        };
        let until = protection.and_then(|it| it.until_ns);
        if let Some(until) = until.and_then(|it| jiff::Timestamp::from_nanosecond(it.into()).ok()) {
            let latest = self.protected.get(name).map_or(until, |it| until.max(*it));
            self.protected.insert(name.to_owned(), latest);
        }
    }

    fn failure(&mut self) -> Option<Error> {
        let count = self.failures.len();
        let mut failures = self.failures.drain(..).rev();
        let last = failures.next()?;
        let error = failures.fold(last, |error, next| error.context(next.to_string()));
        if count == 1 {
            return Some(error);
        }
        Some(error.context(format!("{count} failures; days that could be stored are stored")))
    }
}

/// The host, as storing uses it.
struct HostWorld<'a> {
    host: &'a Host,
    done: AtomicU64,
    total: AtomicU64,
}

impl World for HostWorld<'_> {
    fn check_cancelled(&self) -> Result<()> {
        self.host.check_cancelled()
    }

    fn advanced(&self, what: &str, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let total = self.total.load(Ordering::Relaxed);
        self.host.progress(Progress { what, done, total });
    }
}
