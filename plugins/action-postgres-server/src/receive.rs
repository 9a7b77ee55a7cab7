//! A receiver of WAL and what is around it: who may run it, where what it
//! receives goes, and who is told.
//!
//! One thread streams ([`hayloft_postgres::receive`]), another brings what is
//! whole into the archive ([`storer`]). A storage that is away holds up only
//! the latter: WAL goes on being safe on this machine's disk.

mod record;
mod service;
mod storer;
mod supervisor;

use std::{
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use hayloft_plugin_api::{Error, ErrorKind, Host, Result};
use hayloft_postgres::{
    ErrorKind as PgKind, Failure,
    receive::{End, ReceiveError, ReceiveOptions, StreamingDirectory, receive},
    wal::SegmentHeader,
};

pub(crate) use self::record::{Record, seconds};
use self::{service::Service, storer::Storer, supervisor::Watch};
use crate::{
    config::Server,
    directories::Directories,
    intake::{ErrorsDirectory, Keep},
    lock::{Lock, Tried},
    probe,
};

/// Held by the receiver of a directory.
const LOCK: &str = ".receive.lock";
/// How the receiver of a directory is.
const RECORD: &str = ".receive.json";
/// Held by whoever archives the files of a directory.
const ARCHIVE_LOCK: &str = ".archive.lock";

/// Returns the lock of whoever archives the files of a directory.
pub(crate) fn archive_lock(directory: &Path) -> PathBuf {
    directory.join(ARCHIVE_LOCK)
}

/// The right to receive into a directory.
#[derive(Debug)]
pub(crate) struct Receiving {
    directory: PathBuf,
    _lock: Lock,
}

impl Receiving {
    /// Takes it.
    ///
    /// # Errors
    ///
    /// If another process has it; the message says which.
    pub(crate) fn begin(directory: &Path) -> Result<Self> {
        StreamingDirectory::open(directory).map_err(|e| failed(&e))?;
        match Lock::take(&directory.join(LOCK))? {
            Tried::Taken(lock) => Ok(Self { directory: directory.to_owned(), _lock: lock }),
            Tried::Held(who) => {
                let message = format!("WAL is being received into {} already", directory.display());
                Err(Error::msg(who).context(message).hint(
                    "one receiver is enough for a server; stop that process first, or leave it be",
                ))
            }
        }
    }

    /// Receives until somebody wants an end, and archives what is whole.
    ///
    /// # Errors
    ///
    /// What nothing but a person can help, and what could not be archived when
    /// everything that was asked for had been received.
    pub(crate) fn run(
        &self,
        host: &Host,
        keep: &dyn Keep,
        server: &Server,
        options: &ReceiveOptions,
    ) -> Result<End> {
        let errors = ErrorsDirectory::new(&Directories::of(host, server)?.errors);
        let storer = Storer::new(host, keep, &self.directory, &errors, server.wal_jobs());
        let service = Service::of_environment();
        let watch = Watch::new(host, &storer, self.directory.join(RECORD), service);
        let ended = thread::scope(|scope| {
            let thread = thread::Builder::new().name("archive".to_owned());
            thread.spawn_scoped(scope, || storer.run())?;
            let ended = receive(options, &watch).map_err(|e| failed(&e));
            storer.end();
            ended
        });
        watch.ended(&ended);
        if matches!(ended, Ok(End::Reached)) {
            storer.finish()?;
        }
        ended
    }
}

/// What a receiver says of itself, and who it is if it runs.
///
/// # Errors
///
/// If that cannot be read.
pub(crate) fn look(directory: &Path) -> Result<(Option<Record>, Option<String>)> {
    let holder = Lock::holder(&directory.join(LOCK))?;
    Ok((Record::read(&directory.join(RECORD))?, holder))
}

/// Returns the number of the cluster that WAL was received from, if the
/// directory tells.
pub(crate) fn known_cluster(directory: &Path) -> Result<Option<u64>> {
    let directory = StreamingDirectory::open(directory).map_err(|e| failed(&e))?;
    let newest = directory.newest().map_err(|e| failed(&e))?;
    let of_file = newest.and_then(|it| head(&it.path)).map(|it| it.system_identifier);
    if of_file.is_some() {
        return Ok(of_file);
    }
    let record = Record::read(&directory.path().join(RECORD))?;
    Ok(record.and_then(|it| it.system_identifier?.parse().ok()))
}

/// Reads the first bytes of a segment, if there are any.
fn head(path: &Path) -> Option<SegmentHeader> {
    use std::io::Read;
    let mut head = vec![0; SegmentHeader::BYTES];
    std::fs::File::open(path).ok()?.read_exact(&mut head).ok()?;
    SegmentHeader::parse(&head).ok()
}

/// An error of the library at the boundary.
pub(crate) fn failed(error: &ReceiveError) -> Error {
    let trouble = probe::trouble(error);
    let kind = match error.kind() {
        PgKind::PermissionDenied => ErrorKind::PERMISSION,
        PgKind::NotFound => ErrorKind::NOT_FOUND,
        PgKind::TimedOut => ErrorKind::TIMED_OUT,
        _ if matches!(error, ReceiveError::Cancelled) => ErrorKind::CANCELLED,
        _ => ErrorKind::OTHER,
    };
    let failed = Error::new(kind, trouble.problem);
    match error.hint() {
        Some(hint) => failed.hint(hint),
        None => failed,
    }
}

/// How long the archive may be out of reach before that is said again.
const REMIND: Duration = Duration::from_mins(10);
