//! The files of a directory that is synchronised.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, Result};
use hayloft_staging::names;

/// A file, which may have been reached through links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Local {
    /// Where it is, without links.
    pub(crate) path: PathBuf,
    /// Its key below the prefix.
    pub(crate) key: String,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// When it was last written to, in nanoseconds since 1970.
    pub(crate) modified_ns: i128,
}

/// What is in a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    /// All files, sorted by key.
    pub(crate) files: Vec<Local>,
    /// Names that are no keys as they are.
    pub(crate) odd: Vec<PathBuf>,
    /// Links that lead nowhere or in circles, sockets and the like.
    pub(crate) others: Vec<PathBuf>,
}

/// Finds all files. Links are followed, as the AWS command line does it.
///
/// # Errors
///
/// If something cannot be read.
pub(crate) fn tree(root: &Path) -> Result<Tree> {
    let mut tree = Tree::default();
    let there = fs::metadata(root).map_err(|e| failed(root, e))?;
    descend(root, &mut vec![identity(&there)], "", &mut tree)?;
    tree.files.sort_by(|a, b| a.key.cmp(&b.key));
    tree.odd.sort();
    tree.others.sort();
    Ok(tree)
}

fn descend(
    directory: &Path,
    above: &mut Vec<(u64, u64)>,
    prefix: &str,
    tree: &mut Tree,
) -> Result<()> {
    for entry in fs::read_dir(directory).map_err(|e| failed(directory, e))? {
        let entry = entry.map_err(|e| failed(directory, e))?;
        let (name, path) = (entry.file_name(), entry.path());
        let escaped = names::escaped(name.as_bytes());
        if escaped.as_bytes() != name.as_bytes() {
            tree.odd.push(path.clone());
        }
        let key = format!("{prefix}{escaped}");
        let there = match fs::metadata(&path) {
            Ok(there) => there,
            Err(_) if entry.file_type().is_ok_and(|it| it.is_symlink()) => {
                tree.others.push(path);
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(&path, error)),
        };
        if there.is_file() {
            let modified_ns =
                i128::from(there.mtime()) * 1_000_000_000 + i128::from(there.mtime_nsec());
            let path = fs::canonicalize(&path).map_err(|e| failed(&path, e))?;
            tree.files.push(Local { path, key, size: there.len(), modified_ns });
        } else if there.is_dir() && !above.contains(&identity(&there)) {
            above.push(identity(&there));
            descend(&path, above, &format!("{key}/"), tree)?;
            above.pop();
        } else {
            tree.others.push(path);
        }
    }
    Ok(())
}

fn identity(there: &Metadata) -> (u64, u64) {
    (there.dev(), there.ino())
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::from(error).context(format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::{
        ffi::OsStr,
        os::unix::fs::{FileTypeExt, symlink},
    };

    use super::*;

    #[test]
    fn links_are_followed_but_not_in_circles() {
        let root = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("linked"), "1").unwrap();
        for name in [&b"caf\xc3\xa9"[..], b"latin-\xe9", b"new\nline"] {
            fs::write(root.path().join(OsStr::from_bytes(name)), "").unwrap();
        }
        symlink(elsewhere.path(), root.path().join("dir")).unwrap();
        symlink(root.path(), elsewhere.path().join("back")).unwrap();
        symlink("nowhere", root.path().join("broken")).unwrap();
        let tree = tree(root.path()).unwrap();
        let keys: Vec<_> = tree.files.iter().map(|it| it.key.as_str()).collect();
        assert_eq!(keys, ["café", "dir/linked", "latin-%E9", "new%0Aline"]);
        assert_eq!(tree.odd.len(), 2);
        let others = ["broken", "dir/back"].map(|it| root.path().join(it));
        assert_eq!(tree.others, others);
        assert!(!fs::symlink_metadata(&others[0]).unwrap().file_type().is_socket());
    }
}
