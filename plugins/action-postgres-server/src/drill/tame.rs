//! Making a restored data directory harmless, before anything is started on it.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, Result};

use super::scratch::Scratch;

/// What would make the server something else than a scratch server.
const REMOVED: [&str; 6] = [
    "postmaster.pid",
    "postmaster.opts",
    "standby.signal",
    "recovery.signal",
    "recovery.conf",
    "recovery.done",
];
/// Directories whose contents belong to the server that was backed up.
const EMPTIED: [&str; 2] = ["pg_replslot", "pg_stat_tmp"];
/// It is read from the data directory, and beats every other file.
const AUTO_CONF: &str = "postgresql.auto.conf";

/// Prepares what was restored into the scratch directory: nothing of it leads
/// outside, or makes the server talk to anybody, and it will replay.
///
/// # Errors
///
/// If a tablespace leads outside, or that cannot be done.
pub(super) fn tame(scratch: &Scratch) -> Result<()> {
    let data = scratch.data();
    let failed = |path: PathBuf| {
        move |e: io::Error| Error::from(e).context(format!("cannot prepare {}", path.display()))
    };
    check_tablespaces(scratch)?;
    for name in REMOVED {
        let path = data.join(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(path)(e)),
            _ => {}
        }
    }
    for name in EMPTIED {
        let path = data.join(name);
        empty(&path).map_err(failed(path))?;
    }
    let auto = data.join(AUTO_CONF);
    match fs::rename(&auto, scratch.configuration().join(AUTO_CONF)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(auto)(e)),
        _ => {}
    }
    let signal = data.join("recovery.signal");
    fs::write(&signal, "").map_err(failed(signal.clone()))?;
    scratch.give(&signal)
}

/// Every tablespace must lie within the scratch directory: the links, and the
/// map that the server makes links of.
fn check_tablespaces(scratch: &Scratch) -> Result<()> {
    let data = scratch.data();
    let root = fs::canonicalize(scratch.root())?;
    let within = |place: &Path| fs::canonicalize(place).is_ok_and(|it| it.starts_with(&root));
    for entry in fs::read_dir(data.join("pg_tblspc")).into_iter().flatten() {
        let path = entry?.path();
        if !within(&path) {
            return Err(outside(&path, &fs::read_link(&path).unwrap_or_default()));
        }
    }
    let map = data.join("tablespace_map");
    let text = match fs::read(&map) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::from(e).context(format!("cannot read {}", map.display()))),
    };
    for line in text.split(|it| *it == b'\n').filter(|it| !it.is_empty()) {
        let place = line.splitn(2, |it| *it == b' ').nth(1).unwrap_or_default();
        let place = Path::new(OsStr::from_bytes(place));
        if !within(place) {
            return Err(outside(&map, place));
        }
    }
    Ok(())
}

fn outside(what: &Path, place: &Path) -> Error {
    Error::msg(format!(
        "{} leads to {}, which is outside of the drill: nothing is started",
        what.display(),
        place.display()
    ))
}

fn empty(directory: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use hayloft_postgres::cluster::Account;

    use super::*;

    fn scratch(base: &Path) -> Scratch {
        let account =
            Account::ours().unwrap_or_else(|_| Account::of_owner(12_345, 12_345).unwrap());
        let scratch = Scratch::make(base, "x", account).unwrap();
        for name in ["pg_tblspc", "pg_replslot/slot"] {
            fs::create_dir_all(scratch.data().join(name)).unwrap();
        }
        scratch
    }

    #[test]
    fn what_would_talk_to_others_is_gone() {
        let base = tempfile::tempdir().unwrap();
        let scratch = scratch(base.path());
        let data = scratch.data();
        for name in ["postmaster.pid", "standby.signal", "recovery.conf", AUTO_CONF, "PG_VERSION"] {
            fs::write(data.join(name), "x").unwrap();
        }
        fs::create_dir(scratch.tablespaces().join("16384")).unwrap();
        let link = data.join("pg_tblspc/16384");
        std::os::unix::fs::symlink(scratch.tablespaces().join("16384"), link).unwrap();
        tame(&scratch).unwrap();
        let mut left: Vec<_> = fs::read_dir(&data)
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["PG_VERSION", "pg_replslot", "pg_tblspc", "recovery.signal"]);
        assert_eq!(fs::read_dir(data.join("pg_replslot")).unwrap().count(), 0);
    }

    #[test]
    fn a_tablespace_of_production_ends_it() {
        let base = tempfile::tempdir().unwrap();
        let outside = base.path().join("production");
        fs::create_dir(&outside).unwrap();
        let scratch = scratch(&base.path().join("drills"));
        let link = scratch.data().join("pg_tblspc/16384");
        std::os::unix::fs::symlink(&outside, &link).unwrap();
        assert!(tame(&scratch).unwrap_err().to_string().contains("outside of the drill"));
        fs::remove_file(&link).unwrap();
        let map = scratch.data().join("tablespace_map");
        for (text, good) in [
            (format!("16384 {}\n", outside.display()), false),
            ("16384 /nowhere/at/all\n".to_owned(), false),
            (format!("16384 {}\n", scratch.tablespaces().display()), true),
            ("junk\n".to_owned(), false),
        ] {
            fs::write(&map, &text).unwrap();
            assert_eq!(tame(&scratch).is_ok(), good, "{text}");
        }
    }
}
