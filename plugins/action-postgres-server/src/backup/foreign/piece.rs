//! What the objects of a backup of Barman's are, by their names.

/// What an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// An archive of files that go below this path of the data directory, and
    /// the suffix of what compressed it.
    Archive(String, String),
    /// A file with this path in the data directory.
    File(String),
}

/// Tells what an object is by its key behind the backup's directory; `None` if
/// it holds no files of the server.
pub(super) fn of(rest: &str) -> Option<Piece> {
    let (first, below) = rest.split_once('/').unwrap_or((rest, ""));
    let is_number = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    match (first, below) {
        (_, "") => archive(first, "data"),
        ("data" | "pgdata", "backup_manifest") => None,
        ("data" | "pgdata", below) if !below.contains('/') && below.contains(".tar") => {
            archive(below, "base")
        }
        ("data" | "pgdata", below) => Some(Piece::File(below.to_owned())),
        (oid, below) if is_number(oid) => Some(Piece::File(format!("pg_tblspc/{oid}/{below}"))),
        _ => None,
    }
}

/// `data.tar`, `data_0001.tar.gz`, `16385.tar.bz2`: what is not `main` is a
/// tablespace.
fn archive(name: &str, main: &str) -> Option<Piece> {
    let (stem, suffix) = name.split_once(".tar")?;
    let stem = stem.split_once('_').map_or(stem, |it| it.0);
    if !(suffix.is_empty() || suffix.starts_with('.')) {
        return None;
    }
    if stem == main {
        return Some(Piece::Archive(String::new(), suffix.to_owned()));
    }
    let oid: u32 = stem.parse().ok()?;
    Some(Piece::Archive(format!("pg_tblspc/{oid}"), suffix.to_owned()))
}

/// Tells whether an object is one of a backup of Barman's, and not of ours.
pub(crate) fn is_piece(rest: &str) -> bool {
    let ours = rest.strip_prefix("data/").is_some_and(super::super::place::is_part);
    !ours && of(rest).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_and_files_are_told_by_their_names() {
        let archive =
            |below: &str, suffix: &str| Some(Piece::Archive(below.to_owned(), suffix.to_owned()));
        let file = |path: &str| Some(Piece::File(path.to_owned()));
        let cases = [
            ("data.tar", archive("", "")),
            ("data_0001.tar.gz", archive("", ".gz")),
            ("16385.tar.bz2", archive("pg_tblspc/16385", ".bz2")),
            ("16385_0002.tar", archive("pg_tblspc/16385", "")),
            ("data/base.tar.gz", archive("", ".gz")),
            ("data/16385.tar", archive("pg_tblspc/16385", "")),
            ("data/base/1/1247", file("base/1/1247")),
            ("pgdata/PG_VERSION", file("PG_VERSION")),
            ("16385/PG_15_1/5/6", file("pg_tblspc/16385/PG_15_1/5/6")),
            ("data/backup_manifest", None),
            ("data/pg_wal.tar", None),
            ("backup.info", None),
            ("annotations/keep", None),
            ("manifest.zst", None),
        ];
        for (rest, expected) in cases {
            assert_eq!(of(rest), expected, "{rest}");
        }
        assert!(!is_piece("data/000001") && !is_piece("data/000002.age") && is_piece("data.tar"));
    }
}
