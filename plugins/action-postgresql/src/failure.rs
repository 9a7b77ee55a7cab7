//! What the messages of PostgreSQL's programs mean, and what to do.

use hayloft_plugin_api::{Error, ErrorKind, Finished};

/// A message, and what it means.
struct Meaning {
    part: &'static str,
    kind: ErrorKind,
    hint: &'static str,
}

const fn means(part: &'static str, kind: ErrorKind, hint: &'static str) -> Meaning {
    Meaning { part, kind, hint }
}

const MEANINGS: &[Meaning] = &[
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
    means("role \"", ErrorKind::PERMISSION, "set <user> to a role of the server"),
    means(
        "permission denied for",
        ErrorKind::PERMISSION,
        "let the role read everything: GRANT pg_read_all_data TO it, or set <user> to a superuser",
    ),
    means(
        "database \"",
        ErrorKind::NOT_FOUND,
        "check the <database> elements; `psql -l` shows the databases of the server",
    ),
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

/// Turns the bad end of a program into an error with kind and remedy; `None`
/// if the end is a good one.
pub(crate) fn of_program(program: &str, finished: &Finished) -> Option<Error> {
    let mut finished = finished.clone();
    let lines = finished.stderr.lines().map(str::trim_end).filter(|line| !line.is_empty());
    finished.stderr = lines.collect::<Vec<_>>().join("\n");
    let (timed_out, stderr) = (finished.timed_out, finished.stderr.clone());
    let error = finished.into_result(program).err()?;
    if timed_out {
        return Some(
            error.hint("raise <timeout> in the <postgresql> section, or look what blocks"),
        );
    }
    Some(match meaning(&stderr) {
        Some(it) => error.with_kind(it.kind).hint(it.hint),
        None => error,
    })
}

fn meaning(stderr: &str) -> Option<&'static Meaning> {
    MEANINGS.iter().find(|it| {
        stderr.lines().any(|line| {
            // `role "x"` and `database "x"` mean something only with this.
            let absent = !it.part.ends_with('"') || line.contains("does not exist");
            line.contains(it.part) && absent
        })
    })
}

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

/// Makes one error of those of several dumps.
pub(crate) fn of_several(mut failed: Vec<(String, Error)>, all: usize) -> Option<Error> {
    if failed.len() < 2 {
        let (what, error) = failed.pop()?;
        return Some(error.context(format!("cannot dump {what}")));
    }
    let first = &failed[0].1;
    let kind = first.kind();
    let same = failed.iter().all(|(_, error)| error.kind() == kind);
    let hint = first.remedy().map(ToOwned::to_owned);
    let number = failed.len();
    // The innermost cause is made first.
    let mut texts = failed.into_iter().rev().map(|(what, error)| format!("{what}: {error}"));
    let mut error = Error::msg(texts.next()?);
    for text in texts {
        error = error.context(text);
    }
    let message = if number == all {
        format!("none of {all} dumps could be made")
    } else {
        format!("{number} of {all} dumps could not be made; the others are good")
    };
    error = error.context(message).with_kind(if same { kind } else { ErrorKind::OTHER });
    Some(match hint {
        Some(hint) => error.hint(hint),
        None => error,
    })
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
            let error = of_program("pg_dump", &ended(&stderr)).unwrap();
            assert_eq!(error.kind(), kind, "{stderr}");
            assert!(error.remedy().unwrap().contains(hint), "{stderr}: {:?}", error.remedy());
            assert!(error.to_string().contains(&stderr), "{error}");
        }
    }

    #[test]
    fn a_good_end_is_no_error_and_an_unknown_message_is_shown() {
        let good = Finished { code: Some(0), ..Finished::default() };
        assert!(of_program("pg_dump", &good).is_none());
        let error = of_program("pg_dump", &ended("boom\n\n")).unwrap();
        assert_eq!(error.to_string(), "pg_dump failed with exit code 1: boom");
    }

    #[test]
    fn the_servers_version_is_read() {
        let text = "pg_dump: detail: server version: 17.1 (Debian); pg_dump version: 15.18";
        assert_eq!(server_major(text), Some(17));
        assert_eq!(server_major("nothing"), None);
    }

    #[test]
    fn several_failures_are_all_named() {
        let error = |text: &str| Error::new(ErrorKind::NOT_FOUND, text).hint("look");
        let failed =
            vec![("database `a`".into(), error("one")), ("database `b`".into(), error("two"))];
        let all = of_several(failed, 3).unwrap();
        assert_eq!(all.kind(), ErrorKind::NOT_FOUND);
        assert_eq!(
            all.to_string(),
            "2 of 3 dumps could not be made; the others are good: database `a`: one: database `b`: two"
        );
        assert_eq!(all.remedy(), Some("look"));
        let one = of_several(vec![("database `a`".into(), error("one"))], 3).unwrap();
        assert_eq!(one.to_string(), "cannot dump database `a`: one");
        assert!(of_several(Vec::new(), 0).is_none());
    }
}
