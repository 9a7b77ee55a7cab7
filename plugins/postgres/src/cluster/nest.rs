//! A hidden directory in which a cluster comes into being, beside the name
//! that it will take.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use rustix::fs::FlockOperation;

use super::{account::Account, error::ClusterError, tree};

/// What such a name ends with, before the random part.
const MARK: &str = ".hayloft-init-";

/// The directory; removed when dropped, unless it took the name.
#[derive(Debug)]
pub(super) struct Nest {
    path: PathBuf,
    data: PathBuf,
    // Invariant: locked as long as somebody works on it.
    _lock: File,
    /// Whether it stays when dropped.
    stays: bool,
}

impl Nest {
    /// Makes one for a data directory, and removes what runs that were killed
    /// left of theirs.
    pub(super) fn make(data: &Path, account: &Account) -> Result<Self, ClusterError> {
        let failed = |it| ClusterError::io("make a directory in", it);
        let (Some(parent), Some(name)) = (data.parent(), data.file_name()) else {
            return Err(ClusterError::Occupied { data: data.to_owned(), what: "is /".into() });
        };
        // So that nobody takes a new one, not locked yet, for one left behind.
        let gate = File::open(parent).map_err(failed(parent))?;
        rustix::fs::flock(&gate, FlockOperation::LockExclusive)
            .map_err(|it| failed(parent)(it.into()))?;
        sweep(parent, name, account);
        let random: u64 = rand::random();
        let mut own: OsString = OsString::from(".");
        own.push(name);
        own.push(format!("{MARK}{random:016x}"));
        let path = parent.join(own);
        fs::DirBuilder::new().mode(0o700).create(&path).map_err(failed(parent))?;
        let lock = File::open(&path).map_err(failed(parent))?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|it| failed(parent)(it.into()))?;
        let it = Self { path, data: data.to_owned(), _lock: lock, stays: false };
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::lchown(&it.path, Some(account.uid()), Some(account.gid()))
                .map_err(failed(parent))?;
        }
        Ok(it)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves it to be looked at, until the next one of this name is made.
    pub(super) fn stay(&mut self) {
        self.stays = true;
    }

    /// Gives the directory its name; it is on the disk under it then. Only a
    /// name that is free, or an empty directory's, is taken.
    pub(super) fn take_the_name(self) -> Result<(), ClusterError> {
        fs::rename(&self.path, &self.data).map_err(|source| {
            let taken = [std::io::ErrorKind::DirectoryNotEmpty, std::io::ErrorKind::NotADirectory];
            if taken.contains(&source.kind()) {
                let what = "was taken by somebody else in the meantime".to_owned();
                ClusterError::Occupied { data: self.data.clone(), what }
            } else {
                ClusterError::io("give the new cluster its name,", &self.data)(source)
            }
        })?;
        let parent = self.data.parent().unwrap_or(Path::new("/"));
        File::open(parent)
            .and_then(|it| it.sync_all())
            .map_err(ClusterError::io("write to the disk", parent))
    }
}

impl Drop for Nest {
    fn drop(&mut self) {
        if !self.stays {
            let _ = tree::remove(&self.path);
        }
    }
}

/// Removes directories of this name that nobody works on. They must belong to
/// the account, and be no links.
fn sweep(parent: &Path, name: &OsStr, account: &Account) {
    let mut prefix = b".".to_vec();
    prefix.extend_from_slice(name.as_bytes());
    prefix.extend_from_slice(MARK.as_bytes());
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if !entry.file_name().as_bytes().starts_with(&prefix) {
            continue;
        }
        let path = entry.path();
        let ours = fs::symlink_metadata(&path).is_ok_and(|it| {
            it.is_dir() && [account.uid(), rustix::process::geteuid().as_raw()].contains(&it.uid())
        });
        let Ok(directory) = File::open(&path) else { continue };
        let free = rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive).is_ok();
        if ours && free {
            let _ = tree::remove(&path);
        }
    }
}
