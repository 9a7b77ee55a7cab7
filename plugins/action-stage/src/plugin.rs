//! The action, as the host sees it.

use std::{
    io::Read,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use hayloft_plugin_api::{
    Action, Diagnostic, Error, ErrorKind, Host, Outcome, Progress, Request, Result, Settings,
    cedar::{self, Document, Names, PeerList, StagePeer},
};
use tracing::{debug, info, warn};

use crate::{
    error::StageError,
    peer::{self, IgnoreFailures, Peer, Place},
    remote::Patience,
    staging::{Order, Report, Staged},
    world::{Failure, World},
};

/// Copies what the peers collected into the day's directory.
#[derive(Debug)]
pub struct Stage;

impl Action for Stage {
    type Config = cedar::Stage;

    fn new(config: cedar::Stage) -> Result<Self> {
        check_names(&config.peers)?;
        Ok(Self)
    }

    fn run(&self, host: &Host, request: &Request) -> Result<Outcome> {
        let settings = host.settings()?;
        let document = read_document(host)?;
        let order = order(&document, &settings, request)?;
        order.check().map_err(|e| Error::from(e).with_kind(ErrorKind::CONFIGURATION))?;
        if request.dry_run {
            let lines = order.preview();
            for line in &lines {
                info!("{line}");
            }
            return Ok(Outcome::new(lines.join("; ")));
        }
        let world = HostWorld { host, copied: AtomicU64::new(0) };
        let report = order.stage(&world).map_err(|error| {
            let cancelled = matches!(error, StageError::Cancelled);
            let error = Error::from(error);
            if cancelled { error.with_kind(ErrorKind::CANCELLED) } else { error }
        })?;
        conclude(&report)
    }
}

/// Refuses names that are no directory, while their place is still known.
fn check_names(peers: &PeerList) -> Result<()> {
    let local = peers.local.iter().map(|it| &it.name);
    let remote = peers.remote.iter().map(|it| &it.name);
    let refused = |name: &cedar::Text| {
        let name = name.as_ref()?;
        let message = peer::check_name(name).err()?.to_string();
        let help = "a peer's name is that of a directory in the day's directory";
        Some(Diagnostic::error(name.position, "stage/peer/name", message).help(help))
    };
    let found: Vec<_> = local.chain(remote).filter_map(refused).collect();
    if found.is_empty() { Ok(()) } else { Err(Error::configuration(found)) }
}

fn read_document(host: &Host) -> Result<Document> {
    let (document, problems) = cedar::read(&host.document(), &Names::any());
    let errors: Vec<_> =
        problems.into_iter().filter(|it| !it.warning).map(Diagnostic::from).collect();
    if errors.is_empty() { Ok(document) } else { Err(Error::configuration(errors)) }
}

fn order(document: &Document, settings: &Settings, request: &Request) -> Result<Order> {
    let Some(staging_dir) = settings.staging_dir.clone() else {
        return Err(Error::new(ErrorKind::CONFIGURATION, "the stage section is missing")
            .hint("<stage><staging_dir>/where/days/are/gathered</staging_dir></stage>"));
    };
    let peers = cedar::effective_peers(document).into_iter().map(peer).collect::<Result<_>>()?;
    let root = rustix::process::geteuid().is_root();
    Ok(Order {
        staging_dir,
        day: request.now.day_path(),
        working_dir: settings.working_dir.clone(),
        peers,
        full: request.full || request.start_of_week,
        switch_user: root.then(|| settings.backup_user.clone()),
        patience: Patience::default(),
    })
}

fn peer(it: StagePeer) -> Result<Peer> {
    let place = if it.remote {
        let missing = |what: &str| {
            let message = format!("peer {} has no {what}", it.name);
            Error::new(ErrorKind::CONFIGURATION, message)
        };
        let command = it.rcp_command.as_deref();
        Place::Remote {
            copy_command: command.ok_or_else(|| missing("remote copy command"))?.to_owned(),
            user: it.remote_user.clone().ok_or_else(|| missing("backup user"))?,
        }
    } else {
        Place::Local
    };
    let ignore = match it.ignore_failures.as_deref() {
        Some("all") => IgnoreFailures::All,
        Some("daily") => IgnoreFailures::Daily,
        Some("weekly") => IgnoreFailures::Weekly,
        _ => IgnoreFailures::None,
    };
    Ok(Peer { collect_dir: it.collect_dir.into(), name: it.name, ignore, place })
}

/// Says what became of the day. A peer that failed makes the action fail,
/// unless its failures are ignored.
fn conclude(report: &Report) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let (mut files, mut bytes, mut staged, mut failed) = (0, 0, 0_u64, Vec::new());
    for Staged { name, result, ignored } in &report.peers {
        match (result, ignored) {
            (Ok(arrived), _) => {
                debug!("staged {} files of {name}", arrived.files);
                staged += 1;
                files += arrived.files;
                bytes += arrived.bytes;
            }
            (Err(error), true) if error.is_not_ready() => {
                info!("{} (ignored)", what_failed(name, error));
            }
            (Err(error), true) => warn!("{} (ignored)", what_failed(name, error)),
            (Err(error), false) => failed.push((name, error)),
        }
    }
    if !failed.is_empty() {
        return Err(failure(&failed, report));
    }
    let day = report.day.display();
    outcome.summary = format!("{staged} of {} peers, {files} files in {day}", report.peers.len());
    if !report.good {
        outcome.warnings.push(format!("no peer was staged, so {day} is not marked as staged"));
    }
    let figures = [("peers", staged), ("files", files), ("bytes", bytes)];
    Ok(figures.into_iter().fold(outcome, |outcome, (name, n)| outcome.value(name, n)))
}

/// Says it in Cedar Backup's words, which people look for in logs.
fn what_failed(name: &str, error: &StageError) -> String {
    match error {
        StageError::NotReady { why } => {
            format!("peer [{name}] was not ready to be staged: {why}")
        }
        _ => format!("error staging [{name}]: {}", error.line()),
    }
}

/// The peers that are staged are good, so the actions that follow may run.
fn failure(failed: &[(&String, &StageError)], report: &Report) -> Error {
    let mut lines: Vec<_> = failed.iter().map(|(name, error)| what_failed(name, error)).collect();
    if lines.len() > 1 {
        lines.insert(0, format!("{} of {} peers were not staged", lines.len(), report.peers.len()));
    }
    let last = lines.pop().unwrap_or_default();
    let last = Error::new(ErrorKind::INCOMPLETE, last);
    let error = lines.into_iter().rev().fold(last, Error::context);
    if failed.iter().all(|(_, error)| error.is_not_ready()) {
        return error.hint(
            "a peer is ready when collect has ended well there; \
             <ignore_failures> is for machines that are often off",
        );
    }
    error
}

/// The host, as staging uses it.
struct HostWorld<'a> {
    host: &'a Host,
    copied: AtomicU64,
}

impl World for HostWorld<'_> {
    fn cancelled(&self) -> bool {
        self.host.cancelled()
    }

    fn give(&self, path: &Path) -> Result<(), String> {
        self.host.give_to_backup_user(path).map_err(|e| e.to_string())
    }

    fn run(&self, words: &[String], limit: Duration) -> Result<(), Failure> {
        let Some((program, arguments)) = words.split_first() else {
            return Err(Failure::NotStarted("there is no command".to_owned()));
        };
        let cancelled = |error: Error| match error.kind() {
            ErrorKind::CANCELLED => Failure::Cancelled,
            _ => Failure::NotStarted(error.to_string()),
        };
        debug!("running {}", words.join(" "));
        let process = self.host.process(program).args(arguments).timeout(limit).spawn();
        let mut process = process.map_err(cancelled)?;
        let mut output = Vec::new();
        process.read_to_end(&mut output).map_err(|e| cancelled(e.into()))?;
        String::from_utf8_lossy(&output).lines().for_each(|line| debug!("{program}: {line}"));
        let finished = process.wait().map_err(cancelled)?;
        let (code, timed_out) = (finished.code, finished.timed_out);
        match finished.into_result(program) {
            Ok(()) => Ok(()),
            Err(error) if timed_out => Err(Failure::TimedOut(error.to_string())),
            Err(error) => Err(Failure::Ended { code, text: error.to_string() }),
        }
    }

    fn copied(&self, file: &Path, bytes: u64) {
        let done = self.copied.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let what = file.to_string_lossy();
        self.host.progress(Progress { what: &what, done, total: 0 });
    }
}
