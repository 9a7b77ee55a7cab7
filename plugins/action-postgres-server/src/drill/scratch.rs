//! The private directory of a drill, and its end.
//!
//! A drill that is killed leaves one behind, with a server in it perhaps. The
//! next one ends it: who holds no lock on its directory is gone.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::{
        fs::{DirBuilderExt, OpenOptionsExt, chown, lchown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use hayloft_plugin_api::{Error, ErrorKind, Result};
use hayloft_postgres::cluster::{self, Account, Patience, State, StopMode, StopOptions};

use super::place;
use crate::directories;

/// What the names of our directories begin with.
const PREFIX: &str = "drill-";
/// The file in them that is locked.
const MARK: &str = "hayloft-drill";
/// How long a server may take to end.
const END: Duration = Duration::from_secs(30);
/// The longest path of a socket that the system takes, less its name.
const SOCKET: usize = 107 - "/.s.PGSQL.5432".len();

/// The directory of one drill. It is removed with everything in it when this
/// is dropped.
#[derive(Debug)]
pub(super) struct Scratch {
    root: PathBuf,
    // Invariant: exists only if the directory's own path is too long for one.
    short: Option<PathBuf>,
    account: Account,
    _mark: File,
}

impl Scratch {
    /// Makes one below `base`, which is made if need be, and removes what
    /// earlier drills have left there.
    ///
    /// # Errors
    ///
    /// If that cannot be done, or the account could not get there.
    pub(super) fn make(base: &Path, name: &str, account: Account) -> Result<Self> {
        let failed = |what: &str, path: &Path| {
            let message = format!("cannot {what} {}", path.display());
            move |e: io::Error| Error::from(e).context(message)
        };
        // The account must get through, and see nothing.
        directories::make(base, 0o711)?;
        let lock = File::open(base).map_err(failed("open", base))?;
        lock.lock().map_err(failed("lock", base))?;
        sweep(base);
        let root = base.join(format!("{PREFIX}{name}"));
        fs::DirBuilder::new().mode(0o700).create(&root).map_err(failed("make", &root))?;
        let path = root.join(MARK);
        let mut options = OpenOptions::new();
        let mark = options.write(true).create_new(true).mode(0o600).open(&path);
        let mark = mark.map_err(failed("make", &path))?;
        mark.lock().map_err(failed("lock", &path))?;
        let mut scratch = Self { root, short: None, account, _mark: mark };
        scratch.furnish()?;
        scratch.check_way()?;
        Ok(scratch)
    }

    fn furnish(&mut self) -> Result<()> {
        let made = || -> io::Result<()> {
            chown(&self.root, Some(self.account.uid()), Some(self.account.gid()))?;
            for path in [self.tablespaces(), self.configuration(), self.wal()] {
                self.private(&path)?;
            }
            if self.own_socket().as_os_str().len() <= SOCKET {
                self.private(&self.own_socket())?;
            }
            Ok(())
        };
        made().map_err(|e| {
            Error::from(e).context(format!("cannot prepare {}", self.root.display()))
        })?;
        if self.own_socket().as_os_str().len() > SOCKET {
            // In a place with a short name; the mark of it is a link in ours.
            let short = std::env::temp_dir().join(format!("hayloft-{}", std::process::id()));
            let made = self
                .private(&short)
                .and_then(|()| std::os::unix::fs::symlink(&short, self.root.join(SHORT)));
            made.map_err(|e| Error::from(e).context(format!("cannot make {}", short.display())))?;
            self.short = Some(short);
        }
        Ok(())
    }

    /// The server's user must get to its files; said before they are restored.
    fn check_way(&self) -> Result<()> {
        let (uid, gid) = (self.account.uid(), self.account.gid());
        let Some(barrier) = place::barrier(&self.root, uid, gid) else { return Ok(()) };
        // Modes are not everything where there are access control lists.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "cd \"$0\""]).arg(&self.root).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/").uid(uid).gid(gid);
        if command.status().is_ok_and(|it| it.success()) {
            return Ok(());
        }
        let message = format!("user {} cannot pass {}", self.account.name(), barrier.display());
        Err(Error::new(ErrorKind::CONFIGURATION, message)
            .context("a scratch server could not get to its files")
            .hint("name another <directory> in the server's <drill>, or another <user>"))
    }

    /// Makes a directory that only the account can enter.
    fn private(&self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().mode(0o700).create(path)?;
        chown(path, Some(self.account.uid()), Some(self.account.gid()))
    }

    /// Returns the directory with everything in it.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns whom it belongs to.
    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    /// Returns where the data directory is to be.
    pub(super) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// Returns where tablespaces are to be, each by its number.
    pub(super) fn tablespaces(&self) -> PathBuf {
        self.root.join("tablespaces")
    }

    /// Returns where the configuration is.
    pub(super) fn configuration(&self) -> PathBuf {
        self.root.join("configuration")
    }

    /// Returns where WAL comes that the server asks for.
    pub(super) fn wal(&self) -> PathBuf {
        self.root.join("wal")
    }

    /// Returns the server's log.
    pub(super) fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// Returns the directory of the socket.
    pub(super) fn socket(&self) -> PathBuf {
        self.short.clone().unwrap_or_else(|| self.own_socket())
    }

    fn own_socket(&self) -> PathBuf {
        self.root.join("socket")
    }

    /// Gives a file, or a tree without following links, to the account.
    ///
    /// # Errors
    ///
    /// If that is impossible.
    pub(super) fn give(&self, path: &Path) -> Result<()> {
        give(path, self.account.uid(), self.account.gid())
            .map_err(|e| Error::from(e).context(format!("cannot give away {}", path.display())))
    }
}

fn give(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    lchown(path, Some(uid), Some(gid))?;
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), uid, gid)?;
        }
    }
    Ok(())
}

/// The link that tells where the socket is if it is elsewhere.
const SHORT: &str = "socket-elsewhere";

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.root) {
            tracing::warn!("{error}; the next drill will try again");
        }
    }
}

/// Ends what is in a drill's directory, and removes it. The mark goes last.
fn remove(root: &Path) -> Result<()> {
    let failed = |e: io::Error| Error::from(e).context(format!("cannot remove {}", root.display()));
    let data = root.join("data");
    if let Ok(State::Running(_)) = cluster::probe(&data) {
        let options = StopOptions {
            mode: StopMode::Immediate,
            up_to: Some(StopMode::Kill),
            ..StopOptions::default()
        };
        cluster::stop(&data, &options, &Patience::of(END)).map_err(|e| {
            Error::msg(e.to_string())
                .context(format!("cannot end the server in {}", root.display()))
        })?;
    }
    let link = root.join(SHORT);
    if let Ok(short) = fs::read_link(&link) {
        match fs::remove_dir_all(&short) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(e)),
            _ => {}
        }
    }
    for entry in fs::read_dir(root).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name() == MARK {
            continue;
        }
        let path = entry.path();
        let directory = entry.file_type().map_err(failed)?.is_dir();
        let removed = if directory { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(failed)?;
    }
    fs::remove_dir_all(root).map_err(failed)
}

/// Removes the directories of drills whose process is gone.
fn sweep(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let path = entry.path();
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if !ours || !entry.file_type().is_ok_and(|it| it.is_dir()) {
            continue;
        }
        match File::open(path.join(MARK)) {
            Ok(mark) if mark.try_lock().is_err() => {}
            Ok(_) => match remove(&path) {
                Ok(()) => tracing::info!("removed {}, left by a drill", path.display()),
                Err(error) => tracing::warn!("{error}"),
            },
            // It had just been made; whoever did that is gone, for we have the lock.
            Err(_) => drop(fs::remove_dir(&path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    /// An account that may have it: ours, or for root any other.
    fn account() -> Account {
        Account::ours().unwrap_or_else(|_| Account::of_owner(12_345, 12_345).unwrap())
    }

    #[test]
    fn nothing_stays_of_a_drill_that_ended_or_died() {
        let base = tempfile::tempdir().unwrap();
        let base = base.path().join("a/b");
        let scratch = Scratch::make(&base, "main-1", account()).unwrap();
        let root = scratch.root().to_owned();
        assert_eq!(fs::metadata(&root).unwrap().uid(), scratch.account().uid());
        assert_eq!(fs::metadata(&root).unwrap().mode() & 0o777, 0o700);
        // One that died, one that only began, and somebody else's.
        let died = base.join("drill-main-0");
        fs::create_dir_all(died.join("data/base")).unwrap();
        fs::write(died.join(MARK), "").unwrap();
        fs::create_dir(base.join("drill-main-9")).unwrap();
        fs::create_dir(base.join("other")).unwrap();
        let second = Scratch::make(&base, "main-2", account()).unwrap();
        assert!(root.is_dir() && !died.exists() && !base.join("drill-main-9").exists());
        drop((scratch, second));
        let left: Vec<_> = fs::read_dir(&base).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(left, ["other"]);
    }

    #[test]
    fn what_a_link_leads_to_is_left_alone() {
        let base = tempfile::tempdir().unwrap();
        let outside = base.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), "x").unwrap();
        let scratch = Scratch::make(&base.path().join("base"), "x", account()).unwrap();
        fs::create_dir(scratch.data()).unwrap();
        std::os::unix::fs::symlink(&outside, scratch.data().join("link")).unwrap();
        scratch.give(&scratch.data()).unwrap();
        let uid = fs::metadata(base.path()).unwrap().uid();
        drop(scratch);
        assert_eq!(fs::metadata(outside.join("file")).unwrap().uid(), uid);
    }

    #[test]
    fn a_long_path_has_its_socket_elsewhere() {
        let base = tempfile::tempdir().unwrap();
        let long = base.path().join("x".repeat(90));
        let scratch = Scratch::make(&long, "main", account()).unwrap();
        let socket = scratch.socket();
        assert!(socket.as_os_str().len() <= SOCKET && socket.is_dir(), "{}", socket.display());
        drop(scratch);
        assert!(!socket.exists());
    }
}
