//! Who we are, and over what.

use hayloft_postgres::{
    connection::ConnectProblem,
    replication::{BaseBackupOptions, ReplicationError},
};
use hayloft_tests::postgres::{Postgres, installed_versions};

use super::{certificates::Authority, open, received::receive};

const PASSWORD: &str = "it's: a \\s3cret";

fn set_hba(server: &Postgres, lines: &str) {
    std::fs::write(server.data_dir().join("pg_hba.conf"), lines).unwrap();
    server.reload();
}

fn base(server: &Postgres) -> String {
    let quoted = PASSWORD.replace('\\', "\\\\").replace('\'', "\\'");
    let port = server.port();
    format!("host=localhost hostaddr=127.0.0.1 port={port} user=postgres password='{quoted}'")
}

/// Why there is no connection: the message with its causes.
fn refused(conninfo: &str) -> (String, ReplicationError) {
    let error = open(conninfo).unwrap_err();
    let ReplicationError::Connect(problem) = &error else { panic!("{error:?}") };
    let text = format!("{problem}: {}", problem.problem());
    assert!(!text.contains("s3cret") && !format!("{error:?}").contains("s3cret"), "{error:?}");
    (text, error)
}

#[test]
fn every_way_to_authenticate_is_spoken() {
    let server = Postgres::options().password(PASSWORD).tcp().start();
    server.sql(
        "postgres",
        "SET password_encryption = 'md5'; CREATE ROLE old LOGIN REPLICATION PASSWORD 's3cret'; \
         CREATE ROLE free LOGIN REPLICATION",
    );
    set_hba(
        &server,
        "local all all scram-sha-256\nhost replication old all md5\n\
         host replication free all trust\nhost replication postgres 127.0.0.1/32 password\n",
    );
    let base = format!("host=127.0.0.1 port={}", server.port());
    let good = self::base(&server);
    for (conninfo, method) in [
        (format!("{base} user=old password=s3cret"), "md5"),
        (format!("{base} user=free"), "none"),
        (good.clone(), "password"),
        (
            good.replace("hostaddr=127.0.0.1", "")
                .replace("host=localhost", &format!("host={}", server.socket_dir().display())),
            "none",
        ),
    ] {
        if method == "none" && conninfo.contains("host=/") {
            // No line for replication through the socket.
            let (text, _) = refused(&conninfo);
            assert!(text.contains("no pg_hba.conf entry"), "{text}");
            continue;
        }
        let mut connection = open(&conninfo).unwrap();
        assert_eq!(connection.auth_method(), method);
        connection.identify().unwrap();
    }
    let (text, _) = refused(&format!("{base} user=old password=s3cret-wrong"));
    assert!(text.contains("password authentication failed"), "{text}");
    let (_, error) = refused(&format!("{base} user=old"));
    let ReplicationError::Connect(error) = error else { panic!("{error:?}") };
    assert!(matches!(error.problem(), ConnectProblem::PasswordMissing));
    let (text, _) = refused(&format!("{good} require_auth=scram-sha-256"));
    assert!(text.contains("require_auth forbids"), "{text}");
    let (text, _) = refused(&format!("{good} channel_binding=require sslmode=disable"));
    assert!(text.contains("did not bind"), "{text}");
    let (text, _) = refused(&format!("{base} user=free channel_binding=require sslmode=disable"));
    assert!(text.contains("did not bind"), "{text}");
}

#[test]
fn the_password_is_bound_to_the_encryption_and_backups_go_through_it() {
    for programs in installed_versions() {
        let server = Postgres::options().password(PASSWORD).tcp().programs(&programs).start();
        let authority = Authority::new();
        authority.sign("server", "/CN=localhost", "subjectAltName = DNS:localhost", "3");
        authority.install(&server, "server");
        let root = authority.path("ca.crt");
        let full = format!("{} sslmode=verify-full sslrootcert={}", base(&server), root.display());
        for (binding, bound) in [("require", true), ("prefer", true), ("disable", false)] {
            let connection = open(&format!("{full} channel_binding={binding}")).unwrap();
            assert!(connection.is_encrypted());
            assert_eq!((connection.is_bound(), connection.auth_method()), (bound, "scram-sha-256"));
        }
        let mut connection = open(&full).unwrap();
        let options = BaseBackupOptions { fast_checkpoint: true, ..BaseBackupOptions::default() };
        let backup = receive(&mut connection, &options).unwrap();
        assert!(backup.data > 10 << 20);
        let other = Authority::new();
        let wrong = full.replace(root.to_str().unwrap(), other.path("ca.crt").to_str().unwrap());
        let (text, _) = refused(&wrong);
        assert!(text.contains("not signed by an authority"), "{text}");
    }
}

#[test]
fn a_client_is_known_by_its_certificate() {
    let server = Postgres::options().password(PASSWORD).tcp().start();
    let authority = Authority::new();
    authority.sign("server", "/CN=localhost", "subjectAltName = DNS:localhost", "3");
    authority.sign("client", "/CN=postgres", "", "3");
    authority.install(&server, "server");
    set_hba(&server, "local all all scram-sha-256\nhostssl replication all all cert\n");
    let (cert, key) = (authority.path("client.crt"), authority.path("client.key"));
    let base = format!("{} sslmode=require", base(&server));
    let with = format!("{base} sslcert={} sslkey={}", cert.display(), key.display());
    open(&with).unwrap().identify().unwrap();
    let (text, _) = refused(&base);
    assert!(text.contains("certificate"), "{text}");
}

#[test]
fn hosts_are_tried_until_one_is_of_the_kind_that_is_wanted() {
    for programs in installed_versions() {
        let standby = super::timelines::lonely_standby(&programs);
        let primary = Postgres::options().programs(&programs).start();
        let directories = [&standby, &primary].map(|it| it.socket_dir().display().to_string());
        let both = format!(
            "host=/nonexistent,{} port=5432,{},{} user=postgres",
            directories.join(","),
            standby.port(),
            primary.port()
        );
        let place = |attrs: &str| {
            let connection = open(&format!("{both} target_session_attrs={attrs}")).unwrap();
            connection.host().to_string()
        };
        for (attrs, found) in [
            ("any", &directories[0]),
            ("standby", &directories[0]),
            ("primary", &directories[1]),
            ("read-write", &directories[1]),
            ("read-only", &directories[0]),
            ("prefer-standby", &directories[0]),
        ] {
            assert!(place(attrs).starts_with(found), "{attrs}");
        }
    }
}
