//! Where drills are done, and where their reports are kept.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, ErrorKind, Host, Result};

use crate::config::Server;

/// Returns the directory that scratch clusters are made in.
///
/// # Errors
///
/// [`ErrorKind::CONFIGURATION`] if nothing says where that is.
pub(super) fn scratch(host: &Host, server: &Server) -> Result<PathBuf> {
    match &server.drill.directory {
        Some(directory) => Ok(directory.clone()),
        None => below(host, server, "drill"),
    }
}

/// Returns the directory that reports are kept in.
///
/// # Errors
///
/// [`ErrorKind::CONFIGURATION`] if there is no working directory.
pub(crate) fn reports(host: &Host, server: &Server) -> Result<PathBuf> {
    below(host, server, "drills")
}

fn below(host: &Host, server: &Server, name: &str) -> Result<PathBuf> {
    let working = host.settings().ok().map(|it| it.working_dir).filter(|it| it.is_absolute());
    let working = working.ok_or_else(|| {
        Error::new(ErrorKind::CONFIGURATION, "nothing says where drills are done and reported")
            .hint("set <working_dir> in <options>")
    })?;
    Ok(working.join("postgres").join(&server.name).join(name))
}

/// Returns the directory on the way to `path` that a user cannot pass, as far
/// as modes tell.
pub(super) fn barrier(path: &Path, uid: u32, gid: u32) -> Option<PathBuf> {
    let passes = |it: &Path| {
        fs::metadata(it).is_ok_and(|it| {
            let shift = match (it.uid() == uid, it.gid() == gid) {
                (true, _) => 6,
                (false, true) => 3,
                (false, false) => 0,
            };
            it.mode() >> shift & 1 == 1
        })
    };
    path.ancestors().filter(|it| it.is_dir()).find(|it| !passes(it)).map(Path::to_owned)
}
