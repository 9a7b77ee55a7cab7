//! What a server has on this machine.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, chown},
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, ErrorKind, Host, Result};

use crate::config::Server;

/// The directories of a server on this machine, as Barman calls them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Directories {
    /// What somebody else brings.
    pub(crate) incoming: PathBuf,
    /// What is streamed.
    pub(crate) streaming: PathBuf,
    /// What cannot be archived.
    pub(crate) errors: PathBuf,
}

impl Directories {
    /// Finds them: as configured, else below the working directory. None is
    /// made.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`] if nothing says where they are.
    pub(crate) fn of(host: &Host, server: &Server) -> Result<Self> {
        let working = host.settings().ok().map(|it| it.working_dir).filter(|it| it.is_absolute());
        let below = working.map(|it| it.join("postgres").join(&server.name));
        let find = |configured: &Option<PathBuf>, name: &str| {
            let usual = || below.as_ref().map(|it| it.join(name));
            configured.clone().or_else(usual).ok_or_else(|| nowhere(server, name))
        };
        Ok(Self {
            incoming: find(&server.incoming_wals_directory, "incoming")?,
            streaming: find(&server.streaming_wals_directory, "streaming")?,
            errors: find(&server.errors_directory, "errors")?,
        })
    }
}

/// Makes the directory for what is only needed while something is done with a
/// server's backups; none without a working directory.
///
/// # Errors
///
/// If it cannot be made.
pub(crate) fn own(host: &Host, server: &str) -> Result<Option<PathBuf>> {
    let working = host.settings().ok().map(|it| it.working_dir).filter(|it| it.is_absolute());
    let Some(working) = working else { return Ok(None) };
    let path = working.join("postgres").join(server);
    make(&path, 0o700)?;
    Ok(Some(path))
}

/// Makes a directory, and those above it that are not there. As root it gives
/// each to the owner of the one above it: what a drill makes, or somebody who
/// verifies, must not be in the way of backups, which run under another user.
///
/// # Errors
///
/// If that is impossible.
pub(crate) fn make(path: &Path, mode: u32) -> Result<()> {
    make_all(path, mode)
        .map_err(|e| Error::from(e).context(format!("cannot make {}", path.display())))
}

fn make_all(path: &Path, mode: u32) -> io::Result<()> {
    let Some(parent) = path.parent().filter(|_| !path.is_dir()) else { return Ok(()) };
    make_all(parent, mode)?;
    match fs::DirBuilder::new().mode(mode).create(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        other => other?,
    }
    if rustix::process::geteuid().is_root() {
        let owner = fs::metadata(parent)?;
        chown(path, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(())
}

fn nowhere(server: &Server, name: &str) -> Error {
    let message = format!("nothing says where the directory {name} of server {} is", server.name);
    Error::new(ErrorKind::CONFIGURATION, message).hint(
        "set <working_dir> in <options>, or the server's <streaming_wals_directory>, \
         <incoming_wals_directory> and <errors_directory>",
    )
}
