//! What lies in a day's directory.

use std::{
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, Result};

use crate::names;

/// The indicator files. They speak of the staging area and are not stored.
const INDICATORS: [&str; 6] = [
    "cback.collect",
    "cback.stage",
    "cback.store",
    "cback.amazons3",
    "cback.encrypt",
    "cback.split",
];
/// How the names of files begin that are still being written.
const TEMPORARY: &str = ".hayloft-";

/// A file that is to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Where it is.
    pub path: PathBuf,
    /// The peer's name as a segment of a key; empty if it lies beside the
    /// peers' directories.
    pub peer: String,
    /// Its name below the peer's directory, as segments of a key.
    pub name: String,
    /// Its size in bytes when it was listed.
    pub size: u64,
}

impl SourceFile {
    /// Returns the key of its object, without what encodings append.
    pub fn key(&self, day: &str) -> String {
        if self.peer.is_empty() {
            return format!("{day}/{}", self.name);
        }
        format!("{day}/{}/{}", self.peer, self.name)
    }
}

/// The files of a day, and what is no file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Sorted by path.
    pub files: Vec<SourceFile>,
    /// Links, sockets and the like, which cannot be stored.
    pub others: Vec<PathBuf>,
}

/// Lists everything in a day's directory, and what is in its directories.
///
/// # Errors
///
/// If a directory cannot be read.
pub fn list(day: &Path) -> Result<Listing> {
    let mut listing = Listing::default();
    descend(day, &mut Vec::new(), &mut listing)?;
    listing.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(listing)
}

fn descend(directory: &Path, above: &mut Vec<String>, listing: &mut Listing) -> Result<()> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| Error::from(error).context(format!("cannot read {}", path.display()))
    };
    for entry in fs::read_dir(directory).map_err(failed(directory))? {
        let entry = entry.map_err(failed(directory))?;
        let (name, path) = (entry.file_name(), entry.path());
        if INDICATORS.iter().any(|it| name == *it) || is_temporary(name.as_bytes()) {
            continue;
        }
        let metadata = entry.metadata().map_err(failed(&path))?;
        let name = names::escaped(name.as_bytes());
        if metadata.is_dir() {
            above.push(name);
            descend(&path, above, listing)?;
            above.pop();
        } else if metadata.is_file() {
            let (peer, mut segments) = match above.split_first() {
                Some((peer, below)) => (peer.clone(), below.to_vec()),
                None => (String::new(), Vec::new()),
            };
            segments.push(name);
            let (name, size) = (segments.join("/"), metadata.len());
            listing.files.push(SourceFile { path, peer, name, size });
        } else {
            listing.others.push(path);
        }
    }
    Ok(())
}

fn is_temporary(name: &[u8]) -> bool {
    name.starts_with(TEMPORARY.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn peers_files_are_listed_and_indicators_are_not() {
        let day = tempfile::tempdir().unwrap();
        for path in [
            "cback.stage",
            "note",
            "box/a.tar",
            "box/cback.collect",
            "box/sub/b.tar",
            "box/cback.tar",
            ".hayloft-stage-0/x",
        ] {
            let path = day.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "12345").unwrap();
        }
        symlink("a.tar", day.path().join("box/link")).unwrap();
        let listing = list(day.path()).unwrap();
        let keys: Vec<_> = listing.files.iter().map(|it| it.key("D")).collect();
        assert_eq!(keys, ["D/box/a.tar", "D/box/cback.tar", "D/box/sub/b.tar", "D/note"]);
        let parts: Vec<_> =
            listing.files.iter().map(|it| (it.peer.as_str(), it.name.as_str(), it.size)).collect();
        assert_eq!(
            parts,
            [
                ("box", "a.tar", 5),
                ("box", "cback.tar", 5),
                ("box", "sub/b.tar", 5),
                ("", "note", 5)
            ]
        );
        assert_eq!(listing.others, [day.path().join("box/link")]);
    }
}
