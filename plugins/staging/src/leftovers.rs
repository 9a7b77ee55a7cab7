//! What is left in a day of runs that were killed.

use std::{
    fs::{self, TryLockError},
    io,
    path::{Path, PathBuf},
};

use tracing::info;

use crate::files::{self, TEMPORARY, Walk};

/// Removes what runs have left that were killed while they wrote: it may be
/// clear text. Whoever is writing holds a lock on the file or directory, and
/// keeps it. Returns what is still there.
///
/// What says of a peer's directory that it is only half full stays, and is not
/// returned: whoever stages the day next looks for it.
pub fn sweep(walk: &Walk) -> Vec<PathBuf> {
    let mut kept = Vec::new();
    for path in walk.temporary.iter().filter(|it| holds_data(it)) {
        match remove_abandoned(path) {
            Ok(true) => info!("removed {}, left by a run that was killed", path.display()),
            Ok(false) => kept.push(path.clone()),
            Err(error) => {
                info!("cannot remove {}: {error}", path.display());
                kept.push(path.clone());
            }
        }
    }
    kept
}

/// Other temporary files are empty, or have only names in them.
fn holds_data(path: &Path) -> bool {
    let name = path.file_name().map(std::ffi::OsStr::as_encoded_bytes).unwrap_or_default();
    let rest = name.strip_prefix(TEMPORARY.as_bytes()).unwrap_or_default();
    rest.starts_with(b"stage-") || rest.first().is_some_and(u8::is_ascii_digit)
}

fn remove_abandoned(path: &Path) -> io::Result<bool> {
    let opened = match files::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        other => other?,
    };
    match opened.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(false),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    if opened.metadata()?.is_dir() {
        fs::remove_dir_all(path)?;
    } else {
        fs::remove_file(path)?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_writes_goes() {
        let day = tempfile::tempdir().unwrap();
        let at = |name: &str| day.path().join(name);
        for name in ["box/a", "box/.hayloft-7-0-a", ".hayloft-stage-0/b", ".hayloft-stage-1/b"] {
            fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            fs::write(at(name), "clear text").unwrap();
        }
        fs::write(at(".hayloft-claim-0"), "box\n").unwrap();
        let held = files::open(&at(".hayloft-stage-1")).unwrap();
        held.lock().unwrap();
        let walk = files::walk(day.path()).unwrap();
        assert_eq!(sweep(&walk), [at(".hayloft-stage-1")]);
        let walk = files::walk(day.path()).unwrap();
        assert_eq!(walk.temporary, [at(".hayloft-claim-0"), at(".hayloft-stage-1")]);
        assert_eq!(walk.files.len(), 1);
    }
}
