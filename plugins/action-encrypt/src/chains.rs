//! In which order files are encrypted.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use hayloft_staging::files::Found;

/// Returns a path with something appended to its name.
pub(crate) fn appended(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Returns a path without the suffix of its name, if it has it.
pub(crate) fn stripped(path: &Path, suffix: &str) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let name = path.file_name()?.as_bytes().strip_suffix(suffix.as_bytes())?;
    (!name.is_empty()).then(|| path.with_file_name(OsStr::from_bytes(name)))
}

/// Puts files together that get in each other's way: `a`, `a.gpg` and
/// `a.gpg.gpg`. Each of them is encrypted before the one whose encrypted file
/// has its name, so that the name is free by then.
pub(crate) fn chains(files: Vec<Found>, suffix: &str) -> Vec<Vec<Found>> {
    let mut left: BTreeMap<PathBuf, Found> =
        files.into_iter().map(|it| (it.path.clone(), it)).collect();
    let first = |path: &PathBuf| stripped(path, suffix).is_none_or(|it| !left.contains_key(&it));
    let firsts: Vec<PathBuf> = left.keys().filter(|it| first(it)).cloned().collect();
    let mut chains = Vec::new();
    for mut path in firsts {
        let mut chain = Vec::new();
        while let Some(file) = left.remove(&path) {
            path = appended(&path, suffix);
            chain.push(file);
        }
        chain.reverse();
        chains.push(chain);
    }
    chains
}

#[cfg(test)]
mod tests {
    use hayloft_staging::files::Identity;

    use super::*;

    #[test]
    fn a_name_is_free_before_it_is_needed() {
        let found = |name: &str| Found {
            path: name.into(),
            relative: name.into(),
            identity: Identity { device: 0, inode: 0, size: 0, modified_ns: 0 },
        };
        let names = ["d/a", "d/a.gpg", "d/a.gpg.gpg", "d/b.gpg", "d/c", "d/.gpg"];
        let chains = chains(names.map(found).to_vec(), ".gpg");
        let shown: Vec<Vec<&str>> =
            chains.iter().map(|it| it.iter().filter_map(|it| it.path.to_str()).collect()).collect();
        let expected: [&[&str]; 4] =
            [&["d/.gpg"], &["d/a.gpg.gpg", "d/a.gpg", "d/a"], &["d/b.gpg"], &["d/c"]];
        assert_eq!(shown, expected);
    }
}
