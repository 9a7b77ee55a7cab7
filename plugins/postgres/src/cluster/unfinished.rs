//! Drops that were cut off: found again by the name that a cluster has while
//! it is dropped, and finished.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io,
    os::{
        fd::AsFd,
        unix::{ffi::OsStrExt, fs::MetadataExt},
    },
    path::{Path, PathBuf},
};

use rustix::fs::FlockOperation;

use super::{
    account::Account,
    directory::Directory,
    error::ClusterError,
    process,
    remove::{self, Confirmation, DropPlan},
    tree,
};

/// What such a name begins with.
const MARK: &str = ".dropping-";

/// A drop that was cut off.
#[derive(Debug)]
pub struct UnfinishedDrop {
    /// The directory that is left.
    pub path: PathBuf,
    /// The cluster that it was.
    pub system_identifier: u64,
    /// What is left elsewhere; nothing if it is a whole cluster no more, since
    /// tablespaces and WAL go first.
    pub plan: Option<DropPlan>,
    // Invariant: locked, so that two do not finish it at once.
    _lock: File,
}

/// Returns the name that a cluster gets while it is dropped.
pub(super) fn hidden_name(name: &OsStr, system_identifier: u64) -> OsString {
    let mut hidden = OsString::from(MARK);
    hidden.push(name);
    hidden.push(format!("-{system_identifier}-{:08x}", rand::random::<u32>()));
    hidden
}

/// Returns the system identifier in such a name, if it is one of `name`.
fn system_in(hidden: &OsStr, name: &OsStr) -> Option<u64> {
    let rest = hidden.as_bytes().strip_prefix(MARK.as_bytes())?;
    let rest = rest.strip_prefix(name.as_bytes())?.strip_prefix(b"-")?;
    let (system, random) = std::str::from_utf8(rest).ok()?.split_once('-')?;
    let ours = random.len() == 8 && random.bytes().all(|it| it.is_ascii_hexdigit());
    if ours && system.bytes().all(|it| it.is_ascii_digit()) { system.parse().ok() } else { None }
}

/// Takes a lock on a data directory that is about to go; it follows the
/// directory to its other name, and ends with the process.
pub(super) fn lock(path: &Path) -> Result<File, ClusterError> {
    let failed = |error| ClusterError::io("open", path)(error);
    let directory = File::from(tree::open_directory(path).map_err(failed)?);
    match rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(directory),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(ClusterError::Refused {
            data: path.to_owned(),
            reason: "another process is dropping it".to_owned(),
        }),
        Err(error) => Err(failed(error.into())),
    }
}

/// Finds what drops of the cluster that was called `data` have left because
/// they were cut off. Those of another cluster than `confirmation` says are
/// passed over.
///
/// # Errors
///
/// [`ClusterError::Refused`] if one is still being dropped, and those of
/// [`drop_plan`](super::drop_plan).
pub fn unfinished_drops(
    data: &Path,
    confirmation: Confirmation,
) -> Result<Vec<UnfinishedDrop>, ClusterError> {
    let named = std::path::absolute(data).map_err(ClusterError::io("use", data))?;
    let (Some(parent), Some(name)) = (named.parent(), named.file_name()) else {
        return Ok(Vec::new());
    };
    let entries = match fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(ClusterError::io("look into", parent)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let hidden = entry.map_err(ClusterError::io("look into", parent))?.file_name();
        let Some(system) = system_in(&hidden, name) else { continue };
        let meant = match confirmation {
            Confirmation::Whatever => true,
            Confirmation::SystemIdentifier(wanted) => wanted == system,
        };
        if meant {
            found.push(UnfinishedDrop::find(parent.join(&hidden), system)?);
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

impl UnfinishedDrop {
    fn find(path: PathBuf, system_identifier: u64) -> Result<Self, ClusterError> {
        let lock = lock(&path)?;
        let meta = lock.metadata().map_err(ClusterError::io("look at", &path))?;
        Account::of_owner(meta.uid(), meta.gid())?;
        let refuse = |reason| ClusterError::Refused { data: path.clone(), reason };
        remove::check_place(&path).map_err(refuse)?;
        let pids = process::postgres_in((meta.dev(), meta.ino()));
        if !pids.is_empty() {
            return Err(ClusterError::Orphans { data: path, pids });
        }
        let plan = match Directory::inspect(&path)? {
            Directory::Cluster(_) => {
                let this = Confirmation::SystemIdentifier(system_identifier);
                let mut plan = remove::drop_plan(&path, this)?;
                // What is gone is gone by the drop that was cut off.
                plan.left.retain(|it| !it.contains(remove::NOT_THERE));
                Some(plan)
            }
            _ => None,
        };
        Ok(Self { path, system_identifier, plan, _lock: lock })
    }
}

/// Removes what a drop that was cut off has left.
///
/// # Errors
///
/// [`ClusterError::Io`]; the message names what is left.
pub fn finish_drop(unfinished: &UnfinishedDrop) -> Result<(), ClusterError> {
    let path = &unfinished.path;
    if let Some(plan) = &unfinished.plan {
        remove::remove_elsewhere(plan)?;
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let home = tree::open_directory(parent).map_err(ClusterError::io("remove", parent))?;
    tree::remove_at(home.as_fd(), name).map_err(ClusterError::io("remove", path))?;
    rustix::fs::fsync(&home).map_err(|it| ClusterError::io("remove", parent)(it.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_taken_for_drops() {
        let name = OsStr::new("main");
        assert_eq!(system_in(&hidden_name(name, 712), name), Some(712));
        let others = [
            ".dropping-main",
            ".dropping-main-712",
            ".dropping-main-712-xyz",
            ".dropping-main-x-0badc0de",
            ".dropping-main--0badc0de",
            ".dropping-main-old-712-0badc0de",
            ".dropping-maintenance-712-0badc0de",
            "main-712-0badc0de",
        ];
        for other in others {
            assert_eq!(system_in(OsStr::new(other), name), None, "{other}");
        }
    }
}
