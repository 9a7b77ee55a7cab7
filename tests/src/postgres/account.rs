//! The user that a scratch server runs under.

use std::{
    os::unix::{fs::chown, process::CommandExt},
    path::Path,
    process::Command,
    thread::sleep,
    time::Duration,
};

/// The user made for scratch servers where the tests run as root.
const NAME: &str = "hayloft-scratch";

/// Whom a scratch server runs as.
#[derive(Debug)]
pub(super) enum Account {
    /// Ourselves: we are no root.
    Own,
    /// A user without rights.
    Scratch {
        /// Its number.
        uid: u32,
        /// Its group's number.
        gid: u32,
    },
}

impl Account {
    /// Makes the user if we are root and it is not there yet.
    pub(super) fn find_or_make() -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self::Own;
        }
        // Another test may be making it, with the password file locked.
        for _ in 0..50 {
            if let (Some(uid), Some(gid)) = (number("-u"), number("-g")) {
                return Self::Scratch { uid, gid };
            }
            let mut command = Command::new("useradd");
            command.args(["--system", "--user-group", "--no-create-home"]);
            command.args(["--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", NAME]);
            if command.output().is_err() {
                break;
            }
            sleep(Duration::from_millis(100));
        }
        panic!(
            "PostgreSQL does not run as root, and the user {NAME} could not be made: \
             run `useradd --system {NAME}`, or run the tests as an ordinary user"
        );
    }

    /// Gives a file or directory to the account.
    pub(super) fn own(&self, path: &Path) {
        if let Self::Scratch { uid, gid } = self {
            chown(path, Some(*uid), Some(*gid)).expect("root may give files away");
        }
    }

    /// Lets a command run under the account.
    pub(super) fn become_in(&self, command: &mut Command) {
        if let Self::Scratch { uid, gid } = self {
            command.uid(*uid).gid(*gid).env("HOME", "/nonexistent");
        }
    }
}

fn number(which: &str) -> Option<u32> {
    let output = Command::new("id").args([which, NAME]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
