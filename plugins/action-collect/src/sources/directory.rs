//! Backups in directories of this machine.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, Result};

use super::{Copy, Day, Part};

/// Lists the files of a collect directory.
pub(super) fn collected(path: &Path, source: usize, peer: &str) -> Result<Vec<Copy>> {
    let mut copies = Vec::new();
    for (name, file) in files(path)? {
        // The day is when it was written: there is only one state of it.
        let Some(day) = modified(&file).and_then(Day::of_moment) else { continue };
        copies.extend(copy((day, peer), name, file, source));
    }
    Ok(copies)
}

/// Lists the files of a staging directory, `YYYY/MM/DD/<peer>/<file>`.
pub(super) fn staged(path: &Path, source: usize) -> Result<Vec<Copy>> {
    let mut copies = Vec::new();
    for (year, path) in directories(path)? {
        for (month, path) in directories(&path)? {
            for (day, path) in directories(&path)? {
                let Some(day) = Day::parse(&format!("{year}/{month}/{day}")) else { continue };
                for (peer, path) in directories(&path)? {
                    for (name, file) in files(&path)? {
                        copies.extend(copy((day, &peer), name, file, source));
                    }
                }
            }
        }
    }
    Ok(copies)
}

fn copy((day, peer): (Day, &str), name: String, file: PathBuf, source: usize) -> Option<Copy> {
    let size = fs::symlink_metadata(&file).ok()?.size();
    let peer = peer.to_owned();
    Some(Copy { day, peer, name, size, source, parts: vec![Part::File(file)] })
}

fn modified(path: &Path) -> Option<i64> {
    fs::symlink_metadata(path).ok().map(|it| it.mtime())
}

fn directories(path: &Path) -> Result<Vec<(String, PathBuf)>> {
    entries(path, fs::FileType::is_dir)
}

fn files(path: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut files = entries(path, fs::FileType::is_file)?;
    files.retain(|(name, _)| is_backup(name));
    Ok(files)
}

/// Tells whether a file is part of a backup, not a mark or one in the making.
pub(super) fn is_backup(name: &str) -> bool {
    !name.starts_with("cback.") && !name.starts_with('.') && name != "manifest.json"
}

fn entries(path: &Path, wanted: fn(&fs::FileType) -> bool) -> Result<Vec<(String, PathBuf)>> {
    let fail = |e: io::Error| Error::from(e).context(format!("cannot read {}", path.display()));
    let mut all = Vec::new();
    for entry in fs::read_dir(path).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        // Names of ours are text; what is not was not put there by a backup.
        if let Ok(name) = entry.file_name().into_string()
            && entry.file_type().is_ok_and(|it| wanted(&it))
        {
            all.push((name, entry.path()));
        }
    }
    Ok(all)
}
