//! Another directory for WAL: empty again if the cluster does not come to be.

use std::{
    fs, io,
    os::{fd::AsFd, unix::fs::DirBuilderExt},
    path::PathBuf,
};

use super::{Account, ClusterError, InitOptions};
use crate::cluster::tree;

/// The directory, as long as the cluster is being made.
#[derive(Debug)]
pub(super) struct WalDirectory {
    path: Option<PathBuf>,
    is_ours: bool,
}

impl WalDirectory {
    /// Makes the directory if it is not there; it was looked at before, and
    /// was empty if it was.
    pub(super) fn make(options: &InitOptions, account: &Account) -> Result<Self, ClusterError> {
        let Some(path) = options.wal_directory.clone() else {
            return Ok(Self { path: None, is_ours: false });
        };
        super::make_parents(path.parent().unwrap_or(&path), account)?;
        let is_ours = match fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(ClusterError::io("make", &path)(error)),
        };
        let it = Self { path: Some(path.clone()), is_ours };
        if is_ours && rustix::process::geteuid().is_root() {
            std::os::unix::fs::lchown(&path, Some(account.uid()), Some(account.gid()))
                .map_err(ClusterError::io("give away", &path))?;
        }
        Ok(it)
    }

    /// Lets it stay: the cluster is there.
    pub(super) fn keep(mut self) {
        self.path = None;
    }
}

impl Drop for WalDirectory {
    fn drop(&mut self) {
        let Some(path) = &self.path else { return };
        // What an initdb left that had to be killed.
        if let Ok(directory) = tree::open_directory(path) {
            let _ = tree::empty(directory.as_fd());
        }
        if self.is_ours {
            let _ = fs::remove_dir(path);
        }
    }
}
