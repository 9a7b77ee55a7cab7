//! Where backups are in a storage: Barman's names and places.

use super::BackupId;

/// Returns the prefix of all backups of a server.
pub(super) fn base(server: &str) -> String {
    format!("{server}/base/")
}

/// Returns the prefix of everything of a backup.
pub(super) fn backup(server: &str, id: BackupId) -> String {
    format!("{server}/base/{id}/")
}

/// Returns the key of the description of a backup.
pub(super) fn info(server: &str, id: BackupId) -> String {
    format!("{server}/base/{id}/backup.info")
}

/// Returns the key of a mark on a backup: `keep` or `delete_this`.
pub(super) fn mark(server: &str, id: BackupId, mark: &str) -> String {
    format!("{server}/base/{id}/annotations/{mark}")
}

/// Returns the prefix of what Barman keeps of backups, since 3.13.3, in a
/// directory of its own.
pub(super) fn meta(server: &str) -> String {
    format!("{server}/meta/")
}

/// Returns the key of the lease of those who do some work.
pub(super) fn lease(server: &str, work: &str) -> String {
    format!("{server}/leases/{work}")
}

/// What an object of a backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// `backup.info`
    Info,
    /// The list of what the backup contains: it is whole.
    Manifest,
    /// The mark that it is to be kept.
    Keep,
    /// The mark that it is being deleted.
    Doomed,
    /// One of the parts that hold its files.
    Part,
    /// An archive, as Barman makes it with compression, or in a bucket.
    Tar,
    /// A file as it is in a data directory.
    File,
    /// Something else.
    Other,
}

impl Piece {
    /// Tells what an object is by its key behind [`backup`].
    pub(super) fn of(rest: &str) -> Self {
        let (first, below) = rest.split_once('/').unwrap_or((rest, ""));
        let is_tar = |it: &str| it.contains(".tar") && !it.contains('/');
        match (first, below) {
            ("backup.info", "") => Self::Info,
            ("annotations", "keep") => Self::Keep,
            ("annotations", "delete_this") => Self::Doomed,
            ("data", below) if is_part(below) => Self::Part,
            ("data", below) if is_tar(below) => Self::Tar,
            ("data" | "pgdata", below) if !below.is_empty() => Self::File,
            (first, "") if is_manifest(first) => Self::Manifest,
            (first, "") if is_tar(first) => Self::Tar,
            _ => Self::Other,
        }
    }
}

/// Parts are numbered; nothing in a data directory is called like that.
fn is_part(name: &str) -> bool {
    let number = name.split('.').next().unwrap_or_default();
    number.len() >= 6 && number.bytes().all(|it| it.is_ascii_digit()) && !name.contains('/')
}

fn is_manifest(name: &str) -> bool {
    name.strip_prefix("manifest").is_some_and(|it| it.is_empty() || it.starts_with('.'))
}

/// Splits the name of what Barman keeps of a backup in `meta/`.
pub(super) fn of_meta(rest: &str) -> Option<(BackupId, Piece)> {
    let (id, what) = rest.split_once('-')?;
    let piece = match what {
        "backup.info" => Piece::Info,
        "keep" => Piece::Keep,
        "delete_this" => Piece::Doomed,
        _ => Piece::Other,
    };
    Some((id.parse().ok()?, piece))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_told_by_their_names() {
        let cases = [
            ("backup.info", Piece::Info),
            ("manifest.zst", Piece::Manifest),
            ("manifest.zst.age", Piece::Manifest),
            ("manifest", Piece::Manifest),
            ("manifests", Piece::Other),
            ("annotations/keep", Piece::Keep),
            ("annotations/delete_this", Piece::Doomed),
            ("annotations/x", Piece::Other),
            ("data/000001", Piece::Part),
            ("data/000001.age", Piece::Part),
            ("data/PG_VERSION", Piece::File),
            ("data/base/1/000001", Piece::File),
            ("data/base.tar.gz", Piece::Tar),
            ("pgdata/PG_VERSION", Piece::File),
            ("data.tar", Piece::Tar),
            ("data_0001.tar.gz", Piece::Tar),
            ("16385.tar.snappy", Piece::Tar),
            ("16385/PG_15/1", Piece::Other),
            ("", Piece::Other),
        ];
        for (rest, expected) in cases {
            assert_eq!(Piece::of(rest), expected, "{rest}");
        }
        let id: BackupId = "20260101T000000".parse().unwrap();
        assert_eq!(of_meta("20260101T000000-backup.info"), Some((id, Piece::Info)));
        assert_eq!(of_meta("20260101T000000-backup_manifest"), Some((id, Piece::Other)));
        assert_eq!(of_meta("cloud-wal-last-archived"), None);
    }
}
