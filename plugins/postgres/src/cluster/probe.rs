//! Whether a cluster's server runs, decided so that nobody else is taken for
//! it.

use std::{fmt, path::Path, time::Duration};

use super::{
    account,
    control_file::ClusterState,
    directory::{DataDirectory, Directory},
    error::{ClusterError, list},
    handshake::{self, Answer},
    pid_file::{PidFile, PidFileContent, StatusLine},
    process::{self, Held, ProcessFacts},
    stale_reason::StaleReason,
};

/// How much the start of a process and what the server wrote down may differ,
/// in seconds.
const SLACK: u64 = 5;

/// What a directory is, and what goes on in it.
#[derive(Debug)]
pub enum State {
    /// There is no directory.
    Missing,
    /// It is no cluster.
    NotACluster {
        /// Why not.
        reason: String,
    },
    /// Somebody began to make a cluster and did not get to the end.
    HalfInitialised {
        /// What is missing.
        reason: String,
    },
    /// No server runs.
    Stopped(DataDirectory),
    /// The server runs: certain by owner, program, working directory and time
    /// of start, or because it holds the socket.
    Running(Box<RunningServer>),
    /// Somebody works with `postgres --single`.
    SingleUser {
        /// The cluster.
        directory: DataDirectory,
        /// The process.
        pid: u32,
    },
    /// There is a pid file and no server.
    Stale(Stale),
}

/// A pid file that speaks of no living server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// The cluster.
    pub directory: DataDirectory,
    /// How it is known.
    pub reason: StaleReason,
    /// Processes of a dead server that still work in the directory.
    pub orphans: Vec<u32>,
    /// What the file says, if it could be read.
    pub pid_file: Option<PidFile>,
}

/// How far a running server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// It starts, replays after a crash, or replays and is not yet consistent.
    Starting,
    /// It takes connections for reading and writing.
    Ready,
    /// It replays and takes connections for reading.
    HotStandby,
    /// It replays and takes no connections.
    Standby,
    /// It shuts down.
    Stopping,
    /// It should take connections, and does not.
    NotAccepting {
        /// What it says, or what is wrong with the socket.
        reason: String,
    },
}

impl Phase {
    /// Returns a word for it, for programs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::HotStandby => "hot-standby",
            Self::Standby => "standby",
            Self::Stopping => "stopping",
            Self::NotAccepting { .. } => "not-accepting",
        }
    }

    /// Tells whether the server takes connections.
    pub fn accepts(&self) -> bool {
        matches!(self, Self::Ready | Self::HotStandby)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAccepting { reason } => write!(f, "running, takes no connections: {reason}"),
            Self::Starting => f.write_str("starting"),
            Self::Ready => f.write_str("running"),
            Self::HotStandby => f.write_str("running as a hot standby"),
            Self::Standby => f.write_str("running as a standby that takes no connections"),
            Self::Stopping => f.write_str("stopping"),
        }
    }
}

/// A server that runs. Holds the process: signals reach it or nobody.
#[derive(Debug)]
pub struct RunningServer {
    /// The cluster.
    pub directory: DataDirectory,
    /// What the server wrote down.
    pub pid_file: PidFile,
    /// How far it is.
    pub phase: Phase,
    pub(super) held: Held,
}

impl RunningServer {
    /// Returns the number of the server's first process.
    pub fn pid(&self) -> u32 {
        self.held.pid()
    }

    /// Tells whether it runs in a container, in which its first process has
    /// another number, [`RunningServer::pid_file`] tells which.
    pub fn is_contained(&self) -> bool {
        self.pid() != self.pid_file.pid
    }

    /// Waits until the process has ended; tells whether it has.
    pub fn has_ended(&self, wait: Duration) -> bool {
        self.held.has_ended(wait)
    }
}

/// Finds out what a directory is and whether its server runs.
///
/// The pid file is believed only if the process lives, belongs to the owner
/// of the directory, is a PostgreSQL server, works in this very directory and
/// started when the file says. If the time differs (a clock was set), or we
/// may not see program and directory, it must hold the server's socket.
///
/// # Errors
///
/// [`ClusterError::Io`] if we may not look into the directory.
pub fn probe(data: &Path) -> Result<State, ClusterError> {
    match Directory::inspect(data)? {
        Directory::Missing => Ok(State::Missing),
        Directory::Empty => Ok(State::NotACluster { reason: "it is empty".into() }),
        Directory::NotACluster { reason } => Ok(State::NotACluster { reason }),
        Directory::HalfInitialised { reason } => Ok(State::HalfInitialised { reason }),
        Directory::Cluster(directory) => probe_cluster(directory),
    }
}

/// As [`probe`], for a directory that must be a cluster.
pub(super) fn probe_cluster(directory: DataDirectory) -> Result<State, ClusterError> {
    let content = PidFile::read(&directory.path)
        .map_err(ClusterError::io("read postmaster.pid of", &directory.path))?;
    let (reason, pid_file) = match content {
        PidFileContent::Absent => return Ok(State::Stopped(directory)),
        PidFileContent::Garbage(head) => (StaleReason::Garbage { head }, None),
        PidFileContent::Present(pid_file) => match examine(&directory, &pid_file) {
            Ok((held, _)) if pid_file.single_user => {
                return Ok(State::SingleUser { directory, pid: held.pid() });
            }
            Ok((held, phase)) => {
                return Ok(State::running(directory, pid_file, phase, held));
            }
            Err(reason) => {
                // It may have ended in order just now, and taken the file along.
                if let Ok(PidFileContent::Absent) = PidFile::read_once(&directory.path) {
                    return Ok(State::Stopped(directory));
                }
                if let Some((held, phase)) = contained(&directory, &pid_file) {
                    return Ok(State::running(directory, pid_file, phase, held));
                }
                let hidden = is_hidden(&directory, &pid_file);
                let pid = pid_file.pid;
                (if hidden { StaleReason::Hidden { pid } } else { reason }, Some(pid_file))
            }
        },
    };
    let orphans = process::postgres_in(directory.id);
    Ok(State::Stale(Stale { directory, reason, orphans, pid_file }))
}

fn examine(directory: &DataDirectory, pid_file: &PidFile) -> Result<(Held, Phase), StaleReason> {
    let pid = pid_file.pid;
    let held = Held::take(pid).map_err(|_| StaleReason::Dead { pid })?;
    // From here on the process is held: what is read now is of this one, or
    // of one that took its number, which the second look below would tell.
    let verdict = judge(pid_file, ProcessFacts::read(pid).as_ref(), directory);
    if held.has_ended(Duration::ZERO) {
        let is_zombie = ProcessFacts::read(pid).is_some_and(|it| it.is_zombie());
        return Err(if is_zombie {
            StaleReason::Zombie { pid }
        } else {
            StaleReason::Dead { pid }
        });
    }
    let certain = match verdict {
        Verdict::Ours => true,
        Verdict::Unsure(_) => false,
        Verdict::No(reason) => return Err(reason),
    };
    let (phase, listener) = phase(directory, pid_file, pid, !certain);
    match verdict {
        Verdict::Unsure(reason) if listener != Some(pid) => Err(reason),
        _ => Ok((held, phase)),
    }
}

/// Finds a server in a container, which wrote down the number that it has
/// there: everything else must fit.
fn contained(directory: &DataDirectory, pid_file: &PidFile) -> Option<(Held, Phase)> {
    let pids = process::postgres_in(directory.id).into_iter();
    pids.filter(|it| process::inner_number(*it) == Some(pid_file.pid)).find_map(|pid| {
        let held = Held::take(pid).ok()?;
        let verdict = judge(pid_file, ProcessFacts::read(pid).as_ref(), directory);
        if verdict != Verdict::Ours || held.has_ended(Duration::ZERO) {
            return None;
        }
        Some((held, phase(directory, pid_file, pid, false).0))
    })
}

/// Tells whether a server answers on the socket that is no process of ours: it
/// runs in a container, with the directory on a volume. A copy of a directory
/// has a pid file that names the original.
fn is_hidden(directory: &DataDirectory, pid_file: &PidFile) -> bool {
    let original = pid_file.data.as_ref().and_then(|it| it.canonicalize().ok());
    let is_copy = original.is_some_and(|it| it != directory.path);
    if is_copy || pid_file.single_user || pid_file.socket_directory.is_none() {
        return false;
    }
    let reply = handshake::ask(pid_file, &account::name_of(directory.uid));
    !matches!(reply.answer, Answer::Silent(_)) && reply.listener.is_none_or(|it| it == 0)
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Ours,
    /// Only the socket can tell.
    Unsure(StaleReason),
    No(StaleReason),
}

fn judge(pid_file: &PidFile, facts: Option<&ProcessFacts>, directory: &DataDirectory) -> Verdict {
    let pid = pid_file.pid;
    let Some(facts) = facts else { return Verdict::No(StaleReason::Dead { pid }) };
    if facts.is_zombie() {
        return Verdict::No(StaleReason::Zombie { pid });
    }
    if facts.uid != directory.uid {
        return Verdict::No(StaleReason::ForeignOwner { pid, uid: facts.uid });
    }
    let (Some(exe), Some(cwd)) = (&facts.exe, &facts.cwd) else {
        return Verdict::Unsure(StaleReason::Unseen { pid });
    };
    if !facts.is_postgres() {
        return Verdict::No(StaleReason::OtherProgram { pid, program: exe.display().to_string() });
    }
    if cwd.id != directory.id {
        let directory = cwd.path.display().to_string();
        return Verdict::No(StaleReason::OtherDirectory { pid, directory });
    }
    match (facts.started, pid_file.started) {
        (Some(started), Some(recorded)) if started.abs_diff(recorded) > SLACK => {
            Verdict::Unsure(StaleReason::OtherStart { pid, started, recorded })
        }
        _ => Verdict::Ours,
    }
}

/// How far the server is, and who holds its socket. The server is only spoken
/// to if it says that it is ready, or if `always`.
fn phase(
    directory: &DataDirectory,
    pid_file: &PidFile,
    pid: u32,
    always: bool,
) -> (Phase, Option<u32>) {
    let said = match pid_file.status {
        Some(StatusLine::Stopping) => Some(Phase::Stopping),
        Some(StatusLine::Standby) => Some(Phase::Standby),
        Some(StatusLine::Starting) | None => Some(Phase::Starting),
        Some(StatusLine::Ready) => None,
    };
    if let (Some(phase), false) = (&said, always) {
        return (phase.clone(), None);
    }
    let reply = handshake::ask(pid_file, &account::name_of(directory.uid));
    let phase = said.unwrap_or_else(|| match (reply.answer, reply.listener) {
        (_, Some(other)) if other != pid && other != 0 => {
            Phase::NotAccepting { reason: format!("the socket belongs to process {other}") }
        }
        (Answer::Accepting, _) => match directory.control_now() {
            Ok(control) if control.state == ClusterState::InArchiveRecovery => Phase::HotStandby,
            _ => Phase::Ready,
        },
        (Answer::Rejecting(reason) | Answer::Silent(reason), _) => Phase::NotAccepting { reason },
    });
    (phase, reply.listener)
}

impl State {
    fn running(directory: DataDirectory, pid_file: PidFile, phase: Phase, held: Held) -> Self {
        Self::Running(Box::new(RunningServer { directory, pid_file, phase, held }))
    }

    /// Returns a word for it, for programs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::NotACluster { .. } => "not-a-cluster",
            Self::HalfInitialised { .. } => "half-initialised",
            Self::Stopped(_) => "stopped",
            Self::Running(_) => "running",
            Self::SingleUser { .. } => "single-user",
            Self::Stale(_) => "stale",
        }
    }

    /// Returns the cluster, if there is one.
    pub fn directory(&self) -> Option<&DataDirectory> {
        match self {
            Self::Stopped(directory) | Self::SingleUser { directory, .. } => Some(directory),
            Self::Running(server) => Some(&server.directory),
            Self::Stale(stale) => Some(&stale.directory),
            _ => None,
        }
    }

    /// Takes the running server, or says what there is in its place.
    ///
    /// # Errors
    ///
    /// A kind for each of the other states.
    pub fn into_running(self, data: &Path) -> Result<RunningServer, ClusterError> {
        let data = data.to_owned();
        Err(match self {
            Self::Running(server) => return Ok(*server),
            Self::Missing => ClusterError::Missing { data },
            Self::NotACluster { reason } => ClusterError::NotACluster { data, reason },
            Self::HalfInitialised { reason } => ClusterError::HalfInitialised { data, reason },
            Self::Stopped(_) => ClusterError::NotRunning { data },
            Self::SingleUser { pid, .. } => ClusterError::SingleUser { data, pid },
            Self::Stale(Stale { reason, .. }) => ClusterError::Stale { data, reason },
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such directory"),
            Self::NotACluster { reason } => write!(f, "not a cluster: {reason}"),
            Self::HalfInitialised { reason } => write!(f, "half initialised: {reason}"),
            Self::Stopped(it) => write!(f, "stopped ({})", it.control.state.as_str()),
            Self::Running(it) => write!(f, "{} (process {})", it.phase, it.pid()),
            Self::SingleUser { pid, .. } => write!(f, "in single-user mode (process {pid})"),
            Self::Stale(it) if it.orphans.is_empty() => {
                write!(f, "not running, with a stale postmaster.pid: {}", it.reason)
            }
            Self::Stale(it) => write!(
                f,
                "not running, with a stale postmaster.pid: {}; still at work: {}",
                it.reason,
                list(&it.orphans)
            ),
        }
    }
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
