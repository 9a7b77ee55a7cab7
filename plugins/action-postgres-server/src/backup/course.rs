//! The steps of a backup.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use hayloft_plugin_api::{Error, ErrorKind, Host, Progress, Result};
use hayloft_postgres::wal::{Lsn, SegmentName, TimelineId};
use jiff::{Timestamp, Zoned, tz::TimeZone};

use super::{
    DamagedFile, Options, Report, events,
    events::About,
    found,
    lane::{Finished, Lane},
    lanes::{self, Lanes},
    leftovers,
    local::Local,
    outside,
    part::Member,
    pipeline::{self, Feed},
    record,
    session::{self, Ended, Session},
    stream::{self, Incoming},
    wait::{self, Span},
};
use crate::{
    archive,
    catalogue::{self, BackupId, BackupInfo, Moment, Status, Tablespace},
    config::{Method, Server},
    lock::{Lock, Tried},
    manifest::{FORMAT, FRAME, File, Header, Kind},
};

/// Takes a backup, with everything that belongs to it.
///
/// # Errors
///
/// If no storage has it; it is marked as failed then. A report with
/// `failures` is one that some storages have.
pub(crate) fn take(host: &Host, server: &Server, options: &Options) -> Result<Report> {
    let began = Instant::now();
    let own = own_directory(host, server)?;
    // Without it the lock in the server's database is all there is.
    let _lock = own.as_ref().map(|it| lock(server, it)).transpose()?;
    let spool = own.unwrap_or_else(std::env::temp_dir);
    let session = Session::open(server)?;
    let source = match options.method {
        Method::Local => Source::Local(Local::open(&session.facts)?),
        Method::Stream => Source::Stream,
    };
    let mut members = lanes::members(host, server)?;
    for member in &mut members {
        let facts = &session.facts;
        archive::claim_for(
            &member.storage,
            &server.name,
            (facts.system_identifier, facts.version, facts.segment),
        )?;
        if let Err(error) = leftovers::settle(&member.storage, &server.name) {
            member.fail(error);
        }
    }
    let storages: Vec<_> =
        members.iter().filter(|it| it.failed.is_none()).map(|it| &it.storage).collect();
    let previous = found::newest(&storages, &server.name)?;
    let id = BackupId::choose(Timestamp::now(), &TimeZone::system(), previous);
    let lanes = lanes::open(host, server, (id, options.base, options.method), &spool)?;
    let mut about = About {
        server: server.name.clone(),
        id,
        previous,
        status: Status::Empty,
        storages: members.iter().map(|it| it.name.clone()).collect(),
    };
    events::before(host, &about)?;
    let info = first_info(server, options, &session, (id, lanes.parent));
    let mut course =
        Course { host, server, options, session, source, members, info, id, damaged: Vec::new() };
    let outcome = course.run(lanes);
    about.status = course.info.status;
    events::after(host, &about, outcome.as_ref().err());
    let mut report = outcome?;
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

/// The directory for what is only needed while a backup is taken; none without
/// a working directory.
fn own_directory(host: &Host, server: &Server) -> Result<Option<PathBuf>> {
    use std::os::unix::fs::DirBuilderExt;
    let working = host.settings().ok().map(|it| it.working_dir).filter(|it| it.is_absolute());
    let Some(working) = working else { return Ok(None) };
    let path = working.join("postgres").join(&server.name);
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
    made.map_err(|e| Error::from(e).context(format!("cannot make {}", path.display())))?;
    Ok(Some(path))
}

fn lock(server: &Server, directory: &std::path::Path) -> Result<Lock> {
    match Lock::take(&directory.join(".backup.lock"))? {
        Tried::Taken(lock) => Ok(lock),
        Tried::Held(who) => Err(Error::new(
            ErrorKind::TRANSIENT,
            format!("a backup of server {} is being taken already, by {who}", server.name),
        )),
    }
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
        self.ended(&ended, &lanes);
        self.write(Status::Started)?;
        let header = self.header(parent);
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
        self.begun(start.lsn, start.timeline);
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
        self.begun(begin, timeline);
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

    fn begun(&mut self, begin: Lsn, timeline: TimelineId) {
        let size = self.session.facts.segment;
        self.info.begin_xlog = Some(begin);
        self.info.begin_offset = Some(begin.offset(size));
        self.info.begin_wal = Some(SegmentName::containing(begin, timeline, size));
        self.info.timeline = Some(timeline);
    }

    fn ended(&mut self, ended: &Ended, lanes: &[Lane]) {
        let info = &mut self.info;
        let size = self.session.facts.segment;
        info.begin_wal = Some(ended.first);
        info.end_wal = Some(ended.last);
        info.end_xlog = Some(ended.stopped.lsn);
        info.end_offset = Some(ended.stopped.lsn.offset(size));
        info.end_time = Some(Moment::of(&Zoned::now()));
        info.timeline = Some(ended.timeline);
        info.backup_label = Some(String::from_utf8_lossy(&ended.stopped.label).into_owned());
        if let Some(tally) = lanes.iter().find(|it| !it.has_failed()).map(Lane::tally) {
            info.size = Some(tally.size);
            info.cluster_size = Some(tally.size);
            info.deduplicated_size = Some(tally.stored);
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
            method: method_name(self.options.method).to_owned(),
            data: facts.data.clone().into(),
            owner: match &self.source {
                Source::Local(local) => Some(local.owner.clone()),
                Source::Stream => None,
            },
            frame: FRAME,
            parent: parent.as_ref().map(ToString::to_string),
            databases: facts.databases.clone(),
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
        damaged: Vec::new(),
    };
    feed.bytes(file("backup_label"), &ended.stopped.label)?;
    if ended.stopped.tablespace_map.is_empty() {
        return Ok(());
    }
    feed.bytes(file("tablespace_map"), &ended.stopped.tablespace_map)
}

fn method_name(method: Method) -> &'static str {
    match method {
        Method::Local => "local",
        Method::Stream => "stream",
    }
}

fn first_info(
    server: &Server,
    options: &Options,
    session: &Session,
    (id, parent): (BackupId, Option<BackupId>),
) -> BackupInfo {
    let facts = &session.facts;
    let text = |it: &String| (!it.is_empty()).then(|| it.clone());
    let destination = server.backup_destinations().into_iter().next();
    let named = |it: String| (it != crate::config::NONE).then_some(it);
    let (compression, encryption) =
        destination.map(|it| (named(it.compress), named(it.encrypt))).unwrap_or_default();
    tracing::info!("backup {id} of server {} begins", server.name);
    BackupInfo {
        backup_name: options.name.clone(),
        begin_time: Some(Moment::of(&Zoned::now())),
        compression,
        config_file: text(&facts.files.config),
        data_checksums: Some(if facts.checksums { "on" } else { "off" }.to_owned()),
        encryption,
        hba_file: text(&facts.files.hba),
        ident_file: text(&facts.files.ident),
        included_files: Some(facts.files.included.clone()),
        mode: Some(format!("{}{}", super::MODE, method_name(options.method))),
        parent_backup_id: parent,
        pgdata: Some(facts.data.clone()),
        server_name: Some(server.name.clone()),
        summarize_wal: facts.summarize_wal.clone(),
        systemid: Some(facts.system_identifier.to_string()),
        tablespaces: Some(
            facts
                .tablespaces
                .iter()
                .map(|it| Tablespace {
                    name: it.name.clone(),
                    oid: it.oid,
                    location: it.path.clone(),
                })
                .collect(),
        ),
        version: Some(facts.version),
        xlog_segment_size: facts.segment,
        ..BackupInfo::default()
    }
}

/// How fast it goes, and how far it is.
struct Pace {
    most: Option<u64>,
    total: u64,
    done: u64,
    began: Instant,
}

impl Pace {
    fn new(most: Option<u64>, total: u64) -> Self {
        Self { most, total, done: 0, began: Instant::now() }
    }

    /// Waits until it is time for so many bytes more.
    #[expect(clippy::cast_precision_loss, reason = "a wait need not be exact")]
    fn go(&mut self, host: &Host, file: &File, bytes: u64) {
        self.done += bytes;
        let total = self.total.max(self.done);
        let what = file.path.path().to_string_lossy();
        host.progress(Progress { what: &what, done: self.done, total });
        let Some(most) = self.most else { return };
        let due = Duration::from_secs_f64(self.done as f64 / most as f64);
        while self.began.elapsed() < due && !host.cancelled() {
            std::thread::sleep(
                due.saturating_sub(self.began.elapsed()).min(Duration::from_millis(100)),
            );
        }
    }
}
