//! The files of a day as they are stored.

use std::path::{Path, PathBuf};

use hayloft_plugin_api::Result;

use crate::files::{self, Found, Walk};

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
    let Walk { files, others, .. } = files::walk(day)?;
    Ok(Listing { files: files.into_iter().map(source_file).collect(), others })
}

fn source_file(found: Found) -> SourceFile {
    let (key, size) = (found.key(), found.identity.size);
    let (peer, name) = match key.split_once('/') {
        Some((peer, name)) => (peer.to_owned(), name.to_owned()),
        None => (String::new(), key),
    };
    SourceFile { path: found.path, peer, name, size }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

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
