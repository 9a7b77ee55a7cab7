//! What the messages of the programs mean, and what to do.
//!
//! The server may speak any language, so that its messages are known by their
//! numbers.

use hayloft_dump::{Meaning, Meanings, Patience, means};
use hayloft_plugin_api::{Error, ErrorKind};

/// The messages of `mysqldump`, `mariadb-dump` and the clients.
pub(crate) const MEANINGS: Meanings = Meanings { section: "mysql", messages: MESSAGES };

const CONNECTION: &str = "check that the server runs, and <host>, <port> and <socket>";
const PASSWORD: &str = "check <user>, and <password>, <password_file> or <password_command>";
const DATABASE: &str = "check the <database> elements; SHOW DATABASES tells what the user can see";
const LOCKS: &str =
    "GRANT LOCK TABLES to the user, or set <single_transaction>Y</single_transaction>";

const MESSAGES: &[Meaning] = &[
    means("error: 1045", ErrorKind::PERMISSION, PASSWORD),
    means("ERROR 1045", ErrorKind::PERMISSION, PASSWORD),
    means(
        "error: 1698",
        ErrorKind::PERMISSION,
        "the server takes the name of the system's user \
         for this one: run the backup as that user, or set <user> and <password_file>",
    ),
    means(
        "RELOAD",
        ErrorKind::PERMISSION,
        "GRANT RELOAD to the user, or set <flush_logs>N</flush_logs>",
    )
    .only_with("1227"),
    means(
        "FLUSH",
        ErrorKind::PERMISSION,
        "GRANT RELOAD to the user, or set <flush_logs>N</flush_logs>",
    )
    .only_with("denied"),
    means(
        "PROCESS",
        ErrorKind::PERMISSION,
        "GRANT PROCESS to the user, or add <option>--no-tablespaces</option>",
    )
    .only_with("denied"),
    means(
        "show events",
        ErrorKind::PERMISSION,
        "GRANT EVENT to the user, or set <events>N</events>",
    )
    .only_with("1044"),
    means(
        "has insufficient privileges to SHOW CREATE",
        ErrorKind::PERMISSION,
        "GRANT SELECT ON mysql.proc (MySQL 8: SHOW_ROUTINE) to the user, or set \
         <routines>N</routines>",
    ),
    means("LOCK TABLES", ErrorKind::PERMISSION, LOCKS).only_with("denied"),
    means(
        "marked as crashed",
        ErrorKind::CORRUPT,
        "repair the table, for instance with mysqlcheck --repair",
    ),
    means("error: 1049", ErrorKind::NOT_FOUND, DATABASE),
    means("ERROR 1049", ErrorKind::NOT_FOUND, DATABASE),
    means("error: 1102", ErrorKind::NOT_FOUND, DATABASE),
    means("error: 1044", ErrorKind::PERMISSION, "GRANT SELECT on the database to the user"),
    means("1142", ErrorKind::PERMISSION, "GRANT SELECT and SHOW VIEW to the user")
        .only_with("denied"),
    means("1040", ErrorKind::TRANSIENT, "lower <parallel>, or raise the server's max_connections")
        .only_with("onnect"),
    means("2002", ErrorKind::TRANSIENT, CONNECTION).only_with("connect"),
    means("2003", ErrorKind::TRANSIENT, CONNECTION).only_with("connect"),
    means("2005", ErrorKind::TRANSIENT, "check <host>, and whether names can be resolved")
        .only_with("host"),
    means(
        "2013",
        ErrorKind::TRANSIENT,
        "look into the server's log; see net_write_timeout and max_allowed_packet",
    ),
    means("2006", ErrorKind::TRANSIENT, "look into the server's log; see max_allowed_packet")
        .only_with("gone away"),
    means(
        "max_allowed_packet",
        ErrorKind::UNSUPPORTED,
        "add <option>--max-allowed-packet=1G</option>",
    ),
    means(
        "COLUMN_STATISTICS",
        ErrorKind::UNSUPPORTED,
        "this mysqldump is newer than the server: add <option>--column-statistics=0</option>",
    ),
    means("1205", ErrorKind::TRANSIENT, "somebody held a lock for too long").only_with("ock"),
    means(
        "unknown option",
        ErrorKind::CONFIGURATION,
        "check <option> in the <mysql> section against this version of the program",
    ),
    means(
        "unknown variable",
        ErrorKind::CONFIGURATION,
        "check <option> in the <mysql> section against this version of the program",
    ),
    means("2026", ErrorKind::PERMISSION, "check the options for TLS, in <options_file>")
        .only_with("SSL"),
];

/// Says how long a failure is worth waiting for.
pub(crate) fn patience(error: &Error) -> Option<Patience> {
    if !error.is_transient() {
        return None;
    }
    let text = error.to_string();
    let has = |parts: &[&str]| parts.iter().any(|it| text.contains(it));
    // Some versions wrap it into an error of their own.
    if has(&["1040"]) && has(&["onnect"]) {
        Some(Patience::LONG)
    } else {
        let refused = ["2002", "2003", "2005"];
        has(&refused).then_some(Patience::SHORT)
    }
}

/// What the user may not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// Events.
    Events,
    /// Stored procedures and functions.
    Routines,
}

/// Tells whether it was for lack of a right to something that can be left out.
pub(crate) fn denied(error: &Error) -> Option<Denied> {
    let text = error.to_string();
    if text.contains("show events") && text.contains("1044") {
        Some(Denied::Events)
    } else {
        let routines = text.contains("has insufficient privileges to SHOW CREATE");
        routines.then_some(Denied::Routines)
    }
}

#[cfg(test)]
mod tests {
    use hayloft_plugin_api::Finished;

    use super::*;

    fn error(stderr: &str) -> Error {
        let ended = Finished { code: Some(2), stderr: stderr.to_owned(), ..Finished::default() };
        MEANINGS.of_program("mysqldump", &ended).unwrap()
    }

    const NO_EVENTS: &str = "mariadb-dump: Couldn't execute 'show events': Access denied for \
         user 'weak'@'localhost' to database 'shop' (1044)";
    const NO_ROUTINES: &str =
        "mariadb-dump: weak has insufficient privileges to SHOW CREATE PROCEDURE `p`!";

    const CASES: &[(&str, ErrorKind, &str)] = &[
        (
            "mysqldump: Got error: 1045: \"Access denied for user 'b'@'localhost' (using password: YES)\" when trying to connect",
            ErrorKind::PERMISSION,
            "<user>",
        ),
        ("ERROR 1045 (28000): Zugriff verweigert", ErrorKind::PERMISSION, "<user>"),
        (
            "mariadb-dump: Got error: 1227: \"Access denied; you need (at least one of) the RELOAD privilege(s) for this operation\" when doing refresh",
            ErrorKind::PERMISSION,
            "<flush_logs>",
        ),
        (
            "mysqldump: Error: 'Access denied; you need (at least one of) the PROCESS privilege(s) for this operation' when trying to dump tablespaces",
            ErrorKind::PERMISSION,
            "--no-tablespaces",
        ),
        (NO_EVENTS, ErrorKind::PERMISSION, "<events>"),
        (NO_ROUTINES, ErrorKind::PERMISSION, "<routines>"),
        (
            "mysqldump: Got error: 1044: \"Access denied for user 'b'@'%' to database 'shop'\" when using LOCK TABLES",
            ErrorKind::PERMISSION,
            "<single_transaction>",
        ),
        (
            "mysqldump: Got error: 1044: \"Access denied for user 'b'@'%' to database 'shop'\" when selecting the database",
            ErrorKind::PERMISSION,
            "GRANT SELECT",
        ),
        (
            "mysqldump: Got error: 1049: \"Unknown database 'x'\" when selecting the database",
            ErrorKind::NOT_FOUND,
            "<database>",
        ),
        (
            "mysqldump: Got error: 2002: \"Can't connect to local server through socket '/nonexistent' (2)\" when trying to connect",
            ErrorKind::TRANSIENT,
            "<socket>",
        ),
        (
            "mysqldump: Got error: 2005: \"Unknown server host 'x' (-2)\" when trying to connect",
            ErrorKind::TRANSIENT,
            "<host>",
        ),
        (
            "mysqldump: Got error: 1040: \"Too many connections\" when trying to connect",
            ErrorKind::TRANSIENT,
            "<parallel>",
        ),
        ("mysqldump: unknown option '--nosuch'", ErrorKind::CONFIGURATION, "<option>"),
        (
            "mysqldump: Couldn't execute 'SELECT COLUMN_NAME FROM information_schema.COLUMN_STATISTICS': Unknown table (1109)",
            ErrorKind::UNSUPPORTED,
            "--column-statistics=0",
        ),
    ];

    #[test]
    fn messages_of_the_programs_get_a_kind_and_a_remedy() {
        for &(stderr, kind, hint) in CASES {
            let error = error(stderr);
            assert_eq!(error.kind(), kind, "{stderr}");
            assert!(error.remedy().unwrap().contains(hint), "{stderr}: {:?}", error.remedy());
            assert!(error.to_string().contains(stderr), "{error}");
        }
    }

    #[test]
    fn only_what_passes_by_itself_is_waited_for() {
        let cases = [
            (
                "Got error: 1040: \"Too many connections\" when trying to connect",
                Some(Patience::LONG),
            ),
            (
                "Got error: 2002: \"Received error packet before completion of TLS handshake. The \
                 authenticity of the following error cannot be verified: 1040 - Too many \
                 connections\" when trying to connect",
                Some(Patience::LONG),
            ),
            (
                "Got error: 2002: \"Can't connect to server\" when trying to connect",
                Some(Patience::SHORT),
            ),
            ("Error 2013: Lost connection to server during query when dumping table", None),
            ("Got error: 1045: \"Access denied\"", None),
        ];
        for (stderr, expected) in cases {
            assert_eq!(patience(&error(stderr)), expected, "{stderr}");
        }
    }

    #[test]
    fn what_can_be_left_out_is_told_from_what_cannot() {
        assert_eq!(denied(&error(NO_EVENTS)), Some(Denied::Events));
        assert_eq!(denied(&error(NO_ROUTINES)), Some(Denied::Routines));
        assert_eq!(denied(&error("Access denied (1044)")), None);
    }
}
