//! Removing a pid file that PostgreSQL would take for a living server's.

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};

use super::{
    directory::{DataDirectory, Directory},
    error::ClusterError,
    pid_file,
    probe::{Stale, State, probe_cluster},
    process,
    stale_reason::StaleReason,
};

/// Removes the file if need be, and returns the cluster as it is then.
///
/// PostgreSQL itself replaces a file whose process is dead or belongs to
/// somebody else. It stops at one whose number belongs to another process of
/// the same user. That one is removed here: nobody works in the directory, and
/// nobody is attached to the segment of shared memory that the file names.
pub(super) fn clear(stale: Stale) -> Result<DataDirectory, ClusterError> {
    let refuse = |stale: Stale| {
        Err(ClusterError::Stale { data: stale.directory.path, reason: stale.reason })
    };
    match stale.reason {
        StaleReason::Dead { .. } | StaleReason::ForeignOwner { .. } => Ok(stale.directory),
        StaleReason::OtherProgram { .. } | StaleReason::OtherDirectory { .. } => {
            if is_attached(&stale) {
                return refuse(stale);
            }
            remove(&stale)
        }
        _ => refuse(stale),
    }
}

/// Tells whether anybody is attached to the shared memory that the pid file
/// names. A copied directory brings the file of the original along, whose
/// server may well run: that one's memory says nothing about the copy.
pub(super) fn is_attached(stale: &Stale) -> bool {
    let Some(pid_file) = &stale.pid_file else { return false };
    let original = pid_file.data.as_ref().and_then(|it| it.canonicalize().ok());
    let is_copy = matches!(stale.reason, StaleReason::OtherDirectory { .. })
        && original.is_some_and(|it| it != stale.directory.path);
    !is_copy && pid_file.shared_memory.is_some_and(|(_, id)| process::is_attached(id))
}

fn remove(stale: &Stale) -> Result<DataDirectory, ClusterError> {
    let path = &stale.directory.path;
    let failed = || ClusterError::io("remove the stale postmaster.pid of", path);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let home = rustix::fs::open(path, flags, Mode::empty()).map_err(|it| failed()(it.into()))?;
    // Two of us must not do this at once: the second would remove the file of
    // the server that the first has started by then.
    rustix::fs::flock(&home, FlockOperation::LockExclusive).map_err(|it| failed()(it.into()))?;
    let now = rustix::fs::fstat(&home).map_err(|it| failed()(it.into()))?;
    let same_place = (now.st_dev, now.st_ino) == stale.directory.id;
    match probe_cluster(Directory::open(path)?)? {
        State::Stale(again) if same_place && again.pid_file == stale.pid_file => {
            rustix::fs::unlinkat(&home, pid_file::NAME, AtFlags::empty())
                .map_err(|it| failed()(it.into()))?;
            Ok(again.directory)
        }
        State::Stopped(directory) => Ok(directory),
        other => other
            .into_running(path)
            .and_then(|it| Err(ClusterError::AlreadyRunning { data: path.clone(), pid: it.pid() })),
    }
}
