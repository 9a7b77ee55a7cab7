//! One at a time: locks that tell who holds them.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use hayloft_plugin_api::{Error, Result};

/// How long somebody who only looks may have a lock.
const LOOK: Duration = Duration::from_secs(2);
const PULSE: Duration = Duration::from_millis(20);

/// What root locks, whoever owns the directory must be able to lock as well.
fn share(file: &File, path: &Path) -> std::io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let owner = path.parent().unwrap_or(Path::new("/")).metadata()?;
    fchown(file, Some(owner.uid()), Some(owner.gid()))
}

/// A lock that is held as long as this lives; the system takes it back when
/// the process ends, however that comes.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// What came of trying.
#[derive(Debug)]
pub(crate) enum Tried {
    /// It is ours.
    Taken(Lock),
    /// Somebody else has it: who, as far as the file tells.
    Held(String),
}

impl Lock {
    /// Takes a lock, or tells who has it. The file is made if need be, and
    /// stays.
    ///
    /// # Errors
    ///
    /// If the file cannot be used.
    pub(crate) fn take(path: &Path) -> Result<Tried> {
        let failed =
            |e: std::io::Error| Error::from(e).context(format!("cannot lock {}", path.display()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        // A link in a directory of somebody else's must not lead root astray.
        options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
        let mut file = options.open(path).map_err(failed)?;
        share(&file, path).map_err(failed)?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if began.elapsed() < LOOK => thread::sleep(PULSE),
                Err(TryLockError::WouldBlock) => return Ok(Tried::Held(holder(&mut file))),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
        writeln!(
            file,
            "process {}, since {}",
            program(),
            jiff::Timestamp::now().strftime("%FT%TZ")
        )
        .map_err(failed)?;
        Ok(Tried::Taken(Self { _file: file }))
    }

    /// Tells who holds a lock; nobody if there is no file of it.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub(crate) fn holder(path: &Path) -> Result<Option<String>> {
        let failed =
            |e: std::io::Error| Error::from(e).context(format!("cannot read {}", path.display()));
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(e)),
        };
        // Others who look do not see us, and whoever takes it waits a moment.
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(holder(&mut file))),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

/// The process that a person knows: the program, whose worker this is.
fn program() -> u32 {
    rustix::process::getppid()
        .map_or_else(std::process::id, |it| it.as_raw_nonzero().get().unsigned_abs())
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    // The note is a courtesy; without it the lock is held all the same.
    drop(file.rewind().and_then(|()| file.read_to_string(&mut text)));
    let text = text.trim();
    if text.is_empty() { "another process".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_had_once_and_names_its_holder() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".lock");
        assert_eq!(Lock::holder(&path).unwrap(), None);
        let Tried::Taken(lock) = Lock::take(&path).unwrap() else { panic!("it is free") };
        let Tried::Held(who) = Lock::take(&path).unwrap() else { panic!("it is held") };
        assert!(who.starts_with(&format!("process {}, since 2", program())), "{who}");
        assert_eq!(Lock::holder(&path).unwrap(), Some(who));
        drop(lock);
        assert_eq!(Lock::holder(&path).unwrap(), None);
        assert!(matches!(Lock::take(&path).unwrap(), Tried::Taken(_)));
    }
}
