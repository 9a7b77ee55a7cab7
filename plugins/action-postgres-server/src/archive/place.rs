//! Where files of WAL are in a storage: Barman's names and places.

use hayloft_postgres::wal::FileName;

/// What may follow the name of a file of WAL without a plugin's knowing it:
/// what other programs append to what they have compressed or encrypted.
pub(super) const SUFFIXES: [&str; 8] =
    [".age", ".bz2", ".gpg", ".gz", ".lz4", ".snappy", ".xz", ".zst"];
/// How many suffixes a name has at most: one of a compressor, one of an
/// encryptor.
const MOST_SUFFIXES: usize = 2;

/// Returns the prefix of everything that belongs to the WAL of a server.
pub(super) fn root(server: &str) -> String {
    format!("{server}/wals/")
}

/// Returns the prefix of all base backups of a server.
pub(super) fn backups(server: &str) -> String {
    format!("{server}/base/")
}

/// Returns the prefix of what Barman keeps of backups beside them.
pub(super) fn meta(server: &str) -> String {
    format!("{server}/meta/")
}

/// Returns the id of the backup that an object describes, whoever wrote it.
pub(super) fn described<'k>(server: &str, key: &'k str) -> Option<&'k str> {
    if let Some(below) = key.strip_prefix(&backups(server)) {
        return below.split_once('/').filter(|it| it.1 == "backup.info").map(|it| it.0);
    }
    let below = key.strip_prefix(&meta(server))?;
    below.strip_suffix("-backup.info").filter(|it| !it.contains('/'))
}

/// Returns the key of the object that tells which cluster the archive is of.
pub(super) fn identity(server: &str) -> String {
    format!("{server}/identity.json")
}

/// Returns the key of a file with nothing appended to its name: the keys of
/// all its forms begin with it.
pub(super) fn key(server: &str, file: FileName) -> String {
    let mut key = root(server);
    let directory = file.directory();
    if !directory.is_empty() {
        key.push_str(&directory);
        key.push('/');
    }
    key.push_str(&file.to_string());
    key
}

/// Returns the prefix of what is noted of a file's encrypted objects.
pub(super) fn digests(server: &str, file: FileName) -> String {
    let directory = file.directory();
    let below = if directory.is_empty() { "histories" } else { directory.as_str() };
    format!("{server}/digests/{below}/{file}-")
}

/// Returns the prefix of all files of one timeline and log, by the directory
/// that they are in.
pub(super) fn directory(server: &str, directory: &str) -> String {
    format!("{}{directory}/", root(server))
}

/// Tells which file an object is, and what is appended to its name; nothing
/// for what is no file of WAL in its place. `known` tells whether a suffix
/// such as `.br` is one that a plugin reads.
pub(super) fn parse<'k>(
    server: &str,
    key: &'k str,
    known: &mut dyn FnMut(&str) -> bool,
) -> Option<(FileName, &'k str)> {
    let below = key.strip_prefix(&root(server))?;
    let (directory, name) = below.rsplit_once('/').unwrap_or(("", below));
    let mut end = name.len();
    for _ in 0..=MOST_SUFFIXES {
        if let Some(file) = FileName::parse(&name[..end]) {
            // Names of small letters are none of an archive.
            let good = file.directory() == directory && file.to_string() == name[..end];
            return good.then_some((file, &name[end..]));
        }
        let start = name[..end].rfind('.')?;
        let suffix = &name[start..end];
        if !SUFFIXES.contains(&suffix) && !known(suffix) {
            return None;
        }
        end = start;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_of_backups_are_beside_them_or_in_barmans_directory() {
        let cases = [
            ("m/base/20260101T000000/backup.info", Some("20260101T000000")),
            ("m/meta/20260101T000000-backup.info", Some("20260101T000000")),
            ("m/base/20260101T000000/data/backup.info", None),
            ("m/base/backup.info", None),
            ("m/meta/20260101T000000-keep", None),
            ("n/meta/20260101T000000-backup.info", None),
        ];
        for (key, expected) in cases {
            assert_eq!(described("m", key), expected, "{key}");
        }
    }

    #[test]
    fn an_object_is_a_file_of_wal_only_in_its_place() {
        let cases = [
            ("m/wals/0000000100000002/000000010000000200000003", "000000010000000200000003", ""),
            (
                "m/wals/0000000100000002/000000010000000200000003.zst.age",
                "000000010000000200000003",
                ".zst.age",
            ),
            (
                "m/wals/0000000100000002/000000010000000200000003.partial.br",
                "000000010000000200000003.partial",
                ".br",
            ),
            (
                "m/wals/0000000100000002/000000010000000200000003.00000028.backup.gz",
                "000000010000000200000003.00000028.backup",
                ".gz",
            ),
            ("m/wals/00000002.history", "00000002.history", ""),
            ("m/wals/00000002.history.age", "00000002.history", ".age"),
            // Other places.
            ("n/wals/00000002.history", "", ""),
            ("m/wals/0000000100000002/00000002.history", "", ""),
            ("m/wals/0000000100000001/000000010000000200000003", "", ""),
            ("m/wals/000000010000000200000003", "", ""),
            // What others leave behind, or keep for themselves.
            ("m/wals/0000000100000002/000000010000000200000003.compressed", "", ""),
            ("m/wals/0000000100000002/000000010000000200000003.tmp", "", ""),
            ("m/wals/0000000100000002/000000010000000200000003.zst.age.gz", "", ""),
            ("m/wals/0000000100000002/00000001000000020000000a", "", ""),
            ("m/wals/m-xlog.db", "", ""),
            ("m/wals/.zst", "", ""),
        ];
        for (key, file, suffix) in cases {
            let found = parse("m", key, &mut |it| it == ".br");
            let expected = FileName::parse(file).map(|it| (it, suffix));
            assert_eq!(found, expected, "{key}");
            if let Some((file, suffix)) = found {
                assert_eq!(super::key("m", file) + suffix, key);
            }
        }
    }
}
