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
pub(crate) enum Account {
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
    pub(crate) fn find_or_make() -> Self {
        Self::named(NAME, "/usr/sbin/nologin")
    }

    /// Makes the user `name`, who logs in with `shell`, if we are root and it
    /// is not there yet.
    pub(crate) fn named(name: &str, shell: &str) -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self::Own;
        }
        // Another test may be making it, with the password file locked.
        for _ in 0..50 {
            if let (Some(uid), Some(gid)) = (number("-u", name), number("-g", name)) {
                return Self::Scratch { uid, gid };
            }
            let mut command = Command::new("useradd");
            command.args(["--system", "--user-group", "--no-create-home"]);
            command.args(["--home-dir", "/nonexistent", "--shell", shell, name]);
            if command.output().is_err() {
                break;
            }
            sleep(Duration::from_millis(100));
        }
        panic!(
            "the server does not run as root, and the user {name} could not be made: \
             run `useradd --system --shell {shell} {name}`, or run the tests as an ordinary user"
        );
    }

    /// Gives a file or directory to the account.
    pub(crate) fn own(&self, path: &Path) {
        if let Self::Scratch { uid, gid } = self {
            chown(path, Some(*uid), Some(*gid)).expect("root may give files away");
        }
    }

    /// Lets a command run under the account.
    pub(crate) fn become_in(&self, command: &mut Command) {
        if let Self::Scratch { uid, gid } = self {
            command.uid(*uid).gid(*gid).env("HOME", "/nonexistent");
        }
    }
}

fn number(which: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([which, name]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
