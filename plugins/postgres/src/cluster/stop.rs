//! Stopping a server: the very process that was looked at, or nobody.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{
    control_file::ClusterState,
    error::ClusterError,
    pid_file::{PidFile, PidFileContent},
    probe::{RunningServer, probe},
    process,
    wait::Patience,
};

/// How a server is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum StopMode {
    /// No new sessions; those that there are end when they like.
    Smart,
    /// Sessions are ended, everything is written.
    #[default]
    Fast,
    /// At once, without writing; the next start recovers as after a crash.
    Immediate,
    /// SIGKILL: leaves processes and shared memory behind for a while. Never
    /// done unless asked for by name.
    Kill,
}

impl StopMode {
    fn signal(self) -> Signal {
        match self {
            Self::Smart => Signal::TERM,
            Self::Fast => Signal::INT,
            Self::Immediate => Signal::QUIT,
            Self::Kill => Signal::KILL,
        }
    }

    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Smart => "smart",
            Self::Fast => "fast",
            Self::Immediate => "immediate",
            Self::Kill => "kill",
        }
    }
}

/// How to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StopOptions {
    /// The first try.
    pub mode: StopMode,
    /// The strongest that may be tried if the time runs out; each has the
    /// whole time again.
    pub up_to: Option<StopMode>,
    /// Not to wait at all.
    pub no_wait: bool,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// The process that ended, or was asked to.
    pub pid: u32,
    /// What it took.
    pub mode: StopMode,
    /// What `pg_control` says since; nothing if it was not waited for.
    pub state: Option<ClusterState>,
}

/// Stops the server of a data directory and waits for its end.
///
/// # Errors
///
/// A kind for each state in which there is no server to stop;
/// [`ClusterError::TimedOut`], [`ClusterError::Cancelled`]: it may still end.
pub fn stop(
    data: &Path,
    options: &StopOptions,
    patience: &Patience<'_>,
) -> Result<Stopped, ClusterError> {
    stop_server(&probe(data)?.into_running(data)?, options, patience)
}

/// As [`stop`], for a server that is known already.
///
/// # Errors
///
/// As [`stop`].
pub fn stop_server(
    server: &RunningServer,
    options: &StopOptions,
    patience: &Patience<'_>,
) -> Result<Stopped, ClusterError> {
    let pid = server.pid();
    let last = options.up_to.unwrap_or(options.mode);
    let all = [StopMode::Smart, StopMode::Fast, StopMode::Immediate, StopMode::Kill];
    let mut result = Err(ClusterError::NotRunning { data: server.directory.path.clone() });
    let mut taken = options.mode;
    for mode in
        all.into_iter().filter(|it| *it == options.mode || *it > options.mode && *it <= last)
    {
        server
            .held
            .signal(mode.signal())
            .map_err(ClusterError::io("signal the server of", &server.directory.path))?;
        if options.no_wait {
            return Ok(Stopped { pid, mode, state: None });
        }
        taken = mode;
        result = wait(server, mode, patience);
        if !matches!(result, Err(ClusterError::TimedOut { .. })) {
            break;
        }
    }
    result?;
    let state = server.directory.control_now().ok().map(|it| it.state);
    Ok(Stopped { pid, mode: taken, state })
}

/// Waits for the end of a server that somebody else stops.
///
/// # Errors
///
/// [`ClusterError::TimedOut`], [`ClusterError::Cancelled`].
pub fn await_end(server: &RunningServer, patience: &Patience<'_>) -> Result<(), ClusterError> {
    wait(server, StopMode::Fast, patience)
}

fn wait(
    server: &RunningServer,
    mode: StopMode,
    patience: &Patience<'_>,
) -> Result<(), ClusterError> {
    let began = Instant::now();
    while !server.held.has_ended(Duration::from_millis(50)) {
        if patience.is_cancelled() {
            return Err(ClusterError::Cancelled { what: "the server stops".into() });
        }
        if began.elapsed() >= patience.limit() {
            return Err(ClusterError::TimedOut {
                what: format!("the server did not stop ({})", mode.as_str()),
                limit: patience.limit(),
                last: last_seen(server),
            });
        }
    }
    if mode < StopMode::Immediate {
        return Ok(());
    }
    // Its children end when they notice, and use the files until then.
    let data = &server.directory;
    patience.until(("processes of the server did not end", "they end"), |last| {
        let left = process::postgres_in(data.id);
        *last = format!("processes {left:?}");
        Ok(left.is_empty().then_some(()))
    })
}

fn last_seen(server: &RunningServer) -> String {
    match PidFile::read_once(&server.directory.path) {
        Ok(PidFileContent::Present(it)) => match it.status {
            Some(status) => format!("{status:?}").to_lowercase(),
            None => "no status".to_owned(),
        },
        _ => "no postmaster.pid".to_owned(),
    }
}
