//! The private directory of a server's sessions: who holds it, what is known.

use std::{
    env,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::{deliver::replace, error::SnapshotError, phase::Phase, record::Record};

const LOCK: &str = "lock";
const RECORD: &str = "session.json";
const SOCKET: &str = "socket";
const LOG: &str = "log";
const REFUSED: &str = "refused-";
/// How long somebody who only looks may have the lock.
const LOOK: Duration = Duration::from_secs(2);
/// How old a refusal must be that nobody waits for any more.
const OLD: Duration = Duration::from_hours(1);

/// A directory of ours alone.
#[derive(Debug, Clone)]
pub struct Place {
    directory: PathBuf,
}

/// The right to hold a session; given back when it is dropped, and by the
/// system when the process ends, however that comes.
#[derive(Debug)]
pub struct Held {
    _lock: File,
}

impl Place {
    /// Makes the directory if need be, with mode 0700.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::NotPrivate`] if others can write there or look into it.
    pub fn open(directory: &Path) -> Result<Self, SnapshotError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|e| SnapshotError::file("make", directory, e))?;
        let meta = fs::symlink_metadata(directory);
        let meta = meta.map_err(|e| SnapshotError::file("look at", directory, e))?;
        let ours = meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw();
        if !ours || meta.mode() & 0o077 != 0 {
            return Err(SnapshotError::NotPrivate { path: directory.to_owned() });
        }
        Ok(Self { directory: directory.to_owned() })
    }

    /// Returns where the current user keeps the state of sessions:
    /// `hayloft/postgres` in `$XDG_STATE_HOME`, or below the home directory,
    /// which is `$HOME` or what the user database says. Reads the environment.
    pub fn state_home() -> Option<PathBuf> {
        let absolute =
            |name| env::var_os(name).map(PathBuf::from).filter(|it: &PathBuf| it.is_absolute());
        let home = || {
            let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
            absolute("HOME").or_else(|| user.map(|it| it.dir))
        };
        let base = absolute("XDG_STATE_HOME").or_else(|| Some(home()?.join(".local/state")));
        Some(base?.join("hayloft/postgres"))
    }

    /// Returns the directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the file for the messages of the process that holds a session.
    pub fn log_file(&self) -> PathBuf {
        self.directory.join(LOG)
    }

    /// Takes the right to hold a session.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Held`] if somebody has it.
    pub fn hold(&self) -> Result<Held, SnapshotError> {
        let began = Instant::now();
        loop {
            if let Some(held) = self.try_hold()? {
                return Ok(held);
            }
            if began.elapsed() > LOOK {
                return Err(SnapshotError::Held(self.who()));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn try_hold(&self) -> Result<Option<Held>, SnapshotError> {
        let path = self.directory.join(LOCK);
        let failed = |e| SnapshotError::file("lock", &path, e);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(&path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Held { _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    fn who(&self) -> String {
        match self.record() {
            Ok(Some(it)) => describe(&it),
            _ => "another process is beginning one".to_owned(),
        }
    }

    /// Returns what was last written, be it still true or not.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn record(&self) -> Result<Option<Record>, SnapshotError> {
        let path = self.directory.join(RECORD);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(SnapshotError::file("read", &path, e)),
        };
        let record = serde_json::from_slice(&text);
        record.map(Some).map_err(|source| SnapshotError::Record { path, source })
    }

    /// Returns what is true now: a session whose process is gone without a
    /// word has failed, and that is written down.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn current(&self) -> Result<Option<Record>, SnapshotError> {
        let Some(record) = self.record()? else { return Ok(None) };
        if record.phase.is_final() {
            return Ok(Some(record));
        }
        let Some(held) = self.try_hold()? else { return Ok(Some(record)) };
        // It may have come to its end while we looked.
        let record = self.record()?.map(|it| if it.phase.is_final() { it } else { gone(it) });
        if let Some(record) = &record {
            self.write(record, &held)?;
            self.sweep(&held)?;
        }
        Ok(record)
    }

    /// Replaces what is known.
    ///
    /// # Errors
    ///
    /// If it could not be made durable.
    pub fn write(&self, record: &Record, _: &Held) -> Result<(), SnapshotError> {
        let path = self.directory.join(RECORD);
        let text = serde_json::to_vec_pretty(record);
        let text = text.map_err(|source| SnapshotError::Record { path: path.clone(), source })?;
        replace(&path, &self.directory.join(".session.new"), &text)
    }

    /// Removes what nobody needs any more: the socket of a process that is
    /// gone, files that were not finished, old refusals.
    ///
    /// # Errors
    ///
    /// If the socket is still there.
    pub fn sweep(&self, _: &Held) -> Result<(), SnapshotError> {
        let socket = self.directory.join(SOCKET);
        match fs::remove_file(&socket) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(SnapshotError::file("remove", &socket, e));
            }
            _ => {}
        }
        for entry in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let old = || {
                let age = entry.metadata().and_then(|it| it.modified()).ok()?.elapsed().ok()?;
                Some(age > OLD)
            };
            let refusal = name.as_encoded_bytes().starts_with(REFUSED.as_bytes());
            if name == ".session.new" || (refusal && old() == Some(true)) {
                // What stays is swept the next time.
                drop(fs::remove_file(entry.path()));
            }
        }
        Ok(())
    }

    /// Leaves word for whoever began the session `id` that it never began.
    ///
    /// # Errors
    ///
    /// If that cannot be written.
    pub fn refuse(&self, id: &str, why: &str) -> Result<(), SnapshotError> {
        let path = self.refusal(id);
        replace(&path, &path.with_extension("new"), why.as_bytes())
    }

    /// Takes the word that was left.
    pub fn take_refusal(&self, id: &str) -> Option<String> {
        let path = self.refusal(id);
        let why = fs::read_to_string(&path).ok()?;
        // What stays is swept later.
        drop(fs::remove_file(path));
        Some(why)
    }

    fn refusal(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{REFUSED}{id}"))
    }

    /// Calls `work` with the path of the socket; the path is short however
    /// deep the directory lies, since that of a socket has at most 107 bytes.
    pub(super) fn with_socket<T>(
        &self,
        work: impl FnOnce(&Path) -> io::Result<T>,
    ) -> Result<T, SnapshotError> {
        let failed = |e| SnapshotError::file("use", &self.directory.join(SOCKET), e);
        let directory = File::open(&self.directory).map_err(failed)?;
        let path = format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd());
        work(Path::new(&path)).map_err(failed)
    }
}

fn gone(record: Record) -> Record {
    let (was, pid) = (record.phase, record.holder.pid);
    let reason = match was {
        Phase::Archiving => {
            format!("process {pid} that held the session is gone before its WAL was archived")
        }
        _ => {
            format!("process {pid} that held the session is gone, so the server aborted the backup")
        }
    };
    let phase = if was == Phase::Archiving { Phase::Incomplete } else { Phase::Failed };
    Record { phase, reason: Some(reason), ended: Some(now()), ..record }
}

fn describe(record: &Record) -> String {
    let since = now().saturating_sub(record.begun);
    format!(
        "{} of process {}, {} for {since} s",
        record.id,
        record.holder.pid,
        record.phase.as_str()
    )
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::snapshot::record::Process;

    fn place() -> (tempfile::TempDir, Place) {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::open(&directory.path().join("a/b")).unwrap();
        (directory, place)
    }

    #[test]
    fn only_one_holds_a_place() {
        let (_directory, place) = place();
        let held = place.try_hold().unwrap();
        assert!(held.is_some());
        assert!(matches!(place.hold(), Err(SnapshotError::Held(_))));
        drop(held);
        assert!(place.hold().is_ok());
    }

    #[test]
    fn a_directory_that_others_can_use_is_refused() {
        let (_directory, place) = place();
        fs::set_permissions(place.directory(), fs::Permissions::from_mode(0o750)).unwrap();
        assert!(matches!(Place::open(place.directory()), Err(SnapshotError::NotPrivate { .. })));
    }

    #[test]
    fn a_session_without_its_process_has_failed() {
        let (_directory, place) = place();
        assert_eq!(place.current().unwrap(), None);
        let mut record = Record::new("1", "main", "l", "/".into(), now());
        record.phase = Phase::Running;
        record.holder = Process { pid: 1, started: 0 };
        let held = place.hold().unwrap();
        place.write(&record, &held).unwrap();
        fs::write(place.directory().join(SOCKET), "").unwrap();
        assert_eq!(place.current().unwrap(), Some(record), "it is held");
        drop(held);
        let found = place.current().unwrap().unwrap();
        assert_eq!(found.phase, Phase::Failed);
        assert!(found.reason.clone().unwrap().contains("process 1"), "{found:?}");
        assert_eq!(place.record().unwrap(), Some(found), "it is written down");
        assert!(!place.directory().join(SOCKET).exists(), "its socket is swept");
    }

    #[test]
    fn what_ended_stays_as_it_ended() {
        let (_directory, place) = place();
        let mut record = Record::new("1", "main", "l", "/".into(), now());
        record.phase = Phase::Complete;
        place.write(&record, &place.hold().unwrap()).unwrap();
        assert_eq!(place.current().unwrap(), Some(record));
    }

    #[test]
    fn a_record_that_is_none_is_an_error() {
        let (_directory, place) = place();
        fs::write(place.directory().join(RECORD), "{").unwrap();
        assert!(matches!(place.current(), Err(SnapshotError::Record { .. })));
    }

    #[test]
    fn a_refusal_is_taken_once() {
        let (_directory, place) = place();
        place.refuse("7", "because").unwrap();
        assert_eq!(place.take_refusal("7").as_deref(), Some("because"));
        assert_eq!(place.take_refusal("7"), None);
    }
}
