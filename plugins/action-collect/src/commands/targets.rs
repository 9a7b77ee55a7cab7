//! Where restored files go.

use std::{
    fs,
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
    /// The directories.
    pub(super) names: Vec<PathBuf>,
    /// The permissions of a directory that is made.
    mode: u32,
}

/// Puts every path under its full name below one directory.
pub(super) fn below(directory: &Path, paths: &[Vec<u8>]) -> Targets {
    let target = |path: &Vec<u8>| Target { path: path.clone(), strip: Vec::new() };
    Targets {
        wanted: paths.iter().map(target).collect(),
        names: vec![directory.to_owned(); paths.len()],
        mode: 0o700,
    }
}

/// Puts every path where it came from.
pub(super) fn in_place(paths: &[Vec<u8>]) -> Result<Targets> {
    let mut all = Targets { wanted: Vec::new(), names: Vec::new(), mode: 0o755 };
    for path in paths {
        let strip = parent(path).to_vec();
        let directory = Path::new("/").join(std::ffi::OsStr::from_bytes(&strip));
        refuse_links_of_others(&directory)?;
        all.wanted.push(Target { path: path.clone(), strip });
        all.names.push(directory);
    }
    Ok(all)
}

impl Targets {
    /// Opens the directories, and makes them where they are not there.
    pub(super) fn open(&self) -> Result<Vec<Beneath>> {
        let open = |directory: &PathBuf| {
            let context =
                |what: &str| format!("cannot {what} {}", shown(directory.as_os_str().as_bytes()));
            if !directory.exists() {
                let made = fs::DirBuilder::new().recursive(true).mode(self.mode).create(directory);
                made.map_err(|e| Error::from(e).context(context("make")))?;
            }
            Beneath::open(directory).map_err(|e| Error::from(e).context(context("open")))
        };
        self.names.iter().map(open).collect()
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
