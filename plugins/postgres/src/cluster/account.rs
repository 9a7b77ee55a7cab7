//! Under whom PostgreSQL's programs run: the owner of the data directory.
//!
//! PostgreSQL refuses to run as root. Root becomes the owner, entirely, in the
//! new process: other groups, group and user, in this order.

use std::{
    ffi::{CString, OsStr, OsString},
    os::unix::ffi::OsStrExt,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::unistd::{self, Gid, Uid};
use rustix::{
    fs::{Mode, OFlags},
    process::Signal,
};

use super::{error::ClusterError, networks};

/// Where programs are looked for if our own environment says nothing.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whom a program is to run as, and what it is given from our environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    uid: u32,
    gid: u32,
    // Invariant: all groups of the user, read before anything is started.
    groups: Vec<Gid>,
    name: String,
    home: PathBuf,
    // Whether we must become that user.
    becomes: bool,
}

impl Account {
    /// Takes a user and a group by their numbers.
    ///
    /// # Errors
    ///
    /// [`ClusterError::Account`] if that is root, or if we are neither root
    /// nor that user.
    pub fn of_owner(uid: u32, gid: u32) -> Result<Self, ClusterError> {
        let us = unistd::geteuid().as_raw();
        if uid == 0 {
            return Err(ClusterError::Account {
                problem: "PostgreSQL does not run as root".into(),
                remedy: "give the data directory to another user, such as postgres".into(),
            });
        }
        if us != 0 && us != uid {
            return Err(ClusterError::Account {
                problem: format!("the data directory belongs to {}", name_of(uid)),
                remedy: format!("do it as {} or as root", name_of(uid)),
            });
        }
        let user = unistd::User::from_uid(Uid::from_raw(uid)).ok().flatten();
        let group = Gid::from_raw(gid);
        let groups = user
            .as_ref()
            .and_then(|it| CString::new(it.name.as_str()).ok())
            .and_then(|name| unistd::getgrouplist(&name, group).ok())
            .unwrap_or_else(|| vec![group]);
        Ok(Self {
            uid,
            gid,
            groups,
            name: name_of(uid),
            home: user.map_or_else(|| PathBuf::from("/"), |it| it.dir),
            becomes: us != uid,
        })
    }

    /// Takes a user by name, or by number.
    ///
    /// # Errors
    ///
    /// [`ClusterError::Account`].
    pub fn named(name: &str) -> Result<Self, ClusterError> {
        let user = match name.parse() {
            Ok(uid) => unistd::User::from_uid(Uid::from_raw(uid)),
            Err(_) => unistd::User::from_name(name),
        };
        match user.ok().flatten() {
            Some(user) if !unistd::geteuid().is_root() && user.uid != unistd::geteuid() => {
                Err(ClusterError::Account {
                    problem: format!("it is to belong to {}, and we are another user", user.name),
                    remedy: format!("do it as {} or as root", user.name),
                })
            }
            Some(user) => Self::of_owner(user.uid.as_raw(), user.gid.as_raw()),
            None => Err(ClusterError::Account {
                problem: format!("there is no user {name}"),
                remedy: "name one that there is".into(),
            }),
        }
    }

    /// Takes ourselves; not for root.
    ///
    /// # Errors
    ///
    /// [`ClusterError::Account`].
    pub fn ours() -> Result<Self, ClusterError> {
        Self::of_owner(unistd::geteuid().as_raw(), unistd::getegid().as_raw())
    }

    /// Returns the user's number.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Returns the number of the user's group.
    pub fn gid(&self) -> u32 {
        self.gid
    }

    /// Returns the user's name, or its number.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Prepares a program under the account: with a clean environment, nothing
    /// to read, in the root directory, messages in English.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(environment(&self.name, &self.home, std::env::vars_os()));
        command.current_dir("/").stdin(Stdio::null());
        self.become_in(&mut command, None);
        command
    }

    /// As [`Account::command`], for a server: in a session of its own, with no
    /// descriptor of ours, and its output at the end of a file that is opened
    /// under the account.
    pub(super) fn server_command(
        &self,
        program: &Path,
        log: &Path,
        log_mode: u32,
        without_network: bool,
    ) -> Result<Command, ClusterError> {
        let path = CString::new(log.as_os_str().as_bytes())
            .map_err(|error| ClusterError::io("use", log)(error.into()))?;
        let mut command = Command::new(program);
        command.env_clear().envs(environment(&self.name, &self.home, std::env::vars_os()));
        command.current_dir("/").stdin(Stdio::null());
        if without_network {
            // While we still may.
            networks::leave(&mut command);
        }
        self.become_in(&mut command, Some((path, log_mode)));
        Ok(command)
    }

    /// Ends the program with SIGTERM when we die. After the account was taken:
    /// taking it forgets this.
    #[expect(unsafe_code, reason = "there is no other way to act in the new process")]
    pub(super) fn die_with_us(command: &mut Command) {
        let us = rustix::process::getpid();
        let prepare = move || {
            rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
            if rustix::process::getppid() == Some(us) {
                Ok(())
            } else {
                Err(std::io::ErrorKind::Interrupted.into())
            }
        };
        // SAFETY: between fork and exec only system calls are made.
        unsafe { command.pre_exec(prepare) };
    }

    #[expect(unsafe_code, reason = "there is no other way to act in the new process")]
    fn become_in(&self, command: &mut Command, log: Option<(CString, u32)>) {
        let groups = self.becomes.then(|| self.groups.clone());
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        let prepare = move || {
            if let Some(groups) = &groups {
                unistd::setgroups(groups)?;
                unistd::setgid(gid)?;
                unistd::setuid(uid)?;
            }
            if let Some((path, mode)) = &log {
                rustix::process::setsid()?;
                let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC;
                let flags = flags | OFlags::NOCTTY | OFlags::NONBLOCK;
                let file = rustix::fs::open(path, flags, Mode::from_raw_mode(*mode))?;
                rustix::stdio::dup2_stdout(&file)?;
                rustix::stdio::dup2_stderr(&file)?;
                // What a library opened without care must not stay open in a
                // server. Kernels before 5.11 cannot; ours are closed anyway.
                // SAFETY: closes no descriptor, only marks them.
                unsafe { libc::close_range(3, u32::MAX, CLOSE_ON_EXEC) };
            }
            Ok(())
        };
        // SAFETY: between fork and exec only system calls are made; everything
        // they need was allocated before.
        unsafe { command.pre_exec(prepare) };
    }
}

/// `CLOSE_RANGE_CLOEXEC`.
const CLOSE_ON_EXEC: libc::c_int = 4;

/// Returns a user's name, or the number if nobody has it.
pub(super) fn name_of(uid: u32) -> String {
    let user = unistd::User::from_uid(Uid::from_raw(uid)).ok().flatten();
    user.map_or_else(|| uid.to_string(), |it| it.name)
}

/// Returns a user's home.
pub(super) fn home_of(uid: u32) -> Option<PathBuf> {
    unistd::User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|it| it.dir)
}

/// What of our environment a program of PostgreSQL gets: nothing that could
/// change what it does (`PGDATA`, `PGOPTIONS`, …). The language stays, for it
/// decides how names are sorted where no locale is given; messages are
/// English, for we read them.
fn environment(
    name: &str,
    home: &Path,
    ours: impl Iterator<Item = (OsString, OsString)>,
) -> Vec<(OsString, OsString)> {
    let mut all: Vec<(OsString, OsString)> = Vec::new();
    let mut path = OsString::from(PATH);
    let mut language = None;
    for (key, value) in ours {
        match key.as_bytes() {
            b"PATH" => path = value,
            b"LC_ALL" if !value.is_empty() => language = Some(value),
            b"LANG" => language = language.or(Some(value)),
            b"TZ"
            | b"TMPDIR"
            | b"LD_LIBRARY_PATH"
            | b"PG_OOM_ADJUST_FILE"
            | b"PG_OOM_ADJUST_VALUE" => all.push((key, value)),
            // `LC_ALL` would beat `LC_MESSAGES`.
            other if other.starts_with(b"LC_") && other != b"LC_ALL" && other != b"LC_MESSAGES" => {
                all.push((key, value));
            }
            _ => {}
        }
    }
    let user = OsStr::new(name);
    all.push(("PATH".into(), path));
    all.push(("HOME".into(), home.into()));
    all.push(("USER".into(), user.into()));
    all.push(("LOGNAME".into(), user.into()));
    all.extend(language.map(|it| (OsString::from("LANG"), it)));
    all.push(("LC_MESSAGES".into(), "C".into()));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_changes_what_programs_do_is_handed_on() {
        let ours = [
            ("PATH", "/bin"),
            ("PGDATA", "/x"),
            ("PGOPTIONS", "-c fsync=off"),
            ("LANG", "de_DE.UTF-8"),
            ("LC_ALL", "fr_FR.UTF-8"),
            ("LC_MESSAGES", "de_DE.UTF-8"),
            ("LC_COLLATE", "C"),
            ("SECRET", "x"),
            ("LD_PRELOAD", "x.so"),
        ];
        let ours = ours.iter().map(|(k, v)| (OsString::from(k), OsString::from(v)));
        let all = environment("ann", Path::new("/home/ann"), ours);
        let mut text: Vec<String> = all
            .iter()
            .map(|(k, v)| format!("{}={}", k.to_string_lossy(), v.to_string_lossy()))
            .collect();
        text.sort();
        assert_eq!(
            text,
            [
                "HOME=/home/ann",
                "LANG=fr_FR.UTF-8",
                "LC_COLLATE=C",
                "LC_MESSAGES=C",
                "LOGNAME=ann",
                "PATH=/bin",
                "USER=ann",
            ]
        );
    }

    #[test]
    fn root_is_no_account_for_a_server() {
        assert!(matches!(Account::of_owner(0, 0), Err(ClusterError::Account { .. })));
    }
}
