//! What the messages of PostgreSQL's programs mean, and what to do.

use hayloft_dump::{Meaning, Meanings, Patience, means};
use hayloft_plugin_api::{Error, ErrorKind, Finished};

/// The messages of `pg_dump`, `pg_dumpall` and `psql`.
pub(crate) const MEANINGS: Meanings = Meanings { section: "postgresql", messages: MESSAGES };

const MESSAGES: &[Meaning] = &[
    means(
        "server version mismatch",
        ErrorKind::UNSUPPORTED,
        "install the client programs of the server's version or a newer one, such as Debian's \
         postgresql-client-NN, or name them with <override> in <options>",
    ),
    means(
        "password authentication failed",
        ErrorKind::PERMISSION,
        "check <user> and the password in <password_file>",
    ),
    means(
        "no password supplied",
        ErrorKind::PERMISSION,
        "put the password into a file with mode 0600 and name it by <password_file>",
    ),
    means(
        "Peer authentication failed",
        ErrorKind::PERMISSION,
        "the server takes the name of the system's user for the role: set <user>, run the backup \
         as that user, or give a <host> and a <password_file>",
    ),
    means(
        "no pg_hba.conf entry",
        ErrorKind::PERMISSION,
        "allow this host, role and database in the server's pg_hba.conf",
    ),
    means("authentication failed", ErrorKind::PERMISSION, "check <user> and <password_file>"),
    means("role \"", ErrorKind::PERMISSION, "set <user> to a role of the server")
        .only_with("does not exist"),
    means(
        "permission denied for",
        ErrorKind::PERMISSION,
        "let the role read everything: GRANT pg_read_all_data TO it, or set <user> to a superuser",
    ),
    means(
        "database \"",
        ErrorKind::NOT_FOUND,
        "check the <database> elements; `psql -l` shows the databases of the server",
    )
    .only_with("does not exist"),
    means("definition of service", ErrorKind::NOT_FOUND, "check <service> and pg_service.conf"),
    means(
        "could not translate host name",
        ErrorKind::TRANSIENT,
        "check <host>, and whether names can be resolved",
    ),
    means(
        "too many clients",
        ErrorKind::TRANSIENT,
        "lower <parallel> and <jobs>, or raise the server's max_connections",
    ),
    means("the database system is", ErrorKind::TRANSIENT, "try again when the server is up"),
    means(
        "connection to server",
        ErrorKind::TRANSIENT,
        "check that the server runs, and <host> and <port>",
    ),
    means(
        "contains a newline or carriage return",
        ErrorKind::UNSUPPORTED,
        "pg_dumpall cannot do with such a database: <globals>Y</globals> has each database dumped \
         by itself, and the roles and tablespaces beside them",
    ),
    means("No space left on device", ErrorKind::FULL, "make room, or use another <working_dir>"),
    means(
        "no matching",
        ErrorKind::NOT_FOUND,
        "check the names of the schemas and tables in the <postgresql> section",
    ),
    means(
        "unrecognized option",
        ErrorKind::CONFIGURATION,
        "check <option> in the <postgresql> section against this version of the program",
    ),
    means(
        "lock wait timeout",
        ErrorKind::TRANSIENT,
        "somebody held a lock for too long: see --lock-wait-timeout in the <option> elements",
    ),
];

/// Tells whether the program is older than the server.
pub(crate) fn is_version_mismatch(finished: &Finished) -> bool {
    finished.stderr.contains("server version mismatch")
}

/// Returns the server's major version out of that message.
pub(crate) fn server_major(stderr: &str) -> Option<u32> {
    let rest = stderr.split("server version: ").nth(1)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Says how long a failure is worth waiting for.
pub(crate) fn patience(error: &Error) -> Option<Patience> {
    if !error.is_transient() {
        return None;
    }
    let text = error.to_string();
    let passes = ["the database system is", "too many clients"].iter().any(|it| text.contains(it));
    let refused = ["connection to server", "could not translate host name"];
    if passes {
        Some(Patience::LONG)
    } else {
        refused.iter().any(|it| text.contains(it)).then_some(Patience::SHORT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(stderr: &str) -> Finished {
        Finished { code: Some(1), stderr: stderr.to_owned(), ..Finished::default() }
    }

    #[test]
    fn messages_of_the_programs_get_a_kind_and_a_remedy() {
        let socket =
            "pg_dump: error: connection to server on socket \"/run/x/.s.PGSQL.5432\" failed: ";
        let cases = [
            (format!("{socket}No such file or directory\n\tIs the server running"), ErrorKind::TRANSIENT, "<host>"),
            (format!("{socket}FATAL:  database \"x\" does not exist"), ErrorKind::NOT_FOUND, "<database>"),
            (format!("{socket}FATAL:  role \"x\" does not exist"), ErrorKind::PERMISSION, "<user>"),
            (format!("{socket}FATAL:  password authentication failed for user \"x\""), ErrorKind::PERMISSION, "<password_file>"),
            (format!("{socket}fe_sendauth: no password supplied"), ErrorKind::PERMISSION, "<password_file>"),
            (format!("{socket}FATAL:  sorry, too many clients already"), ErrorKind::TRANSIENT, "<parallel>"),
            (format!("{socket}FATAL:  the database system is starting up"), ErrorKind::TRANSIENT, "again"),
            ("pg_dump: error: query failed: ERROR:  permission denied for table t".into(), ErrorKind::PERMISSION, "GRANT"),
            ("pg_dump: error: aborting because of server version mismatch\npg_dump: detail: server version: 17.1; pg_dump version: 15.18".into(), ErrorKind::UNSUPPORTED, "postgresql-client"),
            ("pg_dump: error: no matching tables were found".into(), ErrorKind::NOT_FOUND, "tables"),
        ];
        for (stderr, kind, hint) in cases {
            let error = MEANINGS.of_program("pg_dump", &ended(&stderr)).unwrap();
            assert_eq!(error.kind(), kind, "{stderr}");
            assert!(error.remedy().unwrap().contains(hint), "{stderr}: {:?}", error.remedy());
            assert!(error.to_string().contains(&stderr), "{error}");
        }
    }

    #[test]
    fn only_what_passes_by_itself_is_waited_for() {
        let cases = [
            ("FATAL:  the database system is starting up", Some(Patience::LONG)),
            ("FATAL:  sorry, too many clients already", Some(Patience::LONG)),
            ("connection to server at \"x\", port 1 failed: refused", Some(Patience::SHORT)),
            ("ERROR:  canceling statement due to lock wait timeout", None),
            ("FATAL:  password authentication failed for user \"x\"", None),
        ];
        for (stderr, expected) in cases {
            let error = MEANINGS.of_program("pg_dump", &ended(stderr)).unwrap();
            assert_eq!(patience(&error), expected, "{stderr}");
        }
    }

    #[test]
    fn the_servers_version_is_read() {
        let text = "pg_dump: detail: server version: 17.1 (Debian); pg_dump version: 15.18";
        assert_eq!(server_major(text), Some(17));
        assert_eq!(server_major("nothing"), None);
    }
}
