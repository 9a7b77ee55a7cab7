//! Making a primary of a standby, verified.

use std::path::Path;

use rustix::{
    fs::{AtFlags, Gid, Mode, OFlags, Uid},
    process::Signal,
};

use super::{
    control_file::ClusterState,
    error::ClusterError,
    probe::{Phase, RunningServer, State, probe, probe_cluster},
    wait::Patience,
};

/// The file by which a server is told what the signal means.
const TRIGGER: &str = "promote";

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promoted {
    /// The server.
    pub pid: u32,
    /// The timeline before, by the last checkpoint.
    pub from_timeline: u32,
    /// The timeline since, as far as `pg_control` knows it already.
    pub timeline: Option<u32>,
}

/// Promotes the standby of a data directory and waits until it writes. `tell`
/// does it, if not we by file and signal.
///
/// # Errors
///
/// [`ClusterError::WrongState`] if it is no standby,
/// [`ClusterError::TimedOut`], and a kind for each state in which there is no
/// server.
pub fn promote(
    data: &Path,
    tell: Option<&dyn Fn() -> Result<(), ClusterError>>,
    patience: &Patience<'_>,
) -> Result<Promoted, ClusterError> {
    let server = probe(data)?.into_running(data)?;
    let directory = &server.directory;
    let before = directory.control_now()?;
    if before.state != ClusterState::InArchiveRecovery {
        return Err(ClusterError::WrongState {
            problem: format!("the server is no standby: it is {}", before.state.as_str()),
            remedy: None,
        });
    }
    match tell {
        Some(tell) => tell()?,
        None => request(&server)?,
    }
    let what = ("the standby did not become a primary", "waiting for the promotion");
    let promoted = patience.until(what, |last| {
        let state = probe_cluster(directory.clone())?;
        *last = state.to_string();
        match state {
            State::Running(it) if it.phase == Phase::Ready => {
                let control = it.directory.control_now()?;
                Ok((control.state == ClusterState::InProduction).then_some(control.timeline))
            }
            State::Running(_) => Ok(None),
            other => other.into_running(data).map(|_| None),
        }
    });
    if promoted.is_err() {
        // Nobody may find it later and promote what should stay a standby.
        let _ = remove_request(&server);
    }
    // The checkpoint that tells the new timeline may come later.
    let timeline = Some(promoted?).filter(|it| *it != before.timeline);
    Ok(Promoted { pid: server.pid(), from_timeline: before.timeline, timeline })
}

fn home(server: &RunningServer) -> rustix::io::Result<std::os::fd::OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(&server.directory.path, flags, Mode::empty())
}

fn request(server: &RunningServer) -> Result<(), ClusterError> {
    let directory = &server.directory;
    let make = || -> rustix::io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(home(server)?, TRIGGER, flags, Mode::from_raw_mode(0o600))?;
        if rustix::process::geteuid().is_root() {
            let (uid, gid) = (Uid::from_raw(directory.uid), Gid::from_raw(directory.gid));
            rustix::fs::fchown(&file, Some(uid), Some(gid))?;
        }
        Ok(())
    };
    let failed = || ClusterError::io("ask for a promotion in", &directory.path);
    make().map_err(|it| failed()(it.into()))?;
    server.held.signal(Signal::USR1).map_err(failed())
}

fn remove_request(server: &RunningServer) -> rustix::io::Result<()> {
    rustix::fs::unlinkat(home(server)?, TRIGGER, AtFlags::empty())
}
