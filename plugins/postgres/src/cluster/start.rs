//! Starting a server, and knowing when it can be used.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use super::{
    account::Account,
    directory::{DataDirectory, Directory},
    error::ClusterError,
    log::{self, LogMark},
    probe::{Phase, RunningServer, Stale, State, probe_cluster},
    process,
    programs::{Programs, Search},
    stale,
    stale_reason::StaleReason,
    wait::Patience,
};

/// The name of the log in the data directory, where none is given.
pub const DEFAULT_LOG: &str = "server.log";

/// What is to be so before a start counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Condition {
    /// The server has taken the directory; whether it comes up is not waited
    /// for.
    Launched,
    /// It is through its start: it takes connections, or replays as a standby
    /// that takes none.
    Started,
    /// It takes connections.
    Accepting,
    /// It takes connections and is where it is to be: a recovery to a point
    /// in time is at its end, be it that it opened or paused there.
    #[default]
    Usable,
    /// It replays and takes connections.
    HotStandby,
    /// It takes connections and writes.
    ReadWrite,
}

/// How a server is to be started.
#[derive(Debug, Clone, Default)]
pub struct StartOptions {
    /// Where the programs are; found by the cluster's version if not given.
    pub programs: Option<PathBuf>,
    /// The file for what it says before, or without, its own log;
    /// [`DEFAULT_LOG`] in the data directory if not given.
    pub log: Option<PathBuf>,
    /// Further arguments, such as `-c` and `port=5433`.
    pub arguments: Vec<OsString>,
    /// When it counts as started.
    pub condition: Condition,
    /// Whether it is kept from every network, the machine's own included: a
    /// network namespace of its own, for which one must be root. Unix sockets
    /// are files, and work.
    pub without_network: bool,
}

/// A server that was started.
#[derive(Debug)]
pub struct Started {
    /// It.
    pub server: RunningServer,
    /// Where it writes.
    pub log: PathBuf,
}

/// Starts the server of a data directory, under its owner, in a session of
/// its own, with a clean environment, and waits for a condition.
///
/// A pid file that speaks of no living server is no hindrance: PostgreSQL
/// replaces it itself, and where it would not (the number belongs to another
/// process by now) it is removed, provided that nobody works in the directory
/// or is attached to its shared memory.
///
/// If the time runs out or the caller wants an end, the server goes on
/// starting.
///
/// # Errors
///
/// Any [`ClusterError`]; if the server ends, its last fatal message decides
/// which.
pub fn start(
    data: &Path,
    options: &StartOptions,
    patience: &Patience<'_>,
) -> Result<Started, ClusterError> {
    let directory = Directory::open(data)?;
    let account = Account::of_owner(directory.uid, directory.gid)?;
    let search =
        Search { directory: options.programs.as_deref(), version: Some(directory.version) };
    let programs = Programs::find(&search, &account)?;
    let directory = make_way(&directory, patience)?;
    let log = match &options.log {
        Some(log) => std::path::absolute(log).map_err(ClusterError::io("use", log))?,
        None => directory.path.join(DEFAULT_LOG),
    };
    let recovers = directory.path.join("recovery.signal").exists()
        && !directory.path.join("standby.signal").exists();
    let child = launch(&directory, &account, &programs, (&log, options))?;
    let server = wait(&directory, &child, patience, (options.condition, recovers))?;
    Ok(Started { server, log })
}

/// Sees to it that nothing is in the way.
fn make_way(
    directory: &DataDirectory,
    patience: &Patience<'_>,
) -> Result<DataDirectory, ClusterError> {
    let data = directory.path.clone();
    // Only what goes away by itself is waited for; not for long.
    let patience = patience.at_most(Duration::from_secs(10));
    let mut blocked = None;
    let waited = patience.until(("nothing", "looking for what is in the way"), |_| {
        let problem = match probe_cluster(Directory::open(&data)?)? {
            State::Stopped(it) => {
                let pids = process::postgres_in(it.id);
                if pids.is_empty() {
                    return Ok(Some(it));
                }
                ClusterError::Orphans { data: data.clone(), pids }
            }
            State::Stale(it) if !it.orphans.is_empty() => {
                ClusterError::Orphans { data: data.clone(), pids: it.orphans }
            }
            State::Stale(Stale { reason: reason @ StaleReason::Zombie { .. }, .. }) => {
                ClusterError::Stale { data: data.clone(), reason }
            }
            State::Stale(it) => return stale::clear(it).map(Some),
            State::Running(it) => {
                return Err(ClusterError::AlreadyRunning { data: data.clone(), pid: it.pid() });
            }
            other => return other.into_running(&data).map(|it| Some(it.directory)),
        };
        blocked = Some(problem);
        Ok(None)
    });
    match (waited, blocked) {
        (Err(ClusterError::TimedOut { .. }), Some(problem)) => Err(problem),
        (result, _) => result,
    }
}

/// A server's first process, until it is up.
struct Child {
    pid: u32,
    ended: Arc<OnceLock<ExitStatus>>,
    mark: LogMark,
}

fn launch(
    directory: &DataDirectory,
    account: &Account,
    programs: &Programs,
    (log, options): (&Path, &StartOptions),
) -> Result<Child, ClusterError> {
    let postgres = programs.path("postgres");
    let mark = LogMark::now(log, &directory.path);
    let mode = if directory.is_group_readable() { 0o640 } else { 0o600 };
    let mut command = account.server_command(&postgres, log, mode, options.without_network)?;
    command.arg("-D").arg(&directory.path).args(&options.arguments);
    let mut child = command.spawn().map_err(|source| {
        let log_fails = !log.parent().is_some_and(Path::is_dir)
            || source.kind() != std::io::ErrorKind::NotFound;
        let path = if log_fails { log.to_owned() } else { postgres.clone() };
        let action = if log_fails { "start the server with its log in" } else { "run" };
        ClusterError::Io { action, path, source }
    })?;
    let pid = child.id();
    let ended = Arc::new(OnceLock::new());
    let tell = Arc::clone(&ended);
    // Somebody must notice its end, or it stays as a zombie while we live.
    let reaper = thread::Builder::new().name("postgres".into()).spawn(move || {
        if let Ok(status) = child.wait() {
            let _ = tell.set(status);
        }
    });
    reaper.map_err(ClusterError::io("start a thread for", &postgres))?;
    Ok(Child { pid, ended, mark })
}

fn wait(
    directory: &DataDirectory,
    child: &Child,
    patience: &Patience<'_>,
    (condition, recovers): (Condition, bool),
) -> Result<RunningServer, ClusterError> {
    let what = ("the server did not get there", "waiting for the server");
    patience.until(what, |last| {
        if let Some(status) = child.ended.get().copied() {
            await_collector(directory);
            let how = format!("it ended ({status})");
            return Err(log::failure(&child.mark.since(), &directory.path, Some(how)));
        }
        let state = probe_cluster(directory.clone())?;
        *last = state.to_string();
        match state {
            State::Running(server) if server.pid() == child.pid => {
                reached(&server.phase, condition, recovers, || child.mark.since())
                    .map(|done| done.then_some(*server))
            }
            // Ours will say that it is too late, and end.
            _ => Ok(None),
        }
    })
}

/// Waits a little until nothing of an ended server works in its directory: its
/// logging collector outlives it until it has written what the server said, and
/// may not even have said yet which file it writes to.
fn await_collector(directory: &DataDirectory) {
    let patience = Patience::of(Duration::from_secs(5));
    let what = ("the server's last processes did not end", "waiting for the server's log");
    // Somebody who stays is no reason to keep what is known from the caller.
    let _ =
        patience.until(what, |_| Ok(process::postgres_in(directory.id).is_empty().then_some(())));
}

/// Waits until a server that somebody else starts is so far.
///
/// # Errors
///
/// [`ClusterError::TimedOut`], [`ClusterError::Cancelled`], and those of
/// [`probe`](super::probe()).
pub fn await_condition(
    data: &Path,
    condition: Condition,
    patience: &Patience<'_>,
) -> Result<RunningServer, ClusterError> {
    let directory = Directory::open(data)?;
    let what = ("the server did not get there", "waiting for the server");
    patience.until(what, |last| {
        let state = probe_cluster(directory.clone())?;
        *last = state.to_string();
        match state {
            State::Running(server) => reached(&server.phase, condition, false, String::new)
                .map(|done| done.then_some(*server)),
            _ => Ok(None),
        }
    })
}

/// Tells whether a phase is what is waited for.
fn reached(
    phase: &Phase,
    condition: Condition,
    recovers: bool,
    log: impl Fn() -> String,
) -> Result<bool, ClusterError> {
    Ok(match condition {
        Condition::Launched => true,
        Condition::Started => phase.accepts() || *phase == Phase::Standby,
        Condition::HotStandby => *phase == Phase::HotStandby,
        Condition::ReadWrite => *phase == Phase::Ready,
        Condition::Usable if recovers => {
            let paused = || {
                let log = log();
                log.contains("pausing at the end of recovery")
                    || log.contains("recovery has paused")
            };
            *phase == Phase::Ready || *phase == Phase::HotStandby && paused()
        }
        Condition::Usable if *phase == Phase::Standby => {
            return Err(ClusterError::WrongState {
                problem: "the server was started, replays, and takes no connections".into(),
                remedy: Some("set hot_standby = on, or do not wait for connections".into()),
            });
        }
        Condition::Usable | Condition::Accepting => phase.accepts(),
    })
}
