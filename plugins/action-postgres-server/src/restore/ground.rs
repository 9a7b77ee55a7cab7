//! The directories that a restore writes to.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use hayloft_plugin_api::{Error, ErrorKind, Result};
use hayloft_postgres::cluster::{self, Directory, State};

use super::{Options, survey::Survey};
use crate::manifest::Tablespace;

/// The file that tells, until a restore is done, what it is of.
pub(super) const MARK: &str = "hayloft_restore";

/// Where everything goes.
#[derive(Debug)]
pub(super) struct Ground {
    /// The data directory.
    pub(super) data: PathBuf,
    /// Where each tablespace goes.
    pub(super) tablespaces: Vec<(Tablespace, PathBuf)>,
    /// Whether something is there that is compared with.
    pub(super) delta: bool,
}

/// Decides where everything goes, and whether it may. Nothing is written.
///
/// # Errors
///
/// If a server runs there, or there is something else than the same cluster.
pub(super) fn inspect(options: &Options, survey: &Survey) -> Result<Ground> {
    let data = plain(&options.directory)?;
    let delta = data_directory(&data, options, survey)?;
    let tablespaces = placed(options, survey)?;
    let mut taken = vec![data.clone()];
    for (space, path) in &tablespaces {
        let path = plain(path)?;
        if let Some(other) = taken.iter().find(|it| path.starts_with(it) || it.starts_with(&path)) {
            let message = format!("tablespace {} would be in {}", label(space), other.display());
            return Err(Error::msg(message)
                .hint(format!("--tablespace {}=DIR, with a directory of its own", label(space))));
        }
        check_tablespace(space, &path, delta)?;
        taken.push(path);
    }
    Ok(Ground { data, tablespaces, delta })
}

/// Makes a path absolute, free of `..`.
fn plain(path: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(path)?;
    if path.components().any(|it| it == Component::ParentDir) {
        return Err(Error::msg(format!("{} has `..` in it", path.display())));
    }
    Ok(path)
}

/// Tells whether there is something to be compared with.
fn data_directory(data: &Path, options: &Options, survey: &Survey) -> Result<bool> {
    let path = data.display();
    let state = cluster::probe(data).map_err(|e| crate::backup::session::failed(&e))?;
    if let State::Running(_) = state {
        return Err(Error::msg(format!("a server runs on {path}"))
            .hint("stop it, or restore into another directory"));
    }
    let found = Directory::inspect(data).map_err(|e| crate::backup::session::failed(&e))?;
    let delta = match &found {
        Directory::Missing | Directory::Empty => return Ok(false),
        Directory::Cluster(it) => {
            let theirs = it.control.system_identifier;
            if theirs != survey.header.system_identifier {
                return Err(Error::msg(format!("{path} is that of another cluster, {theirs}"))
                    .hint("restore into another directory; nothing was changed"));
            }
            true
        }
        Directory::NotACluster { .. } | Directory::HalfInitialised { .. } => {
            marked(data)? == Some(survey.header.system_identifier)
        }
    };
    if !delta {
        return Err(Error::new(ErrorKind::ALREADY_EXISTS, format!("{path} is not empty"))
            .hint("restore into a directory that is empty or not there"));
    }
    if !options.delta {
        let message = format!("{path} has a cluster in it already");
        return Err(Error::new(ErrorKind::ALREADY_EXISTS, message)
            .hint("--delta makes it what the backup is: what differs is replaced, and what the backup does not have is removed"));
    }
    Ok(true)
}

/// Returns the cluster that an interrupted restore was of.
fn marked(data: &Path) -> Result<Option<u64>> {
    match fs::read_to_string(data.join(MARK)) {
        Ok(text) => Ok(text.lines().next().and_then(|it| it.trim().parse().ok())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Returns where each tablespace goes: where it was, unless told otherwise.
fn placed(options: &Options, survey: &Survey) -> Result<Vec<(Tablespace, PathBuf)>> {
    let is = |space: &Tablespace, name: &str| space.name == name || space.oid.to_string() == name;
    for (name, path) in &options.tablespaces {
        if !survey.tablespaces.iter().any(|it| is(it, name)) {
            let known: Vec<String> = survey.tablespaces.iter().map(label).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let message = format!("the backup has no tablespace `{name}`");
            return Err(Error::new(ErrorKind::NOT_FOUND, message).hint(format!("it has: {known}")));
        }
        if !path.is_absolute() {
            return Err(Error::msg(format!("{} is no absolute path", path.display())));
        }
    }
    let place = |space: &Tablespace| {
        let told = options.tablespaces.iter().rev().find(|(name, _)| is(space, name));
        let usual = || {
            // One that lies in the data directory moves with it.
            let was = space.path.path();
            if let Some(below) = &options.tablespaces_below {
                return below.join(space.oid.to_string());
            }
            match was.strip_prefix(survey.header.data.path()) {
                Ok(below) => options.directory.join(below),
                Err(_) => was.to_owned(),
            }
        };
        (space.clone(), told.map_or_else(usual, |(_, path)| path.clone()))
    };
    Ok(survey.tablespaces.iter().map(place).collect())
}

fn check_tablespace(space: &Tablespace, path: &Path, delta: bool) -> Result<()> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => {
            return Err(Error::from(e).context(format!("cannot look into {}", path.display())));
        }
    };
    if delta || entries.count() == 0 {
        return Ok(());
    }
    let message =
        format!("{}, where tablespace {} was, is not empty", path.display(), label(space));
    Err(Error::new(ErrorKind::ALREADY_EXISTS, message).hint(format!(
        "--tablespace {}=DIR restores it elsewhere; a server that runs there would be damaged",
        label(space)
    )))
}

/// Returns what a tablespace is called on the command line.
pub(super) fn label(space: &Tablespace) -> String {
    if space.name.is_empty() { space.oid.to_string() } else { space.name.clone() }
}
