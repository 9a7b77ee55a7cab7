//! Names: of files, from names of databases that may contain anything; and
//! of databases, for libpq.

use hayloft_dump::encode;

/// The beginning of every file's name, Cedar Backup's.
const PREFIX: &str = "postgresqldump";
/// What the dump of roles and tablespaces is called where a database's name
/// would be.
const GLOBALS: &str = "globals";

/// Returns the name of the file of a whole cluster, without a suffix.
pub(crate) fn cluster_file() -> String {
    format!("{PREFIX}.txt")
}

/// Returns the name of the file of the roles and tablespaces, without the
/// compressor's suffix.
pub(crate) fn globals_file() -> String {
    format!("{PREFIX}-{GLOBALS}.txt")
}

/// Returns the name of the file of a database, without the compressor's
/// suffix. Two databases never get the same one.
///
/// The name is Cedar Backup's, `postgresqldump-NAME.txt`, for every database
/// that Cedar Backup can dump. `/` and control characters become `%` and two
/// hexadecimal digits, and so does a `%` that could be mistaken for such.
pub(crate) fn database_file(database: &str, extension: &str, beside_globals: bool) -> String {
    let mut name = encode(database);
    if beside_globals && database == GLOBALS {
        name = format!("%{:02X}{}", GLOBALS.as_bytes()[0], &GLOBALS[1..]);
    }
    format!("{PREFIX}-{name}.{extension}")
}

/// Quotes a value for libpq's connection strings.
pub(crate) fn quote(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('\'');
    for c in value.chars() {
        if matches!(c, '\'' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_cedar_backups_names_where_it_can_dump() {
        let cases = [
            ("db1", "postgresqldump-db1.txt"),
            ("odd name", "postgresqldump-odd name.txt"),
            ("--version", "postgresqldump---version.txt"),
            ("a=b", "postgresqldump-a=b.txt"),
            ("100%", "postgresqldump-100%.txt"),
            ("globals", "postgresqldump-globals.txt"),
            ("größe", "postgresqldump-größe.txt"),
            ("it's \"it\"", "postgresqldump-it's \"it\".txt"),
        ];
        for (database, file) in cases {
            assert_eq!(database_file(database, "txt", false), file, "{database:?}");
        }
    }

    #[test]
    fn files_stay_in_their_directory() {
        let cases = [
            ("../x", "postgresqldump-..%2Fx.dump"),
            ("a/b", "postgresqldump-a%2Fb.dump"),
            ("a%2Fb", "postgresqldump-a%252Fb.dump"),
            ("two\nlines", "postgresqldump-two%0Alines.dump"),
            ("postgresql://h/d", "postgresqldump-postgresql:%2F%2Fh%2Fd.dump"),
        ];
        for (database, file) in cases {
            assert_eq!(database_file(database, "dump", true), file, "{database:?}");
        }
    }

    #[test]
    fn a_database_called_globals_does_not_share_the_file_of_the_globals() {
        assert_ne!(database_file("globals", "txt", true), globals_file());
        assert_ne!(database_file("globals", "txt", true), database_file("%67lobals", "txt", true));
    }

    #[test]
    fn values_are_quoted_for_libpq() {
        assert_eq!(quote("a b"), "'a b'");
        assert_eq!(quote(r"it's a \"), r"'it\'s a \\'");
    }
}
