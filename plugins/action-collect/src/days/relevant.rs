//! Which archives may have a path, as far as their names tell.

use hayloft_plugin_api::cedar::normalised;

use crate::{restore::Index, walk::paths::split};

/// Tells whether the archives called `series` may have something of `path`:
/// they are of it, of a directory above it, or of something below it.
pub(super) fn is_relevant(series: &str, path: &[u8]) -> bool {
    let series = squeezed(series);
    let whole = squeezed(&name_of(path));
    let below = path.is_empty() || series.starts_with(&format!("{whole}-"));
    below || ancestors(path).any(|it| squeezed(&name_of(it)) == series)
}

/// Returns the path of an item of Cedar Backup, which only its name tells.
pub(super) fn root_of_legacy(series: &str, index: &Index) -> Vec<u8> {
    let mut common: Option<&[u8]> = None;
    for (_, member) in index.iter() {
        let path = member.entry.path.as_slice();
        if let Some(root) = ancestors(path).find(|it| squeezed(&name_of(it)) == squeezed(series)) {
            return root.to_vec();
        }
        common = Some(match common {
            None => split(path).0,
            Some(common) => shared(common, path),
        });
    }
    common.unwrap_or_default().to_vec()
}

/// Returns a path and all directories that it is in.
fn ancestors(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(path), |it| (!it.is_empty()).then(|| split(it).0))
}

fn shared<'a>(directory: &'a [u8], path: &[u8]) -> &'a [u8] {
    ancestors(directory).find(|it| crate::walk::paths::is_within(path, it)).unwrap_or_default()
}

fn name_of(path: &[u8]) -> String {
    normalised(&format!("/{}", String::from_utf8_lossy(path)))
}

/// Makes names equal that differ only by how many slashes a path was
/// configured with.
fn squeezed(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.trim_matches('-').chars() {
        if c != '-' || !out.ends_with('-') {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Entry;

    #[test]
    fn names_tell_which_archives_to_open() {
        for (series, path, expected) in [
            ("etc", "etc/passwd", true),
            ("etc", "etc", true),
            ("etc-", "etc/passwd", true),
            ("_", "etc/passwd", true),
            ("-srv--x", "srv/x/y", true),
            ("home-alice", "home", true),
            ("home-alice", "home/bob", false),
            ("home-alice", "", true),
            ("etc", "etcetera", false),
            ("home-u-.ssh", "home/u/.ssh/id", true),
        ] {
            assert_eq!(is_relevant(series, path.as_bytes()), expected, "{series} {path}");
        }
    }

    #[test]
    fn the_path_of_an_old_archive_is_found_by_its_name() {
        let mut index = Index::default();
        for path in ["srv/data/sub/a", "srv/data/b"] {
            index.add(Entry { path: path.into(), ..Entry::default() });
        }
        assert_eq!(root_of_legacy("srv-data", &index), b"srv/data");
        assert_eq!(root_of_legacy("renamed", &index), b"srv/data");
    }
}
