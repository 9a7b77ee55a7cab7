//! Where restored files go.

use std::{
    fs, io,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, ErrorKind, Result};

use crate::{
    restore::{Beneath, Target, parent},
    shown::shown,
};

/// Where everything goes, for each requested path.
#[derive(Debug)]
pub(super) struct Targets {
    pub(super) wanted: Vec<Target>,
    pub(super) directories: Vec<Beneath>,
    /// The directories, for messages.
    pub(super) names: Vec<PathBuf>,
}

/// Puts every path under its full name below one directory, which is made if
/// it is not there.
pub(super) fn below(directory: &Path, paths: &[Vec<u8>], dry_run: bool) -> Result<Targets> {
    if !dry_run && !directory.exists() {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|e| Error::from(e).context(format!("cannot make {}", directory.display())))?;
    }
    let target = |path: &Vec<u8>| Target { path: path.clone(), strip: Vec::new() };
    let mut directories = Vec::new();
    for _ in paths {
        directories.extend(open(directory, dry_run)?);
    }
    Ok(Targets {
        wanted: paths.iter().map(target).collect(),
        directories,
        names: vec![directory.to_owned(); paths.len()],
    })
}

/// Puts every path where it came from.
pub(super) fn in_place(paths: &[Vec<u8>], dry_run: bool) -> Result<Targets> {
    let mut all = Targets { wanted: Vec::new(), directories: Vec::new(), names: Vec::new() };
    for path in paths {
        let strip = parent(path).to_vec();
        let directory = Path::new("/").join(std::ffi::OsStr::from_bytes(&strip));
        refuse_links_of_others(&directory)?;
        if !dry_run && !directory.exists() {
            let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(&directory);
            made.map_err(|e| {
                Error::from(e).context(format!("cannot make {}", directory.display()))
            })?;
        }
        all.directories.extend(open(&directory, dry_run)?);
        all.wanted.push(Target { path: path.clone(), strip });
        all.names.push(directory);
    }
    Ok(all)
}

/// Opens a directory; one that is not there yet has nothing in the way.
fn open(directory: &Path, dry_run: bool) -> Result<Option<Beneath>> {
    match Beneath::open(directory) {
        Ok(opened) => Ok(Some(opened)),
        Err(e) if dry_run && e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::from(e).context(format!("cannot open {}", directory.display()))),
    }
}

/// A link on the way that another user made could lead anywhere.
fn refuse_links_of_others(directory: &Path) -> Result<()> {
    let us = rustix::process::geteuid().as_raw();
    let mut at = PathBuf::from("/");
    for component in directory.components().skip(1) {
        at.push(component);
        let Ok(metadata) = fs::symlink_metadata(&at) else { return Ok(()) };
        if metadata.is_symlink() && metadata.uid() != 0 && metadata.uid() != us {
            let link = shown(at.as_os_str().as_bytes());
            let message = format!("{link} is a link that another user made");
            return Err(Error::new(ErrorKind::PERMISSION, message)
                .hint("restore to another directory with --to"));
        }
    }
    Ok(())
}
