//! Mailboxes that others may be writing to.
//!
//! Three kinds of lock are in use: a file `mailbox.lock`, `fcntl` and
//! `flock`. All of them are respected; the latter two are held, shared, while
//! a mailbox is read. No `mailbox.lock` is made: one that stayed behind would
//! keep mail from being delivered.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant, SystemTime},
};

use hayloft_dump::read_small;
use hayloft_plugin_api::{Error, ErrorKind, Host, Result};
use rustix::{
    fs::{FlockOperation, OFlags, fcntl_lock, flock},
    io::Errno,
};

/// How often a locked mailbox is looked at.
const PULSE: Duration = Duration::from_millis(100);
/// A lock file that is older, and whose process is not there, is left over.
const STALE: Duration = Duration::from_mins(5);
/// A lock file has the number of a process, or nothing.
const LONGEST: u64 = 64;

/// Opens a mailbox for reading and locks it; waits for others that have
/// locked it, but not longer than `limit`. The locks end with the file.
///
/// # Errors
///
/// [`ErrorKind::TIMED_OUT`] if it stays locked; those of opening it;
/// [`ErrorKind::CANCELLED`].
pub(crate) fn open(host: &Host, path: &Path, limit: Duration) -> Result<File> {
    let began = Instant::now();
    let mut told = false;
    loop {
        host.check_cancelled()?;
        let holder = match attempt(path)? {
            Ok(file) => return Ok(file),
            Err(holder) => holder,
        };
        if began.elapsed() >= limit {
            let seconds = limit.as_secs();
            let message =
                format!("{} is locked by {holder} for more than {seconds} s", path.display());
            return Err(Error::new(ErrorKind::TIMED_OUT, message).hint(
                "look which program holds it, or raise <lock_timeout> in the <mbox> section",
            ));
        }
        if !told {
            tracing::info!("{} is locked by {holder}; waiting", path.display());
            told = true;
        }
        sleep(PULSE.min(limit.saturating_sub(began.elapsed())));
    }
}

/// Opens and locks it, or tells who has it.
fn attempt(path: &Path) -> Result<std::result::Result<File, String>> {
    if let Some(holder) = lock_file(path) {
        return Ok(Err(holder));
    }
    let file = open_regular(path)?;
    for (name, locked) in [
        ("fcntl", fcntl_lock(&file, FlockOperation::NonBlockingLockShared)),
        ("flock", flock(&file, FlockOperation::NonBlockingLockShared)),
    ] {
        match locked {
            Ok(()) => {}
            Err(Errno::AGAIN | Errno::ACCESS) => {
                return Ok(Err(format!("another program ({name})")));
            }
            // Some file systems have no locks; nobody can hold one there.
            Err(error) => tracing::debug!("{} has no {name} locks: {error}", path.display()),
        }
    }
    // Somebody may have made it in between.
    Ok(match lock_file(path) {
        Some(holder) => Err(holder),
        None => Ok(file),
    })
}

fn open_regular(path: &Path) -> Result<File> {
    let open = |flags: OFlags| {
        // A pipe must not make us wait.
        let flags = i32::try_from((flags | OFlags::NONBLOCK).bits()).unwrap_or_default();
        OpenOptions::new().read(true).custom_flags(flags).open(path)
    };
    // Programs tell by the time of access whether there is unread mail; only
    // the owner and root may leave it alone.
    let file = open(OFlags::NOATIME).or_else(|e| match e.kind() {
        io::ErrorKind::PermissionDenied => open(OFlags::empty()),
        _ => Err(e),
    });
    let failed = |e| Error::from(e).context(format!("cannot read {}", path.display()));
    let file = file.map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        let message = format!("{} is no regular file", path.display());
        return Err(Error::new(ErrorKind::UNSUPPORTED, message));
    }
    Ok(file)
}

/// Returns the lock file of a mailbox.
pub(crate) fn lock_file_of(mailbox: &Path) -> PathBuf {
    let mut path = OsString::from(mailbox);
    path.push(".lock");
    path.into()
}

/// Tells by whom the mailbox is locked, if it has a lock file.
fn lock_file(mailbox: &Path) -> Option<String> {
    let path = lock_file_of(mailbox);
    let metadata = fs::symlink_metadata(&path).ok()?;
    let made = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let old = made.elapsed().is_ok_and(|it| it > STALE);
    // Anybody may have made it, and of anything.
    let text = read_small(&path, LONGEST).ok().and_then(|it| String::from_utf8(it).ok());
    let process = text.and_then(|it| it.trim().parse::<u32>().ok());
    let runs = process.is_some_and(|it| Path::new(&format!("/proc/{it}")).exists());
    if old && !runs {
        tracing::warn!("{} is left over from another program; it is ignored", path.display());
        return None;
    }
    let holder = match process {
        Some(process) if runs => format!("process {process}"),
        _ => "another program".to_owned(),
    };
    Some(format!("{holder} ({})", path.display()))
}

#[cfg(test)]
mod tests {
    use hayloft_plugin_api::conformance::TestHost;

    use super::*;

    const SHORT: Duration = Duration::from_millis(300);

    #[test]
    fn a_lock_file_is_respected_unless_it_is_left_over() {
        let test = TestHost::new().unwrap();
        let mailbox = test.directory().join("ann");
        fs::write(&mailbox, "").unwrap();
        let lock = lock_file_of(&mailbox);
        let own = std::process::id().to_string();
        let cases = [
            // content, age in seconds, in the way
            (Some(""), 0, true),
            (Some("4194304999\n"), 10, true),
            (Some(""), 301, false),
            (Some("99999999\n"), 301, false),
            (Some(own.as_str()), 301, true),
            (None, 0, false),
        ];
        for (content, age, expected) in cases {
            let _ = fs::remove_file(&lock);
            if let Some(content) = content {
                fs::write(&lock, content).unwrap();
                let file = File::options().write(true).open(&lock).unwrap();
                file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
            }
            let opened = open(&test.host(), &mailbox, SHORT);
            assert_eq!(opened.is_err(), expected, "{content:?} {age}");
            if let Err(error) = opened {
                assert_eq!(error.kind(), ErrorKind::TIMED_OUT);
                assert!(error.message().contains("ann.lock"), "{error}");
                assert!(error.remedy().unwrap().contains("<lock_timeout>"));
            }
        }
    }

    #[test]
    fn what_is_no_file_is_refused_without_waiting() {
        let test = TestHost::new().unwrap();
        let error = open(&test.host(), test.directory(), SHORT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UNSUPPORTED);
        let error = open(&test.host(), &test.directory().join("none"), SHORT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NOT_FOUND);
    }

    #[test]
    fn a_wait_ends_when_the_action_is_cancelled() {
        let test = TestHost::new().unwrap();
        let mailbox = test.directory().join("ann");
        fs::write(&mailbox, "").unwrap();
        fs::write(lock_file_of(&mailbox), "").unwrap();
        test.cancel();
        let error = open(&test.host(), &mailbox, Duration::from_hours(1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CANCELLED);
    }
}
