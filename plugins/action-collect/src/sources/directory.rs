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
                let unfinished = unfinished(&path)?;
                for (peer, path) in directories(&path)? {
                    if peer.starts_with(TEMPORARY) || unfinished.contains(&peer) {
                        continue;
                    }
                    for (name, file) in files(&path)? {
                        copies.extend(copy((day, &peer), name, file, source));
                    }
                }
            }
        }
    }
    Ok(copies)
}

/// How the names of what is being staged begin.
const TEMPORARY: &str = ".hayloft-";
/// How the names of files begin that name a peer whose directory is being
/// filled, or was when a run was killed.
const CLAIM: &str = ".hayloft-claim-";

/// Returns the peers of a day whose directories are not whole.
fn unfinished(day: &Path) -> Result<Vec<String>> {
    let claims = entries(day, fs::FileType::is_file)?.into_iter();
    let claims = claims.filter(|(name, _)| name.starts_with(CLAIM));
    // One that is gone meanwhile says that its directory is whole.
    let read = |(_, path): (String, PathBuf)| fs::read_to_string(path).ok();
    Ok(claims.filter_map(read).map(|it| it.trim_end_matches('\n').to_owned()).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_still_being_staged_is_no_backup() {
        let scratch = tempfile::tempdir().unwrap();
        let day = scratch.path().join("2026/11/17");
        for peer in ["good", "half", ".hayloft-stage-0"] {
            fs::create_dir_all(day.join(peer)).unwrap();
            fs::write(day.join(peer).join("a.tar"), "x").unwrap();
        }
        fs::write(day.join(".hayloft-claim-0"), "half\n").unwrap();
        let peers: Vec<_> =
            staged(scratch.path(), 0).unwrap().into_iter().map(|it| it.peer).collect();
        assert_eq!(peers, ["good"]);
    }
}
