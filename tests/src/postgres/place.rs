//! The private directory of a scratch server.

use std::{
    env, fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::account::Account;

/// The longest directory that can be taken: a socket's path has at most 107
/// bytes, of which our own name and the socket's take some 40.
const LONGEST: usize = 60;

/// A directory of the server's own, 0700, removed when dropped.
#[derive(Debug)]
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn make(account: &Account) -> Self {
        let candidates = [env::temp_dir(), PathBuf::from("/tmp"), PathBuf::from("/var/tmp")];
        let Some(parent) = candidates.iter().find(|it| usable(it, account)) else {
            panic!(
                "no usable temporary directory among {candidates:?}: set TMPDIR to a short path"
            );
        };
        let directory = tempfile::Builder::new()
            .prefix("hayloft-pg-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(parent)
            .expect("the temporary directory is writable");
        account.own(directory.path());
        Self(directory)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Tells whether a socket below `directory` has a short enough path, and
/// whether the account can get there.
fn usable(directory: &Path, account: &Account) -> bool {
    if directory.as_os_str().len() > LONGEST || !directory.is_absolute() {
        return false;
    }
    let open = |it: &Path| {
        fs::metadata(it).is_ok_and(|meta| meta.is_dir() && meta.permissions().mode() & 1 != 0)
    };
    match account {
        Account::Own => directory.is_dir(),
        Account::Scratch { .. } => directory.ancestors().all(open),
    }
}

/// Returns a port of 127.0.0.1 that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there are free ports");
    listener.local_addr().expect("a bound socket has an address").port()
}
