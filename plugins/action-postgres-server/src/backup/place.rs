//! Where a backup's objects are in a storage.

/// Returns the prefix of everything of a backup.
pub(crate) fn directory(server: &str, id: &str) -> String {
    format!("{server}/base/{id}/")
}

/// Returns the prefix of the parts of a backup.
pub(crate) fn parts(server: &str, id: &str) -> String {
    format!("{server}/base/{id}/data/")
}

/// Returns the key of a part. What begins with a slash is an object of a backup
/// that Barman has made, by its place below the backup's directory.
pub(crate) fn part(server: &str, id: &str, name: &str) -> String {
    match name.strip_prefix('/') {
        Some(name) => format!("{server}/base/{id}/{name}"),
        None => format!("{server}/base/{id}/data/{name}"),
    }
}

/// Returns the last part of a part's key; the first one is number 1.
pub(crate) fn part_name(number: usize, suffix: &str) -> String {
    format!("{number:06}{suffix}")
}

/// Returns the number of a part, given the last part of its key.
pub(crate) fn part_number(name: &str) -> Option<usize> {
    is_part(name).then(|| name.split('.').next()?.parse().ok()).flatten()
}

/// Tells whether the rest of a key, behind [`parts`], is a part's. (Barman has
/// whole data directories there.)
pub(crate) fn is_part(rest: &str) -> bool {
    let number = rest.split('.').next().unwrap_or_default();
    number.len() >= 6 && number.bytes().all(|it| it.is_ascii_digit()) && !rest.contains('/')
}

/// Returns the key of the manifest, which is encoded as the suffix says.
pub(crate) fn manifest(server: &str, id: &str, suffix: &str) -> String {
    format!("{server}/base/{id}/manifest{suffix}")
}

/// Tells whether the rest of a key, behind [`directory`], is a manifest's.
pub(crate) fn is_manifest(rest: &str) -> bool {
    rest.strip_prefix("manifest").is_some_and(|it| it.is_empty() || it.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_manifests_are_told_from_what_barman_has_there() {
        for (rest, part) in [
            ("000001", true),
            ("1000000.age", true),
            ("PG_VERSION", false),
            ("base/000001", false),
            ("000001/x", false),
            ("00001", false),
        ] {
            assert_eq!(is_part(rest), part, "{rest}");
        }
        for (rest, manifest) in [
            ("manifest", true),
            ("manifest.zst.age", true),
            ("manifests", false),
            ("data/1", false),
        ] {
            assert_eq!(is_manifest(rest), manifest, "{rest}");
        }
        assert_eq!(part_number(&part_name(7, ".gpg")), Some(7));
        assert_eq!(part_number("PG_VERSION"), None);
    }
}
