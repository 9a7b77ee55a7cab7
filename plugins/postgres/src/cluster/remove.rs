//! Dropping a cluster: only a stopped one, only what belongs to it.

use std::{
    ffi::OsStr,
    fs, io,
    os::{
        fd::AsFd,
        unix::{ffi::OsStrExt, fs::MetadataExt},
    },
    path::{Path, PathBuf},
};

use super::{
    account::{self, Account},
    directory::{DataDirectory, Directory},
    error::{ClusterError, list},
    probe::{State, probe_cluster},
    process, stale,
    stale_reason::StaleReason,
    tree, unfinished,
};

/// What is said of a tablespace without a part of the cluster.
pub(super) const NOT_THERE: &str = "it has no";

/// What must be said before anything is destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// The cluster must be this one.
    SystemIdentifier(u64),
    /// Whatever is there is meant.
    Whatever,
}

/// What [`drop_cluster`] will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropPlan {
    /// The cluster.
    pub directory: DataDirectory,
    /// The directory that `pg_wal` leads to, if it is a link.
    pub wal: Option<PathBuf>,
    /// The cluster's part of each tablespace outside.
    pub tablespaces: Vec<PathBuf>,
    /// What is left alone, and why.
    pub left: Vec<String>,
}

/// Looks at a cluster that is to go, and refuses if anything is not as it
/// should be.
///
/// The name must lead to the directory without being a link; the directory
/// must be a whole cluster, no mount point, nobody's home, and not directly
/// below the root. Its server must be down, nobody may work in it, and no
/// other server may use its WAL directory or tablespaces.
///
/// # Errors
///
/// [`ClusterError::Refused`], [`ClusterError::AlreadyRunning`],
/// [`ClusterError::SingleUser`], [`ClusterError::Orphans`],
/// [`ClusterError::Stale`] where that does not tell enough, and those of
/// [`Directory::open`].
pub fn drop_plan(data: &Path, confirmation: Confirmation) -> Result<DropPlan, ClusterError> {
    let named = std::path::absolute(data).map_err(ClusterError::io("use", data))?;
    let refuse =
        |reason: &str| ClusterError::Refused { data: named.clone(), reason: reason.into() };
    if fs::symlink_metadata(&named).is_ok_and(|it| it.is_symlink()) {
        return Err(refuse("it is a link; name the directory itself"));
    }
    let directory = Directory::open(&named)?;
    Account::of_owner(directory.uid, directory.gid)?;
    check_place(&directory.path).map_err(|it| refuse(&it))?;
    check_stopped(&directory)?;
    let found = directory.control.system_identifier;
    match confirmation {
        Confirmation::Whatever => {}
        Confirmation::SystemIdentifier(wanted) if wanted == found => {}
        Confirmation::SystemIdentifier(_) => {
            return Err(refuse(&format!("its system identifier is {found}")));
        }
    }
    let mut plan = DropPlan { wal: None, tablespaces: Vec::new(), left: Vec::new(), directory };
    plan_wal(&mut plan)?;
    plan_tablespaces(&mut plan)?;
    check_others(&plan).map_err(|it| refuse(&it))?;
    Ok(plan)
}

pub(super) fn check_place(path: &Path) -> Result<(), String> {
    if path.components().count() < 3 {
        return Err("it lies directly below /".into());
    }
    let meta = fs::metadata(path).map_err(|it| it.to_string())?;
    let above = path.parent().and_then(|it| fs::metadata(it).ok());
    if above.is_none_or(|it| it.dev() != meta.dev()) {
        return Err("it is a mount point".into());
    }
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut homes: Vec<PathBuf> =
        passwd.lines().filter_map(|it| it.split(':').nth(5)).map(PathBuf::from).collect();
    homes.extend(std::env::var_os("HOME").map(PathBuf::from));
    homes.extend(account::home_of(meta.uid()));
    for home in homes.iter().filter_map(|it| it.canonicalize().ok()) {
        if home == path || home.starts_with(path) && home != Path::new("/") {
            return Err(format!("{} is somebody's home", home.display()));
        }
    }
    if std::env::current_dir().is_ok_and(|it| it.starts_with(path)) {
        return Err("we are inside of it".into());
    }
    Ok(())
}

fn check_stopped(directory: &DataDirectory) -> Result<(), ClusterError> {
    let data = directory.path.clone();
    match probe_cluster(directory.clone())? {
        State::Stopped(_) => {}
        State::Stale(it) => {
            let unsure = matches!(
                it.reason,
                StaleReason::Garbage { .. }
                    | StaleReason::Unseen { .. }
                    | StaleReason::Hidden { .. }
            );
            if unsure || stale::is_attached(&it) {
                return Err(ClusterError::Stale { data, reason: it.reason });
            }
        }
        State::Running(it) => return Err(ClusterError::AlreadyRunning { data, pid: it.pid() }),
        other => return other.into_running(&data).map(|_| ()),
    }
    let pids = process::postgres_in(directory.id);
    if pids.is_empty() { Ok(()) } else { Err(ClusterError::Orphans { data, pids }) }
}

/// Where a link in the data directory leads, if it is one.
fn target(link: &Path) -> Result<Option<PathBuf>, ClusterError> {
    if !fs::symlink_metadata(link).is_ok_and(|it| it.is_symlink()) {
        return Ok(None);
    }
    match link.canonicalize() {
        Ok(path) => Ok(Some(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ClusterError::io("follow", link)(error)),
    }
}

fn plan_wal(plan: &mut DropPlan) -> Result<(), ClusterError> {
    let Some(wal) = target(&plan.directory.path.join("pg_wal"))? else { return Ok(()) };
    if wal.starts_with(&plan.directory.path) {
        return Ok(());
    }
    match check_wal(&wal, &plan.directory) {
        Ok(()) => plan.wal = Some(wal),
        Err(why) => plan.left.push(format!("{}, where pg_wal leads to: {why}", wal.display())),
    }
    Ok(())
}

/// A directory of WAL has nothing but WAL in it.
fn check_wal(wal: &Path, directory: &DataDirectory) -> Result<(), String> {
    let meta = fs::symlink_metadata(wal).map_err(|it| it.to_string())?;
    if !meta.is_dir() || meta.uid() != directory.uid {
        return Err("it does not belong to the cluster's owner".into());
    }
    if wal.parent().is_some_and(|it| it.join("PG_VERSION").exists()) {
        return Err("it lies in another cluster".into());
    }
    for entry in fs::read_dir(wal).map_err(|it| it.to_string())? {
        let name = entry.map_err(|it| it.to_string())?.file_name();
        if !is_of_wal(&name) {
            return Err(format!("it holds {}, which is no WAL", name.display()));
        }
    }
    check_place(wal)
}

fn is_of_wal(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let hex = name.iter().take_while(|it| it.is_ascii_hexdigit()).count();
    name == b"archive_status"
        || name == b"summaries"
        || name.starts_with(b"xlogtemp.")
        || hex == 24 && (name.len() == 24 || name[24] == b'.')
        || hex == 8 && name[8..] == *b".history"
}

fn plan_tablespaces(plan: &mut DropPlan) -> Result<(), ClusterError> {
    let home = plan.directory.path.join("pg_tblspc");
    let entries = match fs::read_dir(&home) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(ClusterError::io("look into", &home)(error)),
    };
    let (version, catalogue) =
        (plan.directory.version.major_text(), plan.directory.control.catalogue_version);
    let part = format!("PG_{version}_{catalogue}");
    for entry in entries {
        let name = entry.map_err(ClusterError::io("look into", &home))?.file_name();
        // A tablespace is called by its number; other links are not ours.
        if name.is_empty() || !name.as_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        let Some(location) = target(&home.join(&name))? else { continue };
        if location.starts_with(&plan.directory.path) {
            continue;
        }
        let inside = location.join(&part);
        match fs::symlink_metadata(&inside) {
            Ok(it) if it.is_dir() && it.uid() == plan.directory.uid => {
                plan.tablespaces.push(inside);
            }
            Ok(_) => plan
                .left
                .push(format!("{}: it is no directory of the cluster's owner", inside.display())),
            Err(_) => plan.left.push(format!("{}: {NOT_THERE} {part}", location.display())),
        }
    }
    plan.tablespaces.sort();
    plan.tablespaces.dedup();
    Ok(())
}

/// A copy of a cluster has the same links as the original: what they lead to
/// is not to go while the other one runs.
fn check_others(plan: &DropPlan) -> Result<(), String> {
    let ours: Vec<&PathBuf> = plan.wal.iter().chain(&plan.tablespaces).collect();
    if ours.is_empty() {
        return Ok(());
    }
    for (pid, data) in process::postgres_homes() {
        if data == plan.directory.path {
            continue;
        }
        let links = fs::read_dir(data.join("pg_tblspc")).into_iter().flatten().flatten();
        let mut used: Vec<PathBuf> = links.filter_map(|it| it.path().canonicalize().ok()).collect();
        used.extend(data.join("pg_wal").canonicalize());
        if let Some(shared) = ours.iter().find(|it| used.iter().any(|used| it.starts_with(used))) {
            return Err(format!(
                "the server of {} (process {}) uses {} too",
                data.display(),
                list(&[pid]),
                shared.display()
            ));
        }
    }
    Ok(())
}

/// Removes a cluster: first its name, then its tablespaces and WAL, then all
/// the rest. No link is followed and no other file system entered; what a
/// tablespace or a WAL directory holds besides stays. If it is cut off, what is
/// left is found by [`unfinished_drops`](super::unfinished_drops).
///
/// # Errors
///
/// [`ClusterError::Io`]; the message names what is left.
pub fn drop_cluster(plan: &DropPlan) -> Result<(), ClusterError> {
    let data = &plan.directory.path;
    let (Some(parent), Some(name)) = (data.parent(), data.file_name()) else {
        return Err(ClusterError::Refused { data: data.clone(), reason: "it is /".into() });
    };
    // Somebody may have started it since the plan was made.
    check_stopped(&plan.directory)?;
    let failed = |path| ClusterError::io("remove", path);
    let home = tree::open_directory(parent).map_err(failed(parent))?;
    let _lock = unfinished::lock(data)?;
    let hidden = unfinished::hidden_name(name, plan.directory.control.system_identifier);
    rustix::fs::renameat(&home, name, &home, &hidden).map_err(|it| failed(data)(it.into()))?;
    let moved = rustix::fs::statat(&home, &hidden, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|it| failed(data)(it.into()))?;
    if (moved.st_dev, moved.st_ino) != plan.directory.id {
        let _ = rustix::fs::renameat(&home, &hidden, &home, name);
        let reason = "another directory came in its place in the meantime".to_owned();
        return Err(ClusterError::Refused { data: data.clone(), reason });
    }
    rustix::fs::fsync(&home).map_err(|it| failed(parent)(it.into()))?;
    remove_elsewhere(plan)?;
    let rest = parent.join(&hidden);
    tree::remove_at(home.as_fd(), &hidden).map_err(failed(&rest))?;
    rustix::fs::fsync(&home).map_err(|it| failed(parent)(it.into()))
}

/// Removes tablespaces and WAL outside of the data directory.
pub(super) fn remove_elsewhere(plan: &DropPlan) -> Result<(), ClusterError> {
    let failed = |path| ClusterError::io("remove", path);
    for part in &plan.tablespaces {
        tree::remove(part).map_err(failed(part))?;
    }
    if let Some(wal) = &plan.wal {
        let open = tree::open_directory(wal).map_err(failed(wal))?;
        tree::empty(open.as_fd()).map_err(failed(wal))?;
        // Its parent may belong to somebody else; empty it may stay.
        let _ = fs::remove_dir(wal);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wal_is_wal() {
        let cases = [
            ("000000010000000000000001", true),
            ("000000010000000000000001.partial", true),
            ("000000010000000000000001.00000028.backup", true),
            ("00000002.history", true),
            ("archive_status", true),
            ("summaries", true),
            ("xlogtemp.123", true),
            ("notes.txt", false),
            ("00000001000000000000000", false),
            (".ssh", false),
            ("0000000100000000000000011", false),
        ];
        for (name, yes) in cases {
            assert_eq!(is_of_wal(OsStr::new(name)), yes, "{name}");
        }
    }

    #[test]
    fn dangerous_places_are_refused() {
        for path in ["/", "/tmp", "/proc", "/root", "/home"] {
            if Path::new(path).exists() {
                assert!(check_place(Path::new(path)).is_err(), "{path}");
            }
        }
    }
}
