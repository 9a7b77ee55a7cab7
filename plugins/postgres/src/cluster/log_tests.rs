//! What becomes of a server's last words.

use super::*;
use crate::{ErrorKind, Failure};

fn kind_of(log: &str) -> (ErrorKind, String) {
    let error = failure(log, Path::new("/data"), None);
    (error.kind(), error.to_string())
}

/// A log, the kind of error that it means, and a part of the message.
const LAST_WORDS: [(&str, ErrorKind, &str); 18] = [
    (
        "LOG:  could not translate host name \"h\", service \"1\" to address: Name or service not known\n\
         WARNING:  could not create listen socket for \"h\"\nFATAL:  could not create any TCP/IP sockets\n",
        ErrorKind::BadConfiguration,
        "host name \"h\"",
    ),
    (
        "LOG:  Unix-domain socket path \"/x\" is too long (maximum 107 bytes)\n\
         WARNING:  could not create Unix-domain socket in directory \"/x\"\n\
         FATAL:  could not create any Unix-domain sockets\n",
        ErrorKind::BadConfiguration,
        "too long",
    ),
    (
        "LOG:  could not bind IPv4 address \"127.0.0.1\": Permission denied\n\
         FATAL:  could not create any TCP/IP sockets\n",
        ErrorKind::PermissionDenied,
        "Permission denied",
    ),
    (
        "FATAL:  data directory \"/d\" has invalid permissions\nDETAIL:  Permissions should be x.\n",
        ErrorKind::PermissionDenied,
        "invalid permissions",
    ),
    (
        "FATAL:  multiple recovery targets specified\nDETAIL:  At most one of them.\n",
        ErrorKind::BadConfiguration,
        "multiple recovery targets",
    ),
    (
        "LOG:  syntax error in file \"/d/postgresql.conf\" line 3, near token \"x\"\n\
             FATAL:  configuration file \"/d/postgresql.conf\" contains errors\n",
        ErrorKind::BadConfiguration,
        "line 3",
    ),
    (
        "LOG:  invalid authentication method \"x\"\n\
             CONTEXT:  line 4 of configuration file \"/d/pg_hba.conf\"\n\
             FATAL:  could not load /d/pg_hba.conf\n",
        ErrorKind::BadConfiguration,
        "line 4 of",
    ),
    (
        "2026-01-01 10:00:00 UTC [7] LOG:  could not bind IPv4 address \"127.0.0.1\": Address already in use\n\
             2026-01-01 10:00:00 UTC [7] HINT:  Is another postmaster already running on port 1? If not, wait.\n\
             2026-01-01 10:00:00 UTC [7] WARNING:  could not create listen socket for \"127.0.0.1\"\n\
             2026-01-01 10:00:00 UTC [7] FATAL:  could not create any TCP/IP sockets\n",
        ErrorKind::PortInUse,
        "Address already in use",
    ),
    (
        "FATAL:  lock file \"/tmp/.s.PGSQL.5432.lock\" already exists\n\
             HINT:  Is another postmaster (PID 4711) using socket file \"/tmp/.s.PGSQL.5432\"?\n",
        ErrorKind::PortInUse,
        "process 4711",
    ),
    (
        "FATAL:  lock file \"postmaster.pid\" already exists\n\
             HINT:  Is another postmaster (PID 12) running in data directory \"/d\"?\n",
        ErrorKind::AlreadyRunning,
        "process 12",
    ),
    (
        "FATAL:  database files are incompatible with server\n\
             DETAIL:  The data directory was initialized by PostgreSQL version 14, which is not compatible.\n",
        ErrorKind::VersionMismatch,
        "version 14",
    ),
    (
        "LOG:  x\nFATAL:  recovery ended before configured recovery target was reached\n",
        ErrorKind::RecoveryFailed,
        "before configured",
    ),
    (
        "FATAL:  could not locate required checkpoint record\nHINT:  touch recovery.signal\n",
        ErrorKind::RecoveryFailed,
        "checkpoint",
    ),
    (
        "FATAL:  recovery ended before configured recovery target was reached\n\
             FATAL:  the database system is in recovery mode\n\
             FATAL:  role \"ann\" does not exist\n",
        ErrorKind::RecoveryFailed,
        "before configured",
    ),
    (
        "FATAL:  data directory \"/d\" has wrong ownership\n",
        ErrorKind::PermissionDenied,
        "ownership",
    ),
    ("PANIC:  could not write: No space left on device\n", ErrorKind::Server, "No space"),
    ("sh: postgres: not found\n", ErrorKind::Server, "not found"),
    ("", ErrorKind::Server, "it ended"),
];

#[test]
fn the_last_words_tell_the_kind() {
    for (log, kind, part) in LAST_WORDS {
        let (found, text) = kind_of(log);
        assert_eq!(found, kind, "{log}");
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn words_inside_of_a_message_are_no_severity() {
    let log = "LOG:  statement: SELECT 'FATAL:  x'\n\tFATAL:  y\nMYFATAL:  z\n";
    let all = messages(log);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].text, "statement: SELECT 'FATAL:  x'");
}

proptest::proptest! {
    #[test]
    fn no_log_makes_it_fall_over(log in "(LOG|FATAL|HINT|PID|port|:  |\\PC|\n|\t){0,40}") {
        let _ = failure(&log, Path::new("/data"), None);
    }
}
