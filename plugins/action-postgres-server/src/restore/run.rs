//! The steps of a restore.

use std::{
    collections::HashSet,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::Ordering,
        mpsc::{SyncSender, sync_channel},
    },
    thread,
    time::Instant,
};

use blake3::Hash;
use hayloft_plugin_api::{Error, ErrorKind, Event, Host, Progress, Result};

use super::{
    Options, Report,
    choose::choose,
    fetch::{Copy, Fetcher, Job},
    ground::{self, Ground, MARK},
    plan::{Batch, Out, Patched, Piece, Plan},
    sequential::Sequential,
    settings::{self, Fetching},
    small::{Small, Special},
    survey::Survey,
    tree::Tree,
    wal,
};
use crate::{
    backup::{self, Found},
    catalogue::BackupId,
    config::Server,
    manifest::{Entry, File, Frame, Patch, Place, Reader},
};

/// Restores a backup.
///
/// # Errors
///
/// If it cannot be, or is damaged. What was begun cannot be started then; the
/// same with `delta` goes on with it.
pub(crate) fn restore(host: &Host, server: &Server, options: &Options) -> Result<Report> {
    let began = Instant::now();
    let source = Source::find(host, server, options)?;
    wal::check(host, server, &source.found)?;
    let ground = ground::inspect(options, &source.survey)?;
    let databases = unwanted(options, &source.survey)?;
    let fetching = fetching(host, server)?;
    let event = event(host, server, &source, &ground);
    if options.announced {
        host.emit(&Event { name: "pre_recovery".to_owned(), ..event.clone() })?;
    }
    let outcome = Restore {
        host,
        server,
        options,
        source: &source,
        ground: &ground,
        databases,
        fetching: &fetching,
    }
    .run();
    let error = outcome.as_ref().err().map(ToString::to_string).unwrap_or_default();
    let done = if error.is_empty() { "done" } else { "failed" };
    let after = Event { name: "post_recovery".to_owned(), ..event };
    let after = after.field("error", error.clone()).field("barman.error", error);
    let after = after.field("outcome", done).field("barman.phase", "post");
    if options.announced
        && let Err(error) = host.emit(&after)
    {
        tracing::warn!("{error}");
    }
    let mut report = outcome?;
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

/// How the server is to fetch WAL.
fn fetching(host: &Host, server: &Server) -> Result<Fetching> {
    let it = Fetching {
        program: std::env::current_exe()?,
        configuration: std::path::absolute(host.settings()?.configuration)?,
        server: server.name.clone(),
    };
    it.command().map(|_| it)
}

fn event(host: &Host, server: &Server, source: &Source, ground: &Ground) -> Event {
    let settings = host.settings().unwrap_or_default();
    let id = source.survey.header.id.clone();
    let facts = [
        ("server", server.name.clone()),
        ("backup_id", id.clone()),
        ("backup_dir", format!("{}/base/{id}", server.name)),
        ("destination_directory", ground.data.display().to_string()),
    ];
    let mut it = Event::new("pre_recovery");
    for (name, value) in facts {
        it = it.field(name, value.clone()).field(format!("barman.{name}"), value);
    }
    it.field("barman.hook", "recovery_script")
        .field("barman.phase", "pre")
        .field("barman.version", env!("CARGO_PKG_VERSION"))
        .field("barman.configuration", settings.configuration.display().to_string())
}

/// The backup, where it is.
#[derive(Debug)]
struct Source {
    found: Found,
    survey: Survey,
    /// The storages that have the same objects.
    copies: Vec<Copy>,
}

impl Source {
    fn find(host: &Host, server: &Server, options: &Options) -> Result<Self> {
        let names = match &options.storage {
            Some(name) => vec![name.clone()],
            None => server.backup_storages(),
        };
        let mut all: Vec<(Copy, Vec<Found>)> = Vec::new();
        let mut last = None;
        for name in names {
            let looked = host.storage(&name).and_then(|storage| {
                let found = backup::all(&storage, &server.name)?;
                Ok((Copy { name: name.clone(), storage }, found))
            });
            match looked {
                Ok(it) => all.push(it),
                Err(error) => {
                    tracing::warn!("cannot look into storage {name}: {error}");
                    last = Some(error);
                }
            }
        }
        if all.is_empty() {
            let none = || {
                Error::new(
                    ErrorKind::CONFIGURATION,
                    format!("server {} has no <storage>", server.name),
                )
            };
            return Err(last.unwrap_or_else(none));
        }
        let union = union(&all);
        let history = wal::history(host, server, options.target.timeline)?;
        let id = choose(&union, &options.which, &options.target, history.as_ref())?;
        let missing = || Error::new(ErrorKind::NOT_FOUND, format!("there is no backup {id}"));
        let found = union.into_iter().find(|it| it.id == id).ok_or_else(missing)?;
        let (survey, copies) = surveyed(host, server, id, all)?;
        Ok(Self { found, survey, copies })
    }
}

/// All backups of all storages; one that can be restored from anywhere counts
/// as that.
fn union(all: &[(Copy, Vec<Found>)]) -> Vec<Found> {
    let mut union: Vec<Found> = Vec::new();
    for found in all.iter().flat_map(|it| &it.1) {
        match union.iter_mut().find(|it| it.id == found.id) {
            None => union.push(found.clone()),
            Some(known) if !(known.is_restorable() || known.is_foreign()) => *known = found.clone(),
            Some(_) => {}
        }
    }
    union.sort_by_key(|it| it.id);
    union
}

/// Reads the manifest in each storage; those that have the same one as the
/// first help it out.
fn surveyed(
    host: &Host,
    server: &Server,
    id: BackupId,
    all: Vec<(Copy, Vec<Found>)>,
) -> Result<(Survey, Vec<Copy>)> {
    let mut chosen: Option<Survey> = None;
    let (mut copies, mut last) = (Vec::new(), None);
    for (copy, found) in all {
        let usable = |it: &&Found| it.id == id && (it.is_restorable() || it.is_foreign());
        let Some(found) = found.iter().find(usable) else { continue };
        match (Survey::of(host, &copy.storage, &server.name, found), &chosen) {
            (Ok(survey), None) => {
                chosen = Some(survey);
                copies.push(copy);
            }
            (Ok(survey), Some(first)) if survey.digest == first.digest => copies.push(copy),
            (Ok(_), Some(_)) => {}
            (Err(error), _) => {
                let error =
                    error.context(format!("cannot use backup {id} in storage {}", copy.name));
                tracing::warn!("{error}");
                last = Some(error);
            }
        }
    }
    let none = || last.unwrap_or_else(|| Error::msg(format!("backup {id} is in no storage")));
    chosen.map(|it| (it, copies)).ok_or_else(none)
}

/// The databases whose content is not wanted; none if all are.
fn unwanted(options: &Options, survey: &Survey) -> Result<HashSet<u32>> {
    /// The numbers below are those of what `initdb` makes.
    const FIRST: u32 = 16384;
    let wanted: Vec<u32> =
        options.databases.iter().map(|it| survey.database(it)).collect::<Result<_>>()?;
    if wanted.is_empty() {
        return Ok(HashSet::new());
    }
    let others = survey.header.databases.iter().map(|it| it.oid);
    Ok(others.filter(|it| *it >= FIRST && !wanted.contains(it)).collect())
}

struct Restore<'a> {
    host: &'a Host,
    server: &'a Server,
    options: &'a Options,
    source: &'a Source,
    ground: &'a Ground,
    databases: HashSet<u32>,
    fetching: &'a Fetching,
}

impl Restore<'_> {
    fn run(&self) -> Result<Report> {
        let survey = &self.source.survey;
        let mut tree = Tree::new(self.ground, survey.header.owner.clone());
        tree.begin(0o700)?;
        let mark = format!("{}\n{}\n", survey.header.system_identifier, survey.header.id);
        tree.write_small(Path::new(MARK), 0o600, mark.as_bytes())?;
        tree.remove(Path::new(super::small::CONTROL))?;
        let (small, written) = self.files(&mut tree)?;
        tree.remove_others()?;
        let moved = survey.header.data.path() != self.ground.data;
        let mut warnings =
            small.configure(&mut tree, (&self.options.target, self.fetching), moved)?;
        warnings.extend(settings::subscriptions(&survey.header.subscriptions));
        tree.sync()?;
        small.control(&mut tree)?;
        tree.remove(Path::new(MARK))?;
        tree.sync()?;
        if !self.databases.is_empty() {
            warnings.push(
                "only some databases have their content: drop the others when the server works"
                    .to_owned(),
            );
        }
        Ok(Report {
            server: self.server.name.clone(),
            id: survey.header.id.clone(),
            storage: self.source.copies.first().map(|it| it.name.clone()).unwrap_or_default(),
            directory: self.ground.data.clone(),
            files: survey.files,
            size: survey.size,
            written,
            warnings,
            seconds: 0.0,
        })
    }

    /// Restores all files but those that need more than their content.
    fn files(&self, tree: &mut Tree) -> Result<(Small, u64)> {
        let source = self.source;
        let id: BackupId = source.survey.header.id.parse()?;
        let first = source.copies.first().ok_or_else(|| Error::msg("there is no storage"))?;
        let reader = match &source.survey.foreign {
            Some(foreign) => foreign.manifest()?,
            None => backup::open_manifest(self.host, &first.storage, &self.server.name, id)?,
        };
        let parts = &source.survey.parts;
        let server = &self.server.name;
        let fetcher = Fetcher::new(self.host, server, parts, &source.copies, self.options.cached)?;
        let (give, jobs) = sync_channel(self.options.workers);
        let jobs = Mutex::new(jobs);
        let small = thread::scope(|scope| {
            for _ in 0..self.options.workers {
                scope.spawn(|| fetcher.work(&jobs));
            }
            let sequential = Sequential::new(self.host, &self.server.name, parts, &source.copies);
            let small = Small::default();
            Giver { restore: self, fetcher: &fetcher, give, sequential, small, done: 0 }
                .run(reader, tree)
        })?;
        fetcher.check()?;
        Ok((small, fetcher.written.load(Ordering::Relaxed)))
    }
}

/// Goes through the manifest, and gives workers what to do.
struct Giver<'a> {
    restore: &'a Restore<'a>,
    fetcher: &'a Fetcher<'a>,
    give: SyncSender<Job>,
    sequential: Sequential<'a>,
    small: Small,
    done: u64,
}

impl Giver<'_> {
    fn run(mut self, mut reader: Reader, tree: &mut Tree) -> Result<Small> {
        let mut queue: Vec<Batch> = Vec::new();
        let mut plan = Plan::default();
        while let Some(entry) = reader.next()? {
            self.restore.host.check_cancelled()?;
            self.fetcher.check()?;
            match entry {
                Entry::Directory(it) => tree.directory(&it)?,
                Entry::Tablespace(it) => {
                    let spaces = &self.restore.ground.tablespaces;
                    let to = spaces.iter().find(|(space, _)| space.oid == it.oid);
                    let to = to.ok_or_else(|| Error::msg("a tablespace has no place"))?;
                    tree.tablespace(&it, &to.1)?;
                }
                Entry::File(file) => {
                    self.file(&file, tree, &mut plan, &mut queue)?;
                    self.send(&mut queue)?;
                }
            }
        }
        queue.extend(plan.flush());
        self.send(&mut queue)?;
        Ok(self.small)
    }

    fn file(
        &mut self,
        file: &File,
        tree: &mut Tree,
        plan: &mut Plan,
        queue: &mut Vec<Batch>,
    ) -> Result<()> {
        match Special::of(file) {
            Special::Dropped => return Ok(()),
            Special::Kept => {
                // Encrypted parts are read in order.
                queue.extend(plan.flush());
                self.send(queue)?;
                let content = self.content(file)?;
                self.small.keep(file, content);
                return Ok(());
            }
            Special::Not => {}
        }
        let there = tree.file(file.path.path(), (file.mode, file.size))?;
        let out = Arc::new(Out {
            at: self.restore.ground.data.join(file.path.path()),
            name: file.path.path().to_owned(),
            there,
        });
        self.frames(file, &out, plan, queue)
    }

    fn frames(
        &mut self,
        file: &File,
        out: &Arc<Out>,
        plan: &mut Plan,
        queue: &mut Vec<Batch>,
    ) -> Result<()> {
        let empty = self.restore.is_unwanted(file);
        for (index, frame) in file.frames.iter().enumerate() {
            let (at, length) = file.span(index);
            self.step(out, length)?;
            let length = usize::try_from(length).map_err(|_| Error::msg("a frame is too large"))?;
            let (hash, place, patch) = match frame {
                Frame::Stored { hash, place } if !empty => (*hash, *place, None),
                Frame::Patched { hash, patch } if !empty => {
                    (*hash, patch.base, Some(self.patched(*patch, plan, queue)?))
                }
                _ => {
                    if out.there {
                        self.job(Job::Zeros(Arc::clone(out), at, length))?;
                    }
                    continue;
                }
            };
            let (offset, stored) = (place.offset, place.stored);
            let file = Arc::clone(out);
            queue.extend(plan.add(place, Piece { file, at, length, hash, offset, stored, patch }));
            self.send(queue)?;
        }
        Ok(())
    }

    /// Reads blocks that can only be read in order, after everything that comes
    /// before them.
    fn patched(
        &mut self,
        patch: Patch,
        plan: &mut Plan,
        queue: &mut Vec<Batch>,
    ) -> Result<Patched> {
        if !self.sequential.is_for(patch.place.part) {
            return Ok(Patched { patch, read: None });
        }
        queue.extend(plan.flush());
        self.send(queue)?;
        let read = Some(self.sequential.read(patch.place.part, span(patch.place))?);
        Ok(Patched { patch, read })
    }

    fn step(&mut self, out: &Out, bytes: u64) -> Result<()> {
        self.done += bytes;
        let total = self.restore.source.survey.size;
        let what = out.name.to_string_lossy();
        self.restore.host.progress(Progress { what: &what, done: self.done, total });
        self.restore.host.check_cancelled()
    }

    fn send(&mut self, queue: &mut Vec<Batch>) -> Result<()> {
        for mut batch in queue.drain(..) {
            if self.sequential.is_for(batch.part) {
                batch.content = Some(self.sequential.read(batch.part, Batch::span(&batch.pieces))?);
            }
            self.job(Job::Batch(batch))?;
        }
        Ok(())
    }

    fn job(&self, job: Job) -> Result<()> {
        self.fetcher.check()?;
        self.give.send(job).map_err(|_| Error::msg("the workers have ended"))
    }

    /// Reads a whole small file.
    fn content(&mut self, file: &File) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        for (index, frame) in file.frames.iter().enumerate() {
            let (_, length) = file.span(index);
            let length = usize::try_from(length).map_err(|_| Error::msg("a frame is too large"))?;
            match frame {
                Frame::Zeros => content.resize(content.len() + length, 0),
                Frame::Stored { hash, place } => {
                    content.extend(self.at(*place, (Some(*hash), length), file)?);
                }
                Frame::Patched { hash, patch } => {
                    let mut whole = self.at(patch.base, (None, length), file)?;
                    let own = (Some(patch.hash), patch.length());
                    patch.apply(&self.at(patch.place, own, file)?, &mut whole);
                    if blake3::hash(&whole) != *hash {
                        let message = format!("{} is damaged", file.path.path().display());
                        return Err(Error::new(ErrorKind::CORRUPT, message));
                    }
                    content.extend(whole);
                }
            }
        }
        Ok(content)
    }

    /// Reads what is at a place.
    fn at(
        &mut self,
        place: Place,
        expected: (Option<Hash>, usize),
        file: &File,
    ) -> Result<Vec<u8>> {
        let read = self.sequential.is_for(place.part);
        let read = read.then(|| self.sequential.read(place.part, span(place))).transpose()?;
        self.fetcher.frame(place, expected, read, file.path.path())
    }
}

fn span(place: Place) -> (u64, u64) {
    (place.offset, place.offset.saturating_add(u64::from(place.stored)))
}

impl Restore<'_> {
    /// Tells whether a file is one of a database whose content is not wanted.
    /// Its directory must be of a database all the same, to be dropped.
    fn is_unwanted(&self, file: &File) -> bool {
        if self.databases.is_empty() {
            return false;
        }
        let names: Vec<&str> = file.path.path().iter().filter_map(|it| it.to_str()).collect();
        let (database, name) = match names.as_slice() {
            ["base", database, name] | ["pg_tblspc", _, _, database, name] => (database, *name),
            _ => return false,
        };
        let of_it = database.parse().is_ok_and(|it: u32| self.databases.contains(&it));
        of_it && name != "PG_VERSION" && name != "pg_filenode.map"
    }
}
