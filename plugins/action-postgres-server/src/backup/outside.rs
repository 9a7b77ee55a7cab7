//! Files of the configuration that lie outside of the data directory.

use std::{
    collections::HashSet,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, Result};

use super::{pipeline::Feed, session::Files, walk::mode_of};
use crate::manifest::{Blocks, File, Kind};

/// More than a file of a configuration has, in bytes.
const MOST: u64 = 64 << 20;

/// Adds every file of the configuration that lies elsewhere.
///
/// # Errors
///
/// If one is there and cannot be read.
pub(super) fn feed(feed: &mut Feed<'_>, files: &Files, data: &Path) -> Result<()> {
    let data = fs::canonicalize(data)?;
    let mut seen = HashSet::new();
    let main = [
        (Kind::Configuration, &files.config),
        (Kind::Hba, &files.hba),
        (Kind::Ident, &files.ident),
    ];
    let included = files.included.iter().map(|it| (Kind::Included, it));
    for (kind, path) in main.into_iter().chain(included).filter(|it| !it.1.is_empty()) {
        let path = PathBuf::from(path);
        let Ok(real) = fs::canonicalize(&path) else {
            tracing::warn!("{} is not there: it is left out", path.display());
            continue;
        };
        if real.starts_with(&data) || !seen.insert(real.clone()) {
            continue;
        }
        let (file, content) = read(&path, kind).map_err(|e| {
            Error::from(e).context(format!("cannot read {}", path.display())).hint(
                "it belongs to the server, and is saved with it; let the account of the backup read it",
            )
        })?;
        feed.bytes(file, &content)?;
    }
    Ok(())
}

fn read(path: &Path, kind: Kind) -> io::Result<(File, Vec<u8>)> {
    let meta = fs::metadata(path)?;
    if meta.len() > MOST {
        return Err(io::Error::other("it is too large for a configuration"));
    }
    let content = fs::read(path)?;
    let file = File {
        path: path.to_owned().into(),
        kind,
        mode: mode_of(&meta),
        modified: meta.mtime(),
        size: 0,
        frames: Vec::new(),
        blocks: Blocks::default(),
        damaged: Vec::new(),
    };
    Ok((file, content))
}
