//! The steps of a backup.

use std::{path::Path, sync::Arc, time::Instant};

use hayloft_plugin_api::{Error, ErrorKind, Host, Progress, Result};
use jiff::{Timestamp, tz::TimeZone};

use super::{
    DamagedFile, Options, Report,
    complete::complete,
    describe, events,
    events::About,
    found,
    lane::{Finished, Lane},
    lanes::{self, Lanes, Wanted},
    leftovers,
    local::Local,
    outside,
    pace::Pace,
    part::Member,
    pipeline::{self, Feed},
    record,
    resume::{self, Dead},
    session::{self, Ended, Session},
    stream::{self, Incoming},
    wait::{self, Span},
};
use crate::{
    archive,
    catalogue::{self, BackupId, BackupInfo, Guard, Place, Status, Work},
    config::{Method, Server},
    directories,
    manifest::{Blocks, FORMAT, FRAME, File, Header, Kind},
};

/// Takes a backup, with everything that belongs to it.
///
/// # Errors
///
/// If no storage has it; it is marked as failed then. A report with
/// `failures` is one that some storages have.
pub(crate) fn take(host: &Host, server: &Server, options: &Options) -> Result<Report> {
    let began = Instant::now();
    let mut members = lanes::members(host, server)?;
    let guard = guard(host, server, &mut members)?;
    let session = Session::open(server)?;
    let source = match options.method {
        Method::Local => Source::Local(Local::open(&session.facts)?),
        Method::Stream => Source::Stream,
    };
    claim(server, &session, &mut members)?;
    let own = directories::own(host, &server.name)?;
    let dead = prepare(server, options, own.as_deref(), &mut members)?;
    if let Err(error) = complete(host, server) {
        tracing::warn!("backups that wait for WAL still do: {error}");
    }
    let (id, previous) = name(server, dead.as_ref(), &members)?;
    let (base, method, own) = (options.base, options.method, own.as_deref());
    let wanted = Wanted { id, base, method, members: &members, own, dead };
    let lanes = lanes::open(host, server, wanted)?;
    let mut about = About {
        server: server.name.clone(),
        id,
        previous,
        status: Status::Empty,
        storages: members.iter().map(|it| it.name.clone()).collect(),
    };
    events::before(host, &about)?;
    let info = describe::first(server, options, &session.facts, (id, lanes.parent));
    let damaged = Vec::new();
    let mut course =
        Course { host, server, options, session, source, members, info, id, damaged, guard };
    let outcome = course.run(lanes);
    // Whatever came of it, there is nothing to be gone on with.
    if let Some(own) = own {
        resume::forget(own);
    }
    about.status = course.info.status;
    events::after(host, &about, outcome.as_ref().err());
    course.guard.release();
    let mut report = outcome?;
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

/// Sees to it that nobody else takes a backup of the server. A storage that
/// does not tell gets none.
fn guard(host: &Host, server: &Server, members: &mut [Member]) -> Result<Guard> {
    let mut places = Vec::new();
    for member in members.iter() {
        let storage = Arc::new(host.storage(&member.name)?);
        places.push(Place { name: member.name.clone(), storage });
    }
    let mut failed = |name: &str, error: Error| {
        if error.kind() == ErrorKind::CANCELLED {
            return Err(error);
        }
        // The lock of this machine and that of the server's database are left.
        if error.kind() == ErrorKind::UNSUPPORTED {
            tracing::warn!("{error}");
        } else if let Some(it) = members.iter_mut().find(|it| it.name == name) {
            it.fail(error);
        }
        Ok(())
    };
    let taken = Guard::take_where(host, (&server.name, Work::Backup), &places, &mut failed)?;
    taken.map_err(|who| {
        let message = format!("a backup of server {} is being taken already: {who}", server.name);
        Error::new(ErrorKind::TRANSIENT, message)
    })
}

/// Makes sure that storages are not those of another cluster. One that does
/// not tell gets no backup.
fn claim(server: &Server, session: &Session, members: &mut [Member]) -> Result<()> {
    let facts = &session.facts;
    for member in members.iter_mut().filter(|it| it.failed.is_none()) {
        let cluster = (facts.system_identifier, facts.version, facts.segment);
        match archive::claim_for(&member.storage, &server.name, cluster) {
            Err(error) if error.kind() == ErrorKind::ALREADY_EXISTS => return Err(error),
            Err(error) => member.fail(error),
            Ok(()) => {}
        }
    }
    Ok(())
}

/// Puts in order what was interrupted; returns what is gone on with.
fn prepare(
    server: &Server,
    options: &Options,
    own: Option<&Path>,
    members: &mut [Member],
) -> Result<Option<Dead>> {
    let dead = own.map(|it| Dead::find(it, &server.name, members)).transpose();
    // A storage that does not tell now does not tell in a moment either.
    let dead = dead.unwrap_or_else(|error| {
        tracing::warn!("whether there is a backup to be gone on with is not known: {error}");
        None
    });
    let dead = dead.flatten();
    if dead.is_none() && options.resume {
        let message = format!("there is no backup of server {} to be gone on with", server.name);
        return Err(Error::new(ErrorKind::NOT_FOUND, message).hint(
            "only the newest one can be, on the machine on which it was killed, when one of its \
             parts is stored; leave --resume away to begin anew",
        ));
    }
    let spared = dead.as_ref().map(|it| it.id);
    for member in members.iter_mut().filter(|it| it.failed.is_none()) {
        if let Err(error) = leftovers::settle(&member.storage, &server.name, spared) {
            member.fail(error);
        }
    }
    Ok(dead)
}

/// Names a backup, and the one before it.
fn name(
    server: &Server,
    dead: Option<&Dead>,
    members: &[Member],
) -> Result<(BackupId, Option<BackupId>)> {
    let good = members.iter().filter(|it| it.failed.is_none()).map(|it| &it.storage);
    let good: Vec<_> = good.collect();
    if let Some(dead) = dead {
        tracing::info!("backup {} was interrupted, and is gone on with", dead.id);
        return Ok((dead.id, found::newest(&good, &server.name, Some(dead.id))?));
    }
    let previous = found::newest(&good, &server.name, None)?;
    let id = BackupId::choose(Timestamp::now(), &TimeZone::system(), previous);
    Ok((id, previous))
}

struct Course<'a> {
    host: &'a Host,
    server: &'a Server,
    options: &'a Options,
    session: Session,
    source: Source,
    members: Vec<Member>,
    info: BackupInfo,
    id: BackupId,
    /// What the server says of damaged files.
    damaged: Vec<DamagedFile>,
    guard: Guard,
}

/// Where the files come from.
enum Source {
    /// From this machine.
    Local(Local),
    /// From the server.
    Stream,
}

/// What is known when the files are stored.
struct Stored {
    finished: Vec<Finished>,
    ended: Ended,
}

impl Course<'_> {
    fn run(&mut self, lanes: Lanes) -> Result<Report> {
        let stored = match self.store(lanes) {
            Ok(stored) => stored,
            Err(error) => {
                self.fail(&error);
                return Err(error);
            }
        };
        self.drop_failed(&stored.finished);
        self.write(Status::WaitingForWals)?;
        let missing = self.wait(&stored.ended)?;
        if missing.is_none() {
            self.write(Status::Done)?;
        }
        Ok(self.report(stored, missing))
    }

    /// Everything up to the manifests.
    fn store(&mut self, lanes: Lanes) -> Result<Stored> {
        self.write(Status::Empty)?;
        self.check_parent(lanes.parent)?;
        self.host.progress(Progress { what: "waiting for a checkpoint", done: 0, total: 0 });
        let parent = lanes.parent;
        let (mut lanes, ended) = match self.source {
            Source::Local(_) => self.store_local(lanes)?,
            Source::Stream => self.store_stream(lanes)?,
        };
        pipeline::each(&mut lanes, Lane::finish_parts)?;
        lanes.iter().filter(|it| !it.has_failed()).for_each(Lane::drop_unused);
        let facts = &self.session.facts;
        describe::ended(&mut self.info, &ended, facts.segment);
        describe::sizes(&mut self.info, &lanes);
        self.write(Status::Started)?;
        let header = self.header(parent);
        self.guard.check()?;
        let write = |lane: Lane| lane.write_manifest(header.clone());
        let finished: Vec<Finished> = lanes.into_iter().map(write).collect();
        if finished.iter().flat_map(|it| &it.members).all(|it| it.failed.is_some()) {
            let first = finished.into_iter().flat_map(|it| it.members).find_map(|it| it.failed);
            return Err(first.unwrap_or_else(|| Error::msg("there is no storage")));
        }
        Ok(Stored { finished, ended })
    }

    /// What it is compared with must not be going away just now.
    fn check_parent(&self, parent: Option<BackupId>) -> Result<()> {
        let Some(parent) = parent else { return Ok(()) };
        for member in self.members.iter().filter(|it| it.failed.is_none()) {
            if catalogue::is_going(&member.storage, &self.server.name, parent)? {
                let message = format!("backup {parent} is being deleted from {}", member.name);
                return Err(Error::new(ErrorKind::TRANSIENT, message)
                    .context("there is nothing that it could be compared with")
                    .hint("take a full backup, or compare with another one (--parent)"));
            }
        }
        Ok(())
    }

    fn label(&self) -> String {
        format!("Hayloft backup {} of {}", self.id, self.server.name)
    }

    fn store_local(&mut self, lanes: Lanes) -> Result<(Vec<Lane>, Ended)> {
        let start = self.session.start(&self.label(), self.options.fast)?;
        describe::begun(&mut self.info, (start.lsn, start.timeline), self.session.facts.segment);
        self.write(Status::Started)?;
        let Source::Local(local) = &self.source else { return Err(Error::msg("no directory")) };
        let mut pace = Pace::new(self.options.max_rate, local.size()?);
        let mut step = |file: &File, bytes: u64| self.step(&mut pace, file, bytes);
        let Lanes { all, cursors, workshop, .. } = lanes;
        let with = (cursors, self.options.workers);
        pipeline::run(&workshop, all, with, &mut step, |feed| {
            local.feed(feed)?;
            let ended = self.session.stop(&start)?;
            labels(feed, &ended)?;
            outside::feed(feed, &self.session.facts.files, local.data())?;
            Ok(ended)
        })
    }

    fn store_stream(&mut self, lanes: Lanes) -> Result<(Vec<Lane>, Ended)> {
        let mut connection = stream::connect(self.server)?;
        let options = stream::options(&self.label(), self.options.fast, self.options.max_rate);
        let backup = connection.base_backup(&options).map_err(|e| session::failed(&e))?;
        let spaces = self.session.facts.tablespaces.clone();
        let mut incoming = Incoming::new(backup, &spaces);
        let (begin, timeline) = incoming.start()?;
        describe::begun(&mut self.info, (begin, timeline), self.session.facts.segment);
        self.write(Status::Started)?;
        let mut pace = Pace::new(None, 0);
        let mut step = |file: &File, bytes: u64| self.step(&mut pace, file, bytes);
        let Lanes { all, cursors, workshop, .. } = lanes;
        let with = (cursors, self.options.workers);
        let size = self.session.facts.segment;
        let done = pipeline::run(&workshop, all, with, &mut step, |feed| {
            incoming.feed(feed, (begin, timeline, size))
        })?;
        self.damaged = incoming.damaged;
        Ok(done)
    }

    fn step(&self, pace: &mut Pace, file: &File, bytes: u64) -> Result<()> {
        self.host.check_cancelled()?;
        self.session.check()?;
        self.guard.check()?;
        pace.go(self.host, file, bytes);
        Ok(())
    }

    fn wait(&self, ended: &Ended) -> Result<Option<String>> {
        let Some(patience) = self.options.patience else { return Ok(Some(ended.last.to_string())) };
        let span = Span { first: ended.first, last: ended.last, size: self.session.facts.segment };
        self.host.progress(Progress { what: "waiting for WAL", done: 0, total: 0 });
        let how = (patience, self.session.facts.in_recovery);
        Ok(wait::for_wal(self.host, self.server, span, how)?.as_ref().map(ToString::to_string))
    }

    fn write(&mut self, status: Status) -> Result<()> {
        self.info.status = status;
        record::write_all(&mut self.members, &self.server.name, &self.id.to_string(), &self.info)
    }

    /// Says everywhere that it failed.
    fn fail(&mut self, error: &Error) {
        let why = crate::intake::chain(error);
        self.info.status = Status::Failed;
        for member in &self.members {
            let id = self.id.to_string();
            let failed = record::fail(&member.storage, &self.server.name, &id, (&self.info, &why));
            if let Err(error) = failed {
                tracing::warn!("backup {id} is not marked as failed in {}: {error}", member.name);
            }
        }
    }

    /// Storages that lack something have no backup.
    fn drop_failed(&mut self, finished: &[Finished]) {
        for it in finished.iter().flat_map(|it| &it.members) {
            let Some(error) = &it.failed else { continue };
            let ours = self.members.iter_mut().find(|member| member.name == it.name);
            let Some(member) = ours.filter(|it| it.failed.is_none()) else { continue };
            let why = crate::intake::chain(error);
            let id = self.id.to_string();
            drop(record::fail(&member.storage, &self.server.name, &id, (&self.info, &why)));
            member.failed = Some(error.clone());
        }
    }

    fn header(&self, parent: Option<BackupId>) -> Header {
        let facts = &self.session.facts;
        Header {
            format: FORMAT,
            id: self.id.to_string(),
            server: self.server.name.clone(),
            system_identifier: facts.system_identifier,
            version: facts.version_number,
            checksums: facts.checksums,
            segment_size: facts.segment.bytes(),
            method: describe::method_name(self.options.method).to_owned(),
            data: facts.data.clone().into(),
            owner: match &self.source {
                Source::Local(local) => Some(local.owner.clone()),
                Source::Stream => None,
            },
            frame: FRAME,
            parent: parent.as_ref().map(ToString::to_string),
            databases: facts.databases.clone(),
            subscriptions: facts.subscriptions.clone(),
            resumed: false,
            parts: 0,
        }
    }

    fn report(&self, stored: Stored, waits_for: Option<String>) -> Report {
        let (good, bad): (Vec<_>, Vec<_>) = self.members.iter().partition(|it| it.failed.is_none());
        let good_one = |it: &Finished| it.members.iter().any(|it| it.failed.is_none());
        let first = stored.finished.into_iter().find(good_one);
        let (tally, mut damaged) = first.map(|it| (it.tally, it.damaged)).unwrap_or_default();
        damaged.extend(self.damaged.clone());
        Report {
            server: self.server.name.clone(),
            id: self.id,
            status: self.info.status,
            parent: self.info.parent_backup_id,
            tally,
            storages: good.into_iter().map(|it| it.name.clone()).collect(),
            failures: bad
                .into_iter()
                .filter_map(|it| it.failed.as_ref())
                .map(crate::intake::chain)
                .collect(),
            damaged,
            begin_wal: stored.ended.first.to_string(),
            end_wal: stored.ended.last.to_string(),
            seconds: 0.0,
            waits_for,
        }
    }
}

/// The files that the server gives at the end.
fn labels(feed: &mut Feed<'_>, ended: &Ended) -> Result<()> {
    let now = Timestamp::now().as_second();
    let file = |path: &str| File {
        path: path.into(),
        kind: Kind::Data,
        mode: 0o600,
        modified: now,
        size: 0,
        frames: Vec::new(),
        blocks: Blocks::default(),
        damaged: Vec::new(),
    };
    feed.bytes(file("backup_label"), &ended.stopped.label)?;
    if ended.stopped.tablespace_map.is_empty() {
        return Ok(());
    }
    feed.bytes(file("tablespace_map"), &ended.stopped.tablespace_map)
}
