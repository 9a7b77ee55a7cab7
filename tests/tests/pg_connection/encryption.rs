//! `sslmode` and what belongs to it.

use hayloft_tests::postgres::{Postgres, version};

use super::{PASSWORD, answer, certificates::Authority, open, refused, set_hba};

const FOR_LOCALHOST: &str = "subjectAltName = DNS:localhost, IP:127.0.0.1";
const ENCRYPTED: &str = "SELECT ssl::text || coalesce(' ' || version, '') FROM pg_stat_ssl \
                         WHERE pid = pg_backend_pid()";

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn base(server: &Postgres) -> String {
    format!(
        "host=localhost hostaddr=127.0.0.1 port={} user=postgres dbname=postgres \
         password={} connect_timeout=20",
        server.port(),
        quoted(PASSWORD)
    )
}

#[test]
fn the_modes_encrypt_and_check_as_they_should() {
    let server = Postgres::options().password(PASSWORD).tcp().start();
    let (authority, other) = (Authority::new(), Authority::new());
    authority.sign("good", "/CN=somebody", FOR_LOCALHOST, "3");
    let base = base(&server);
    let try_mode =
        |mode: &str| open(&format!("{base} sslmode={mode}")).map(|it| answer(&it, ENCRYPTED));

    assert_eq!(try_mode("prefer").unwrap(), "false");
    let text = refused(&format!("{base} sslmode=require"));
    assert!(text.contains("does not support encryption"), "{text}");

    authority.install(&server, "good");
    assert_eq!(try_mode("disable").unwrap(), "false");
    assert_eq!(try_mode("allow").unwrap(), "false");
    assert_eq!(try_mode("prefer").unwrap(), "true TLSv1.3");
    assert_eq!(try_mode("require").unwrap(), "true TLSv1.3");
    let root = authority.path("ca.crt");
    for mode in ["require", "verify-ca", "verify-full"] {
        let good = format!("{base} sslmode={mode} sslrootcert={}", root.display());
        let connection = open(&good).unwrap();
        assert!(connection.is_encrypted());
        assert_eq!(connection.auth_method(), "scram-sha-256");
        let old = open(&format!("{good} ssl_max_protocol_version=TLSv1.2")).unwrap();
        assert_eq!(answer(&old, ENCRYPTED), "true TLSv1.2");
        let wrong = other.path("ca.crt");
        let text = refused(&format!("{base} sslmode={mode} sslrootcert={}", wrong.display()));
        assert!(text.contains("not signed by an authority"), "{mode}: {text}");
    }
    let text = refused(&format!("{base} sslmode=verify-ca sslrootcert=/nonexistent/root.crt"));
    assert!(text.contains("/nonexistent/root.crt"), "{text}");
    let text = refused(&format!("{base} sslrootcert=system"));
    assert!(text.contains("encrypted connection failed"), "{text}");
}

#[test]
fn names_are_compared_as_libpq_compares_them() {
    let server = Postgres::options().password(PASSWORD).tcp().start();
    let authority = Authority::new();
    // What is signed, the host that is asked for, and whether it will do.
    let cases = [
        ("/CN=localhost", "", "localhost", true),
        ("/CN=127.0.0.1", "", "127.0.0.1", true),
        ("/CN=elsewhere", "", "localhost", false),
        ("/CN=localhost", "subjectAltName = DNS:elsewhere", "localhost", false),
        ("/CN=localhost", "subjectAltName = IP:127.0.0.1", "localhost", true),
        ("/CN=x", FOR_LOCALHOST, "127.0.0.1", true),
        ("/CN=x", "subjectAltName = IP:127.0.0.2", "127.0.0.1", false),
        ("/CN=*.example.org", "", "db.example.org", true),
        ("/CN=x", "subjectAltName = DNS:*.example.org", "a.db.example.org", false),
    ];
    for (subject, extensions, host, good) in cases {
        authority.sign("server", subject, extensions, "3");
        authority.install(&server, "server");
        let root = authority.path("ca.crt");
        let conninfo = base(&server).replace("host=localhost", &format!("host={host}"));
        let conninfo = format!("{conninfo} sslrootcert={}", root.display());
        open(&format!("{conninfo} sslmode=verify-ca")).unwrap();
        let full = format!("{conninfo} sslmode=verify-full");
        if good {
            open(&full).unwrap();
        } else {
            let text = refused(&full);
            assert!(text.contains("its certificate is for"), "{subject} {extensions}: {text}");
        }
    }
}

#[test]
fn an_expired_certificate_and_one_that_is_its_own_root_are_told_apart() {
    let server = Postgres::options().password(PASSWORD).tcp().start();
    let authority = Authority::new();
    let root = authority.path("ca.crt");
    for extensions in ["", FOR_LOCALHOST] {
        authority.sign("expired", "/CN=localhost", extensions, "0");
        authority.wait_for_the_end("expired");
        authority.install(&server, "expired");
        let text =
            refused(&format!("{} sslmode=verify-ca sslrootcert={}", base(&server), root.display()));
        assert!(text.contains("encrypted connection failed"), "{text}");
    }

    // The authority itself as the server: what `openssl req -x509` makes.
    std::fs::copy(authority.path("ca.crt"), authority.path("self.crt")).unwrap();
    std::fs::copy(authority.path("ca.key"), authority.path("self.key")).unwrap();
    authority.install(&server, "self");
    open(&format!("{} sslmode=verify-ca sslrootcert={}", base(&server), root.display())).unwrap();
}

#[test]
fn a_client_is_known_by_its_certificate() {
    let server = Postgres::options().password(PASSWORD).tcp().start();
    let (authority, other) = (Authority::new(), Authority::new());
    authority.sign("server", "/CN=localhost", FOR_LOCALHOST, "3");
    authority.sign("client", "/CN=postgres", "", "3");
    other.sign("client", "/CN=postgres", "", "3");
    authority.install(&server, "server");
    set_hba(&server, "local all all scram-sha-256\nhostssl all all all cert\n");
    let base = format!(
        "host=localhost hostaddr=127.0.0.1 port={} user=postgres sslmode=require",
        server.port()
    );
    let with = |of: &Authority| {
        let (cert, key) = (of.path("client.crt"), of.path("client.key"));
        format!("{base} sslcert={} sslkey={}", cert.display(), key.display())
    };
    assert_eq!(open(&with(&authority)).unwrap().auth_method(), "none");
    for text in [refused(&base), refused(&with(&other))] {
        assert!(text.contains("certificate") || text.contains("authority"), "{text}");
    }
    let text = refused(&with(&authority).replace("client.key", "nokey"));
    assert!(text.contains("nokey"), "{text}");
    std::fs::set_permissions(
        authority.path("client.key"),
        std::os::unix::fs::PermissionsExt::from_mode(0o644),
    )
    .unwrap();
    assert!(refused(&with(&authority)).contains("0600"));
}

#[test]
fn authorities_in_between_are_followed() {
    let server = Postgres::options().password(PASSWORD).tcp().start();
    let authority = Authority::new();
    let below = authority.below();
    below.sign("server", "/CN=localhost", FOR_LOCALHOST, "3");
    below.sign("client", "/CN=postgres", "", "3");
    std::fs::copy(authority.path("ca.crt"), authority.path("root.crt")).unwrap();
    let root = authority.path("root.crt");
    let full = format!("{} sslmode=verify-full sslrootcert={}", base(&server), root.display());

    below.install(&server, "server");
    // What a server knows of authorities it adds to its chain by itself.
    std::fs::copy(&root, server.data_dir().join("root.crt")).unwrap();
    server.reload();
    let text = refused(&full);
    assert!(text.contains("not signed by an authority"), "{text}");
    below.append("server.crt", &below.path("ca.crt"));
    below.install(&server, "server");
    open(&full).unwrap();

    std::fs::copy(&root, server.data_dir().join("root.crt")).unwrap();
    set_hba(&server, "local all all scram-sha-256\nhostssl all all all cert\n");
    let client = |name: &str| {
        let (cert, key) = (below.path(name), below.path("client.key"));
        format!("{full} sslcert={} sslkey={}", cert.display(), key.display())
    };
    let text = refused(&client("client.crt"));
    assert!(text.contains("does not accept our certificate"), "{text}");
    below.append("client.crt", &below.path("ca.crt"));
    open(&client("client.crt")).unwrap();
}

#[test]
fn what_was_revoked_is_refused() {
    let server = Postgres::options().password(PASSWORD).tcp().start();
    let (authority, other) = (Authority::new(), Authority::new());
    for (name, extensions) in [("good", FOR_LOCALHOST), ("bad", FOR_LOCALHOST), ("old", "")] {
        authority.sign(name, "/CN=localhost", extensions, "3");
    }
    authority.revoke("none.crl", &[]);
    authority.revoke("some.crl", &["bad", "old"]);
    other.revoke("other.crl", &[]);
    let root = authority.path("ca.crt");
    let full = format!("{} sslmode=verify-full sslrootcert={}", base(&server), root.display());
    let cases = [
        ("good", authority.path("none.crl"), ""),
        ("good", authority.path("some.crl"), ""),
        ("good", other.path("other.crl"), "cannot be used for the server's"),
        ("bad", authority.path("none.crl"), ""),
        ("bad", authority.path("some.crl"), "has been revoked"),
        // One of version 1: nobody can look, so it is refused.
        ("old", authority.path("some.crl"), "cannot be looked up"),
        ("old", authority.path("none.crl"), "cannot be looked up"),
        ("good", authority.path("ca.key"), "it holds no revocation list"),
        ("good", authority.path("nope"), "No such file"),
    ];
    for (name, list, problem) in cases {
        authority.install(&server, name);
        let conninfo = format!("{full} sslcrl={}", list.display());
        if problem.is_empty() {
            open(&conninfo).unwrap_or_else(|e| panic!("{name} {list:?}: {}", e.problem()));
        } else {
            let text = refused(&conninfo);
            assert!(text.contains(problem), "{name} {list:?}: {text}");
        }
    }
    // A directory of lists counts as well.
    let lists = tempfile::tempdir().unwrap();
    std::fs::copy(authority.path("some.crl"), lists.path().join("x")).unwrap();
    authority.install(&server, "bad");
    let text = refused(&format!("{full} sslcrldir={}", lists.path().display()));
    assert!(text.contains("has been revoked"), "{text}");
    std::fs::remove_file(lists.path().join("x")).unwrap();
    let text = refused(&format!("{full} sslcrldir={}", lists.path().display()));
    assert!(text.contains("it holds no revocation list"), "{text}");
    open(&full).unwrap();
}

#[test]
fn keys_of_clients_are_checked_and_may_have_a_password() {
    let server = Postgres::options().password(PASSWORD).tcp().start();
    let authority = Authority::new();
    authority.sign("server", "/CN=localhost", FOR_LOCALHOST, "3");
    authority.sign("client", "/CN=postgres", "", "3");
    authority.encrypt("client", "s3cret key");
    authority.install(&server, "server");
    set_hba(&server, "local all all scram-sha-256\nhostssl all all all cert\n");
    let with = |key: &str, more: &str| {
        let (cert, key) = (authority.path("client.crt"), authority.path(key));
        let files = format!("sslcert={} sslkey={}", cert.display(), key.display());
        format!("{} sslmode=require {files} {more}", base(&server))
    };
    open(&with("client.key", "")).unwrap();
    open(&with("client.secret", "sslpassword='s3cret key'")).unwrap();
    let cases = [
        (with("client.secret", "sslpassword=s3cret"), "its password (sslpassword) is another one"),
        (with("client.secret", ""), "it needs a password"),
        (with("server.key", ""), "it is not the key of"),
        (with("client.crt", ""), "others may read it"),
    ];
    for (conninfo, problem) in cases {
        let text = refused(&conninfo);
        assert!(text.contains(problem), "{text}");
    }
}

#[test]
fn our_certificate_can_be_demanded_and_held_back() {
    let server = Postgres::options().password(PASSWORD).tcp().start();
    let authority = Authority::new();
    authority.sign("server", "/CN=localhost", FOR_LOCALHOST, "3");
    authority.sign("client", "/CN=postgres", "", "3");
    authority.install(&server, "server");
    let (cert, key) = (authority.path("client.crt"), authority.path("client.key"));
    let files = format!("sslcert={} sslkey={}", cert.display(), key.display());
    let sent = "SELECT (client_dn IS NOT NULL)::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let base = base(&server);
    for (mode, expected) in [("allow", "true"), ("require", "true"), ("disable", "false")] {
        let conninfo = format!("{base} sslmode=require {files} sslcertmode={mode}");
        assert_eq!(answer(&open(&conninfo).unwrap(), sent), expected, "{mode}");
    }
    for conninfo in [
        format!("{base} sslmode=require sslcertmode=require"),
        format!("{base} sslmode=disable {files} sslcertmode=require"),
    ] {
        let text = refused(&conninfo);
        assert!(text.contains("no certificate of ours went to the server"), "{text}");
    }
    // A server that asks for none must not be taken for one that knows us.
    server.sql("postgres", "ALTER SYSTEM SET ssl_ca_file = ''");
    server.reload();
    let text = refused(&format!("{base} sslmode=require {files} sslcertmode=require"));
    assert!(text.contains("no certificate of ours went to the server"), "{text}");
}

#[test]
fn a_server_from_17_on_can_be_encrypted_at_once() {
    let server = Postgres::options().password(PASSWORD).tcp().programs(&version(17)).start();
    let authority = Authority::new();
    authority.sign("server", "/CN=localhost", FOR_LOCALHOST, "3");
    authority.install(&server, "server");
    let direct = format!("{} sslmode=require sslnegotiation=direct", base(&server));
    assert_eq!(answer(&open(&direct).unwrap(), ENCRYPTED), "true TLSv1.3");
}
