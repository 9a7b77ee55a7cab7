//! Names: of files, from names of databases that may contain anything; and
//! of databases, for libpq.

use std::fmt::Write;

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

fn encode(database: &str) -> String {
    let bytes = database.as_bytes();
    let mut name = String::with_capacity(bytes.len());
    for (at, c) in database.char_indices() {
        let escape = c == '/' || c.is_control() || (c == '%' && looks_encoded(&bytes[at + 1..]));
        if !escape {
            name.push(c);
            continue;
        }
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            // Writing into a string does not fail.
            let _ = write!(name, "%{byte:02X}");
        }
    }
    name
}

fn looks_encoded(rest: &[u8]) -> bool {
    rest.len() >= 2 && rest[..2].iter().all(u8::is_ascii_hexdigit)
}

/// Returns a database's name for messages, on one line.
pub(crate) fn shown(database: &str) -> String {
    let mut text = String::with_capacity(database.len());
    for c in database.chars() {
        if c.is_control() {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    text
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
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

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
    fn names_are_shown_on_one_line() {
        assert_eq!(shown("it's\none"), "it's\\none");
    }

    #[test]
    fn values_are_quoted_for_libpq() {
        assert_eq!(quote("a b"), "'a b'");
        assert_eq!(quote(r"it's a \"), r"'it\'s a \\'");
    }

    fn decode(name: &str) -> Vec<u8> {
        let bytes = name.as_bytes();
        let (mut out, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            if bytes[at] == b'%' && looks_encoded(&bytes[at + 1..]) {
                out.push(u8::from_str_radix(&name[at + 1..at + 3], 16).unwrap());
                at += 3;
            } else {
                out.push(bytes[at]);
                at += 1;
            }
        }
        out
    }

    proptest! {
        #[test]
        fn every_name_can_be_read_back(database in any::<String>(), globals in any::<bool>()) {
            let file = database_file(&database, "txt", globals);
            prop_assert!(!file.contains('/') && !file.contains('\0'));
            let name = &file["postgresqldump-".len()..file.len() - ".txt".len()];
            prop_assert_eq!(decode(name), database.as_bytes());
        }

        #[test]
        fn names_full_of_percents_can_be_read_back(database in "[%/0-9a-f]{0,12}") {
            let file = database_file(&database, "txt", false);
            let name = &file["postgresqldump-".len()..file.len() - ".txt".len()];
            prop_assert_eq!(decode(name), database.as_bytes());
        }
    }
}
