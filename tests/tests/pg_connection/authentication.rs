//! Passwords, where they come from, and what they are bound to.

use std::{fs, os::unix::fs::PermissionsExt};

use hayloft_postgres::{
    connection::ConnectProblem,
    conninfo::Environment,
    error::{ErrorKind, Failure},
};
use hayloft_tests::postgres::Postgres;

use super::{PASSWORD, certificates::Authority, open, open_in, refused, set_hba};

#[test]
fn passwords_come_from_files_and_the_environment() {
    let server = Postgres::options().password(PASSWORD).start();
    let base =
        format!("host={} port={} user=postgres", server.socket_dir().display(), server.port());
    let error = open(&base).unwrap_err();
    assert!(matches!(error.problem(), ConnectProblem::PasswordMissing), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);

    open_in(&base, &Environment::empty().with("PGPASSWORD", PASSWORD)).unwrap();
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".pgpass");
    let escaped = PASSWORD.replace('\\', "\\\\").replace(':', "\\:");
    fs::write(&file, format!("*:*:*:postgres:{escaped}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let environment = Environment::empty().with_home(home.path());
    let connection = open_in(&base, &environment).unwrap();
    assert_eq!(connection.auth_method(), "scram-sha-256");

    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let error = open_in(&base, &environment).unwrap_err();
    assert!(error.hint().unwrap().contains("0600"), "{error:?}");

    let text = refused(&format!("{base} password=s3cret-but-wrong"));
    assert!(text.contains("password authentication failed"), "{text}");
    let text = refused(&format!("{base} dbname=nope password='{}'", "it\\'s: a \\\\s3cret"));
    assert!(text.contains("database \"nope\" does not exist"), "{text}");
}

#[test]
fn methods_can_be_demanded_and_forbidden() {
    let server = Postgres::options().password(PASSWORD).tcp().start();
    server.sql(
        "postgres",
        "SET password_encryption = 'md5'; CREATE ROLE old LOGIN PASSWORD 's3cret'",
    );
    set_hba(
        &server,
        "local all all scram-sha-256\nhost all old all md5\n\
         host all postgres all password\nhost postgres free all trust\n",
    );
    server.sql("postgres", "CREATE ROLE free LOGIN");
    let base = format!("host=127.0.0.1 port={} dbname=postgres", server.port());
    let cases = [
        ("old", "s3cret", "md5", true),
        ("old", "s3cret", "scram-sha-256", false),
        ("old", "s3cret", "!md5", false),
        ("postgres", PASSWORD, "password", true),
        ("postgres", PASSWORD, "!password", false),
        ("free", "", "none", true),
        ("free", "", "scram-sha-256,md5", false),
    ];
    for (user, password, methods, good) in cases {
        let password = password.replace('\\', "\\\\").replace('\'', "\\'");
        let conninfo = format!("{base} user={user} password='{password}' require_auth={methods}");
        if good {
            open(&conninfo).unwrap_or_else(|e| panic!("{user} {methods}: {e} {}", e.problem()));
        } else {
            let text = refused(&conninfo);
            assert!(text.contains("require_auth forbids"), "{user} {methods}: {text}");
        }
    }
}

#[test]
fn passwords_are_bound_to_the_encryption() {
    let server = Postgres::options().password(PASSWORD).tcp().start();
    let authority = Authority::new();
    authority.sign("server", "/CN=localhost", "subjectAltName = DNS:localhost", "3");
    let password = PASSWORD.replace('\\', "\\\\").replace('\'', "\\'");
    let base = format!(
        "host=localhost hostaddr=127.0.0.1 port={} user=postgres password='{password}'",
        server.port()
    );
    let text = refused(&format!("{base} channel_binding=require sslmode=disable"));
    assert!(text.contains("did not bind"), "{text}");
    authority.install(&server, "server");
    for binding in ["disable", "prefer", "require"] {
        open(&format!("{base} sslmode=require channel_binding={binding}")).unwrap();
    }
    set_hba(&server, "local all all scram-sha-256\nhost all all all password\n");
    let text = refused(&format!("{base} sslmode=require channel_binding=require"));
    assert!(text.contains("did not bind"), "{text}");
}

#[test]
fn the_owner_of_a_socket_can_be_demanded() {
    let server = Postgres::start();
    let base =
        format!("host={} port={} user=postgres", server.socket_dir().display(), server.port());
    let text = refused(&format!("{base} requirepeer=nobody-at-all"));
    assert!(text.contains("must belong to nobody-at-all"), "{text}");
}
