//! Removes what is old enough from one directory tree.
//!
//! Every step goes through descriptors of directories and follows no link, so
//! nothing outside the tree can be reached, whatever others do to it meanwhile.

use std::{
    ffi::{CStr, CString, OsStr},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use tracing::{debug, info};

use crate::{
    age::{self, AgeRule, Instant},
    guard::{Guard, Indicators, Reason, Role},
    report::{Report, shown},
};

/// What one `<dir>` of the section asks for.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Files of at least this many whole days go.
    pub retain_days: u64,
    /// What the age counts from.
    pub age: AgeRule,
    /// Whether to remove what has not been stored or staged yet.
    pub unstored: bool,
}

/// The run that a purge is part of.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// When the run began.
    pub now: Instant,
    /// Whether to change nothing.
    pub dry_run: bool,
    /// What must stay.
    pub guard: &'a Guard,
    /// Tells whether to end early.
    pub cancelled: &'a dyn Fn() -> bool,
}

impl std::fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("now", &self.now).field("dry_run", &self.dry_run).finish()
    }
}

/// Why a directory could not be purged at all.
#[derive(Debug, thiserror::Error)]
pub enum PurgeError {
    /// It cannot be opened as a directory.
    #[error("cannot purge {path}")]
    Open {
        /// The directory.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// It is the root of the file system.
    #[error("refusing to purge {path}, which is the root of the file system")]
    Root {
        /// The directory as configured.
        path: String,
    },
    /// The work is to end.
    #[error("interrupted")]
    Cancelled,
}

/// Removes what is old enough below `root`, then the directories that are
/// empty, `root` itself never.
///
/// # Errors
///
/// Only for `root` as a whole and for an interruption; what goes wrong with a
/// single file is in [`Report::problems`].
pub fn purge(root: &Path, policy: &Policy, run: Run<'_>) -> Result<Report, PurgeError> {
    let open = |source: io::Error| PurgeError::Open { path: shown(root), source };
    let real = root.canonicalize().map_err(open)?;
    if real == Path::new("/") {
        return Err(PurgeError::Root { path: shown(root) });
    }
    let fd = fs::open(&real, DIRECTORY, Mode::empty()).map_err(|e| open(e.into()))?;
    let report = Report::default();
    let mut walk = Walk { policy, run, staged: None, path: real, report };
    let above = if policy.unstored { None } else { walk.kept_by_ancestor() };
    let mut due = Due::default();
    walk.directory(fd, above.is_some(), &mut due)?;
    if let Some((path, reason)) = above {
        walk.note_kept(&path, &reason, due);
    }
    Ok(walk.report)
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

struct Walk<'a> {
    policy: &'a Policy,
    run: Run<'a>,
    /// How many days ago the directory's day was, for the rule that asks.
    staged: Option<u64>,
    /// The real path of the directory that is being worked on.
    path: PathBuf,
    report: Report,
}

/// What is old enough in a directory that is kept.
#[derive(Debug, Clone, Copy, Default)]
struct Due {
    files: u64,
    bytes: u64,
}

/// The names in a directory, in the order in which they are to be removed:
/// what says that the rest is good goes first, what says that it is safe
/// elsewhere goes last. An interruption leaves nothing that looks whole.
#[derive(Default)]
struct Names {
    first: Vec<(CString, FileType)>,
    middle: Vec<(CString, FileType)>,
    last: Vec<(CString, FileType)>,
}

impl Names {
    fn read(fd: OwnedFd, role: Role) -> io::Result<(Dir, Self)> {
        let mut dir = Dir::new(fd)?;
        let mut names = Self::default();
        for entry in dir.by_ref() {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let list = match (role, name.to_bytes()) {
                (Role::Day, b"cback.stage") | (_, b"cback.collect") => &mut names.first,
                (_, bytes) if bytes.starts_with(b"cback.") => &mut names.last,
                _ => &mut names.middle,
            };
            list.push((name.to_owned(), entry.file_type()));
        }
        Ok((dir, names))
    }

    fn indicators(&self) -> impl Iterator<Item = &CStr> {
        let files = self.first.iter().chain(&self.last).filter(|it| it.1 != FileType::Directory);
        files.map(|(name, _)| name.as_c_str())
    }

    fn in_order(self) -> impl Iterator<Item = (CString, FileType)> {
        self.first.into_iter().chain(self.middle).chain(self.last)
    }
}

impl Walk<'_> {
    /// Works on the directory at `self.path`; returns whether it is empty
    /// afterwards. With `keep` nothing is removed, only counted in `due`.
    fn directory(&mut self, fd: OwnedFd, keep: bool, due: &mut Due) -> Result<bool, PurgeError> {
        self.staged = self.days_since_staging();
        let role = self.run.guard.role(&self.path);
        let (dir, names) = match Names::read(fd, role) {
            Ok(read) => read,
            Err(error) => {
                self.problem(None, &error);
                return Ok(false);
            }
        };
        let fd = match dir.fd() {
            Ok(fd) => fd,
            Err(error) => {
                self.problem(None, &error.into());
                return Ok(false);
            }
        };
        let reason = if keep { None } else { self.reason_to_keep(role, fd, &names) };
        let Some(reason) = reason else {
            return self.entries(fd, names, keep, due);
        };
        let mut kept = Due::default();
        self.entries(fd, names, true, &mut kept)?;
        let path = self.path.clone();
        self.note_kept(&path, &reason, kept);
        Ok(false)
    }

    fn entries(
        &mut self,
        fd: BorrowedFd<'_>,
        names: Names,
        keep: bool,
        due: &mut Due,
    ) -> Result<bool, PurgeError> {
        let mut empty = true;
        for (name, kind) in names.in_order() {
            if (self.run.cancelled)() {
                return Err(PurgeError::Cancelled);
            }
            let gone = match kind {
                FileType::Directory => self.subdirectory(fd, &name, keep, due)?,
                _ => self.other(fd, &name, keep, due)?,
            };
            empty &= gone;
        }
        Ok(empty)
    }

    /// Works on an entry that is not known to be a directory; returns whether
    /// it is gone.
    fn other(
        &mut self,
        fd: BorrowedFd<'_>,
        name: &CStr,
        keep: bool,
        due: &mut Due,
    ) -> Result<bool, PurgeError> {
        let stat = match fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(rustix::io::Errno::NOENT) => return Ok(true),
            Err(error) => {
                self.problem(Some(name), &error.into());
                return Ok(false);
            }
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => return self.subdirectory(fd, name, keep, due),
            FileType::RegularFile | FileType::Symlink if self.is_due(&stat) => {}
            _ => return Ok(false),
        }
        let bytes = if stat.st_nlink == 1 { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 };
        if keep {
            due.files += 1;
            due.bytes += bytes;
            return Ok(false);
        }
        if !self.remove(fd, name, AtFlags::empty()) {
            return Ok(false);
        }
        self.report.files += 1;
        self.report.bytes += bytes;
        Ok(true)
    }

    fn subdirectory(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &CStr,
        keep: bool,
        due: &mut Due,
    ) -> Result<bool, PurgeError> {
        let (fd, mounted) = match open_below(parent, name) {
            Ok(opened) => opened,
            Err(rustix::io::Errno::NOENT) => return Ok(true),
            Err(error) => {
                self.problem(Some(name), &error.into());
                return Ok(false);
            }
        };
        self.path.push(OsStr::from_bytes(name.to_bytes()));
        let mounted = mounted && !keep;
        let empty = if mounted { self.mounted(fd) } else { self.directory(fd, keep, due) };
        let fixed = self.run.guard.is_fixed(&self.path);
        self.path.pop();
        self.staged = self.days_since_staging();
        if !empty? || keep || fixed || !self.remove(parent, name, AtFlags::REMOVEDIR) {
            return Ok(false);
        }
        self.report.directories += 1;
        Ok(true)
    }

    /// Leaves another file system alone, and says if something is due there.
    fn mounted(&mut self, fd: OwnedFd) -> Result<bool, PurgeError> {
        let mut due = Due::default();
        self.directory(fd, true, &mut due)?;
        let path = self.path.clone();
        self.note_kept(&path, &Reason::Mounted, due);
        Ok(false)
    }

    fn days_since_staging(&self) -> Option<u64> {
        let asked = self.policy.age == AgeRule::Staged;
        asked.then(|| self.run.guard.days_since_staging(&self.path)).flatten()
    }

    fn is_due(&self, stat: &Stat) -> bool {
        let modified = instant(stat.st_mtime, stat.st_mtime_nsec);
        let accessed = instant(stat.st_atime, stat.st_atime_nsec);
        let moment = match FileType::from_raw_mode(stat.st_mode) {
            // Following a link is an access that says nothing of its use.
            FileType::Symlink => modified,
            _ => self.policy.age.moment(modified, accessed),
        };
        let days = self.staged.unwrap_or_else(|| age::in_days(self.run.now, moment));
        days >= self.policy.retain_days
    }

    /// Removes an entry, unless this is a dry run; returns whether it is gone.
    fn remove(&mut self, fd: BorrowedFd<'_>, name: &CStr, flags: AtFlags) -> bool {
        let path = || shown(&self.path.join(OsStr::from_bytes(name.to_bytes())));
        if self.run.dry_run {
            info!("would remove {}", path());
            return true;
        }
        match fs::unlinkat(fd, name, flags) {
            Ok(()) => {
                debug!("removed {}", path());
                true
            }
            Err(rustix::io::Errno::NOENT) => true,
            // Somebody put something in after it was read: it is in use.
            Err(rustix::io::Errno::NOTEMPTY) => false,
            Err(error) => {
                self.problem(Some(name), &error.into());
                false
            }
        }
    }

    fn problem(&mut self, name: Option<&CStr>, error: &io::Error) {
        let path = match name {
            Some(name) => self.path.join(OsStr::from_bytes(name.to_bytes())),
            None => self.path.clone(),
        };
        self.report.problems.push(format!("cannot remove {}: {error}", shown(&path)));
    }

    fn reason_to_keep(&self, role: Role, fd: BorrowedFd<'_>, names: &Names) -> Option<Reason> {
        if role == Role::Plain || self.policy.unstored {
            return None;
        }
        let mut found = Indicators {
            names: names.indicators().filter_map(|it| it.to_str().ok()).map(Into::into).collect(),
            stage_is_stale: stage_is_stale(fd),
            unmarked: false,
        };
        // Looking into the day is for the few that have no indicator.
        found.unmarked =
            role == Role::Day && !found.names.contains("cback.stage") && holds_data(fd);
        self.run.guard.keeps(role, &found)
    }

    /// Finds out whether the whole tree lies in something that is kept.
    fn kept_by_ancestor(&self) -> Option<(PathBuf, Reason)> {
        let guard = self.run.guard;
        guard.deciding_ancestors(&self.path).find_map(|ancestor| {
            let fd = fs::open(ancestor, DIRECTORY, Mode::empty()).ok()?;
            let role = guard.role(ancestor);
            let (dir, names) = Names::read(fd, role).ok()?;
            let reason = self.reason_to_keep(role, dir.fd().ok()?, &names)?;
            Some((ancestor.to_owned(), reason))
        })
    }

    fn note_kept(&mut self, path: &Path, reason: &Reason, due: Due) {
        if due.files == 0 {
            return;
        }
        let why = match reason {
            Reason::NotStored(indicator) => format!("staged, but has no {indicator} yet"),
            Reason::NotComplete => {
                "not all of its peers were staged, and nothing stored it".to_owned()
            }
            Reason::NotStaged => "collected, but not staged yet".to_owned(),
            Reason::Mounted => "another file system is mounted there".to_owned(),
        };
        let files = due.files;
        self.report.kept.push(format!("kept {}, {files} of its files due: {why}", shown(path)));
    }
}

/// Opens a directory; tells whether a file system is mounted there. What is
/// mounted on a purged directory, if only for a moment, is somebody else's.
fn open_below(parent: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<(OwnedFd, bool)> {
    use rustix::io::Errno;
    match fs::openat2(parent, name, DIRECTORY, Mode::empty(), ResolveFlags::NO_XDEV) {
        Ok(fd) => Ok((fd, false)),
        Err(Errno::XDEV) => Ok((fs::openat(parent, name, DIRECTORY, Mode::empty())?, true)),
        // Before Linux 5.6, or where a filter of system calls does not know it.
        Err(Errno::NOSYS | Errno::PERM) => {
            let fd = fs::openat(parent, name, DIRECTORY, Mode::empty())?;
            let mounted = fs::fstat(&fd)?.st_dev != fs::fstat(parent)?.st_dev;
            Ok((fd, mounted))
        }
        Err(error) => Err(error),
    }
}

/// Tells whether there is a file below that is no indicator, and not one that
/// an interrupted run left. What cannot be looked into may hold some.
fn holds_data(fd: BorrowedFd<'_>) -> bool {
    let Ok(mut dir) = Dir::read_from(fd) else { return true };
    dir.any(|entry| {
        let Ok(entry) = entry else { return true };
        let name = entry.file_name();
        let ours: [&[u8]; 2] = [b"cback.", b".hayloft-"];
        if matches!(name.to_bytes(), b"." | b"..")
            || ours.iter().any(|it| name.to_bytes().starts_with(it))
        {
            return false;
        }
        match open_below(fd, name) {
            Ok((inner, _)) => holds_data(inner.as_fd()),
            Err(_) => true,
        }
    })
}

fn stage_is_stale(fd: BorrowedFd<'_>) -> bool {
    let modified = |name: &str| {
        let stat = fs::statat(fd.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(instant(stat.st_mtime, stat.st_mtime_nsec))
    };
    match (modified("cback.collect"), modified("cback.stage")) {
        (Some(collect), Some(stage)) => stage < collect,
        _ => false,
    }
}

/// The types of these fields differ between platforms.
fn instant(seconds: impl TryInto<i64>, nanoseconds: impl TryInto<u32>) -> Instant {
    Instant {
        seconds: seconds.try_into().unwrap_or(i64::MAX),
        nanoseconds: nanoseconds.try_into().unwrap_or(0),
    }
}
