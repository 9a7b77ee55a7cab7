//! The steps of a drill.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use hayloft_plugin_api::{Error, ErrorKind, Host, Result};
use hayloft_postgres::{
    cluster::{
        self, Account, ControlFile, DataDirectory, Directory, Patience, StopMode, StopOptions,
    },
    wal::{BackupLabel, FileName, Gap, Inventory, Lsn, SegmentSize, Start},
};
use jiff::Timestamp;

use super::{
    checks::{self, Looked},
    checksums, events,
    feed::Feed,
    place,
    replay::{self, Replayed, Wanted},
    report::{self, Report},
    scratch::Scratch,
    tame,
};
use crate::{
    archive::Archive,
    config::Server,
    restore::{self, Action, Goal, Target, Timeline, Which},
};

/// Whom the scratch server runs under, where we are root.
const USER: &str = "postgres";
/// How long it may take to stop.
const STOP: Duration = Duration::from_mins(5);

/// What is to be proved.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The backup.
    pub(crate) which: Which,
    /// What is recovered to.
    pub(crate) target: Target,
    /// The storage; any that has the backup if there is none.
    pub(crate) storage: Option<String>,
    /// How many threads restore and look.
    pub(crate) workers: usize,
}

/// How many threads restore and look, unless told otherwise.
const WORKERS: usize = 8;

impl Options {
    /// The latest backup and everything that is archived, with all processors.
    pub(crate) fn usual() -> Self {
        let processors = thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            which: Which::Auto,
            target: Target {
                goal: Goal::End,
                timeline: Timeline::Latest,
                exclusive: false,
                action: Action::Promote,
            },
            storage: None,
            workers: processors.min(WORKERS),
        }
    }
}

/// Does a drill, keeps its report, and returns it. That something could not be
/// restored is no error: the report says so.
///
/// # Errors
///
/// If there cannot be a drill at all, a hook does not want it, or the user
/// wants an end.
pub(crate) fn drill(host: &Host, server: &Server, options: &Options) -> Result<Report> {
    let (base, reports) = (place::scratch(host, server)?, place::reports(host, server)?);
    let account = account(server)?;
    events::before(host, &server.name)?;
    let began = Timestamp::now();
    let name = format!("{}-{}", server.name, began.strftime("%Y%m%dT%H%M%SZ"));
    let scratch = Scratch::make(&base, &name, account)?;
    let mut report = Report::begin(&server.name, began, told(&options.target));
    let drill = Drill { host, server, options, scratch };
    let outcome = drill.run(&mut report);
    drop(drill);
    if let Err(error) = &outcome {
        host.check_cancelled()?;
        report.problem = Some(one_line(error));
    }
    events::after(host, &report);
    if let Err(error) = outcome
        && error.kind() == ErrorKind::NOT_FOUND
        && options.which != Which::Auto
        && report.backup.is_none()
    {
        // That somebody mistook the name of a backup says nothing of the server.
        return Err(error);
    }
    report::keep(host, &reports, &report, server.drill.keep_reports())?;
    events::note(host, &report)?;
    Ok(report)
}

fn one_line(error: &Error) -> String {
    let text = crate::intake::chain(error);
    error.remedy().map_or_else(|| text.clone(), |hint| format!("{text} ({hint})"))
}

fn account(server: &Server) -> Result<Account> {
    let root = rustix::process::geteuid().is_root();
    let account = match &server.drill.user {
        Some(user) => Account::named(user),
        None if root => Account::named(USER),
        None => Account::ours(),
    };
    account.map_err(|e| {
        Error::new(ErrorKind::CONFIGURATION, e.to_string())
            .context("cannot run a scratch server")
            .hint("name a user without rights as <user> in the server's <drill>")
    })
}

/// What is recovered to, for people.
fn told(target: &Target) -> String {
    let settings = target.settings().into_iter();
    let goal: Vec<String> = settings
        .filter(|(name, _)| *name != "recovery_target_action")
        .map(|(name, value)| format!("{} {value}", name.trim_start_matches("recovery_target_")))
        .collect();
    match target.goal {
        Goal::End => "everything that is archived".to_owned(),
        _ => goal.join(", "),
    }
}

struct Drill<'a> {
    host: &'a Host,
    server: &'a Server,
    options: &'a Options,
    scratch: Scratch,
}

/// What a restored directory tells of itself.
struct Restored {
    directory: DataDirectory,
    size: SegmentSize,
    start: Start,
}

impl Drill<'_> {
    fn run(&self, report: &mut Report) -> Result<()> {
        let archive = Archive::open(self.host, self.server)?;
        let restored = self.restore(report)?;
        let wanted = self.wanted(&archive, &restored, report)?;
        let Replayed { told, fed } = self.replay(&archive, &wanted, report)?;
        report.wal_files = fed.files;
        report.replayed_to = told.redo_done.map(|it| it.to_string());
        report.last_transaction.clone_from(&told.last_commit);
        if let Some(problem) = replay::shortfall(&wanted, &Replayed { told, fed }) {
            return Err(Error::msg(problem));
        }
        self.look(report)
    }

    /// Brings the files, and makes them harmless.
    fn restore(&self, report: &mut Report) -> Result<Restored> {
        let began = Instant::now();
        let data = self.scratch.data();
        let options = restore::Options {
            which: self.options.which.clone(),
            target: self.options.target.clone(),
            directory: data.clone(),
            tablespaces: Vec::new(),
            tablespaces_below: Some(self.scratch.tablespaces()),
            announced: false,
            delta: false,
            databases: Vec::new(),
            storage: self.options.storage.clone(),
            cached: true,
            workers: self.options.workers,
        };
        let done = restore::restore(self.host, self.server, &options)?;
        report.backup = Some(done.id.clone());
        report.storage = Some(done.storage.clone());
        report.restored_bytes = done.size;
        self.scratch.give(&data)?;
        self.scratch.give(&self.scratch.tablespaces())?;
        report.durations.restore = began.elapsed().as_secs_f64();
        let restored = self.inspect()?;
        tame::tame(&self.scratch)?;
        report.isolation.push(
            "configuration, network, archive and replication are not the backup's".to_owned(),
        );
        Ok(restored)
    }

    fn inspect(&self) -> Result<Restored> {
        let data = self.scratch.data();
        let directory = Directory::open(&data).map_err(|e| replay::failed(&e))?;
        let path = data.join("backup_label");
        // Without it the server would start, and be silently wrong.
        let label = fs::read(&path)
            .map_err(|e| Error::from(e).context("the backup has no backup_label"))?;
        let label = BackupLabel::parse(&label)
            .map_err(|e| Error::new(ErrorKind::CORRUPT, e.to_string()).context("backup_label"))?;
        let control = ControlFile::read(&data)
            .map_err(|e| Error::from(e).context("cannot read global/pg_control"))?;
        let size = control.wal_segment_size.and_then(|it| SegmentSize::new(it.into()).ok());
        let size =
            size.ok_or_else(|| Error::msg("pg_control does not tell how large segments are"))?;
        let timeline = label.timeline.unwrap_or_else(|| label.segment.timeline());
        Ok(Restored { directory, size, start: Start { timeline, position: label.start } })
    }

    /// What the replay has to come to. A gap is found here already.
    fn wanted(
        &self,
        archive: &Archive<'_>,
        restored: &Restored,
        report: &mut Report,
    ) -> Result<Wanted> {
        let mut target = self.options.target.clone();
        let mut last = None;
        if target.goal == Goal::End {
            let inventory = archive.inventory(None, restored.size)?;
            let timeline = match target.timeline {
                Timeline::Latest => inventory.latest(restored.start),
                Timeline::Current => restored.start.timeline,
                Timeline::Number(number) => number,
            };
            target.timeline = Timeline::Number(timeline);
            last = inventory.last(timeline);
            if let Some(segment) = last {
                no_gap(&inventory, restored, segment)?;
                report.data_loss_seconds = age(archive, FileName::Segment(segment), report.began);
            }
            report.target = format!("everything that is archived of timeline {}", timeline.get());
        }
        let settings = target.settings().into_iter();
        let settings = settings.filter(|(name, _)| *name != "recovery_target_action");
        Ok(Wanted {
            version: restored.directory.version,
            target: settings.map(|(name, value)| (name.to_owned(), value)).collect(),
            last,
            size: restored.size,
            without_network: without_network(report),
        })
    }

    fn replay(
        &self,
        archive: &Archive<'_>,
        wanted: &Wanted,
        report: &mut Report,
    ) -> Result<Replayed> {
        let began = Instant::now();
        let feed = Feed::open(&self.scratch)?;
        let end = AtomicBool::new(false);
        let replayed = thread::scope(|scope| {
            scope.spawn(|| feed.serve(archive, &self.scratch, &end));
            let replayed =
                replay::replay(self.host, &self.server.drill, &self.scratch, &feed, wanted);
            end.store(true, Ordering::Relaxed);
            replayed
        });
        report.durations.replay = began.elapsed().as_secs_f64();
        report.recovery_seconds = Some(report.durations.restore + report.durations.replay);
        replayed
    }

    fn look(&self, report: &mut Report) -> Result<()> {
        let began = Instant::now();
        let drill = &self.server.drill;
        let Looked { checks, sums } = checks::run(self.host, drill, &self.scratch)?;
        report.checks = checks;
        if drill.checksums && sums {
            let options = StopOptions { mode: StopMode::Fast, ..StopOptions::default() };
            let cancelled = || self.host.cancelled();
            cluster::stop(&self.scratch.data(), &options, &Patience::new(STOP, &cancelled))
                .map_err(|e| replay::failed(&e))?;
            let data = self.scratch.data();
            report.checks.push(checksums::look(self.host, &data, self.options.workers)?);
        } else if drill.checksums {
            report.warnings.push("the cluster has no page checksums".to_owned());
        }
        report.durations.checks = began.elapsed().as_secs_f64();
        report.judge();
        Ok(())
    }
}

/// Tells whether the server can be kept from every network, and reports it.
fn without_network(report: &mut Report) -> bool {
    let can = cluster::can_leave_networks();
    let how = if can {
        "it has no network at all"
    } else {
        "it listens on no network (a network namespace of its own is not permitted here)"
    };
    report.isolation.push(how.to_owned());
    can
}

/// Everything from the backup's beginning to the end of that segment must be
/// archived.
fn no_gap(
    inventory: &Inventory,
    restored: &Restored,
    last: hayloft_postgres::wal::SegmentName,
) -> Result<()> {
    let end = last.start(restored.size).ok().and_then(|it| it.checked_add(restored.size.bytes()));
    let history = inventory.history(last.timeline());
    let missing = inventory.missing(&history, restored.start.position, end.unwrap_or(Lsn::ZERO));
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = missing.iter().take(8).map(Gap::to_string).collect();
    Err(Error::msg(format!("WAL is missing: {}", names.join(", ")))
        .hint("`hayloft pg wal gaps` lists everything that is missing"))
}

/// How old a file of WAL was at a time, in seconds.
fn age(archive: &Archive<'_>, name: FileName, at: Timestamp) -> Option<f64> {
    let stored = archive.copies(name).find_map(Result::ok)?;
    let stored = Timestamp::from_nanosecond(stored.object.modified_ns.into()).ok()?;
    Some(at.duration_since(stored).as_secs_f64().max(0.0))
}
