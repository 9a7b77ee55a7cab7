//! Files of a data directory: which of them a base backup leaves out, and what
//! names of relations' files mean.
//!
//! Source of the facts: `basebackup.c`, `relpath.c` and the chapter on the
//! protocol of PostgreSQL 13 to 18.

/// Directories that are backed up empty, below the data directory: what is in
/// them means nothing to a server that is restored.
const EMPTY: [&str; 8] = [
    "pg_dynshmem",
    "pg_notify",
    "pg_replslot",
    "pg_serial",
    "pg_snapshots",
    "pg_stat_tmp",
    "pg_subtrans",
    "pg_wal",
];
/// Files that are left out wherever they lie.
const LEFT_OUT: [&str; 9] = [
    "backup_label",
    "backup_label.old",
    "backup_manifest",
    "current_logfiles.tmp",
    "postgresql.auto.conf.tmp",
    "postmaster.opts",
    "postmaster.pid",
    "tablespace_map",
    "tablespace_map.old",
];
/// What tells a server to recover: whoever restores says how.
const SIGNALS: [&str; 3] = ["recovery.conf", "recovery.signal", "standby.signal"];
/// What names of temporary files and of their directories begin with.
const TEMPORARY: &str = "pgsql_tmp";
/// A cache that each server makes for itself; while it is written its name has
/// a number behind it.
const RELATION_CACHE: &str = "pg_internal.init";
/// How many pages a file of a relation has, unless the server was built
/// otherwise.
const PAGES_OF_FILE: u32 = 131_072;

/// Tells whether a directory, by its path below the data directory, is backed
/// up empty.
pub fn is_backed_up_empty(path: &str) -> bool {
    EMPTY.contains(&path)
}

/// The directories that are made in empty ones all the same.
pub const MADE_IN_WAL: [&str; 1] = ["archive_status"];

/// Tells whether a file or directory is left out, by its name.
pub fn is_left_out(name: &str) -> bool {
    name.starts_with(TEMPORARY)
        || name.starts_with(RELATION_CACHE)
        || LEFT_OUT.contains(&name)
        || SIGNALS.contains(&name)
}

/// Which part of a relation a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fork {
    /// Its rows.
    Main,
    /// The map of free space.
    FreeSpace,
    /// The map of what everybody can see.
    Visibility,
    /// What an unlogged relation looks like when it is empty.
    Initial,
}

/// The name of a relation's file, such as `16384_fsm.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelationFile {
    /// The relation's number on the disk.
    pub node: u32,
    /// Which part of it.
    pub fork: Fork,
    /// Which file of that part: they have 1 GiB each.
    pub segment: u32,
    /// Whether the relation belongs to a session and vanishes with it.
    pub temporary: bool,
}

impl RelationFile {
    /// Reads a name; `None` for any other file.
    pub fn parse(name: &str) -> Option<Self> {
        let (temporary, rest) = match name.strip_prefix('t') {
            Some(rest) => {
                let (backend, rest) = rest.split_once('_')?;
                number(backend)?;
                (true, rest)
            }
            None => (false, name),
        };
        let (rest, segment) = match rest.split_once('.') {
            Some((rest, segment)) => (rest, number(segment).filter(|it| *it > 0)?),
            None => (rest, 0),
        };
        let (node, fork) = match rest.split_once('_') {
            None => (rest, Fork::Main),
            Some((node, "fsm")) => (node, Fork::FreeSpace),
            Some((node, "vm")) => (node, Fork::Visibility),
            Some((node, "init")) => (node, Fork::Initial),
            Some(_) => return None,
        };
        Some(Self { node: number(node)?, fork, segment, temporary })
    }

    /// Returns the number of the first page in the file, counted from the
    /// beginning of the fork.
    pub fn first_page(self) -> u32 {
        self.segment.wrapping_mul(PAGES_OF_FILE)
    }
}

/// A decimal number as PostgreSQL writes it.
fn number(text: &str) -> Option<u32> {
    let plain =
        text.bytes().all(|it| it.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_nothing_to_a_restored_server_is_left_out() {
        let cases = [
            ("postmaster.pid", true),
            ("pg_internal.init", true),
            ("pg_internal.init.4711", true),
            ("pgsql_tmp", true),
            ("pgsql_tmp123.4", true),
            ("standby.signal", true),
            ("PG_VERSION", false),
            ("pg_filenode.map", false),
            ("postgresql.auto.conf", false),
            ("backup_label.bak", false),
        ];
        for (name, expected) in cases {
            assert_eq!(is_left_out(name), expected, "{name}");
        }
        assert!(is_backed_up_empty("pg_wal") && !is_backed_up_empty("pg_wal/archive_status"));
        assert!(!is_backed_up_empty("base/pg_wal") && !is_backed_up_empty("pg_xact"));
    }

    #[test]
    fn names_of_relations_are_read() {
        let of =
            |node, fork, segment, temporary| Some(RelationFile { node, fork, segment, temporary });
        let cases = [
            ("16384", of(16384, Fork::Main, 0, false)),
            ("16384.12", of(16384, Fork::Main, 12, false)),
            ("16384_fsm", of(16384, Fork::FreeSpace, 0, false)),
            ("16384_vm.2", of(16384, Fork::Visibility, 2, false)),
            ("16384_init", of(16384, Fork::Initial, 0, false)),
            ("t3_16384", of(16384, Fork::Main, 0, true)),
            ("t3_16384_fsm.1", of(16384, Fork::FreeSpace, 1, true)),
            ("16384.0", None),
            ("016384", None),
            ("16384_x", None),
            ("16384.1.1", None),
            ("t_1", None),
            ("tx_1", None),
            ("", None),
            ("pg_control", None),
            ("99999999999", None),
        ];
        for (name, expected) in cases {
            assert_eq!(RelationFile::parse(name), expected, "{name}");
        }
        let Some(second) = RelationFile::parse("1.1") else { panic!("it is one") };
        assert_eq!(second.first_page(), 131_072);
    }
}
