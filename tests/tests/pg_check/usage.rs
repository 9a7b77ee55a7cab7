//! Configurations and command lines that cannot be meant, and secrets.

use std::fs::OpenOptions;

use hayloft_tests::{Sandbox, postgres::Postgres};

use super::setting::{configured, element, pg};

#[test]
fn without_a_configuration_the_commands_say_what_is_missing() {
    let sandbox = Sandbox::new();
    sandbox.run(&["pg", "check"]).exits(1).complains("no PostgreSQL server is configured");
    let line = sandbox.run(&["pg", "check", "--nagios"]).exits(3).stdout;
    assert!(line.starts_with("HAYLOFT UNKNOWN - no PostgreSQL server"), "{line}");
    let sql = sandbox.run(&["pg", "server", "grant-sql", "--server-version", "14"]).exits(0);
    sql.says("pg_stop_backup(boolean, boolean) TO \"hayloft\"");
    for version in ["12", "x", ""] {
        let output =
            sandbox.run(&["pg", "server", "grant-sql", "--server-version", version]).exits(1);
        output.complains("is no version of PostgreSQL that is served");
    }
    sandbox.run(&["--config", "nope.xml", "pg", "check"]).exits(4).complains("nope.xml");
    sandbox.run(&["pg"]).exits(2);
    sandbox.run(&["pg", "check", "--help"]).exits(0).says("hayloft pg check --nagios");
}

#[test]
fn servers_are_named_or_active() {
    let server = Postgres::start();
    let elements = element(&server, "postgres");
    let idle = format!("{elements}<active>N</active>");
    let sandbox = configured(&[("a", &elements), ("b", &idle)]);
    let json = pg(&sandbox, &["check", "--json"]).json();
    assert_eq!(json["servers"].as_array().unwrap().len(), 1);
    let json = pg(&sandbox, &["check", "b", "a", "--json"]).json();
    assert_eq!(json["servers"][0]["name"], "b");
    pg(&sandbox, &["check", "c"]).exits(1).complains("there are: a, b");
    pg(&sandbox, &["status", "c"]).exits(1).complains("there are: a, b");

    let sandbox = configured(&[("b", &idle)]);
    pg(&sandbox, &["check"]).exits(1).complains("no PostgreSQL server is active").complains("b");
    pg(&sandbox, &["check", "--nagios"]).exits(3).says("HAYLOFT UNKNOWN");
    pg(&sandbox, &["status"]).exits(1).complains("no PostgreSQL server is active");
    pg(&sandbox, &["check", "b"]).exits(7);
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_place() {
    let cases = [
        ("<conninfo>hots=x</conninfo>", "`hots`"),
        ("<conninfo>host=x password='s3cret</conninfo>", "has no end"),
        ("<slot_name>A-b</slot_name>", "is no name for a slot"),
        ("<check_timeout>soon</check_timeout>", "soon"),
        ("<archiver>perhaps</archiver>", "perhaps"),
    ];
    for (element, text) in cases {
        let sandbox = configured(&[("main", element)]);
        let output = pg(&sandbox, &["check"]).exits(4);
        output.complains(text);
        assert!(!output.to_string().contains("s3cret"), "{output}");
        let checked = sandbox.run(&["--config", "hayloft.xml", "config", "check"]);
        assert!(checked.stderr.contains(text) || checked.stdout.contains(text), "{checked}");
    }
}

#[test]
fn passwords_are_taken_from_files_and_shown_nowhere() {
    let server = Postgres::options().password("s3cret-word").start();
    let sandbox = Sandbox::new();
    let file = sandbox.write("password", "s3cret-word\n");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let (conninfo, good, bad) = (
        element(&server, "postgres"),
        format!("<login><password_file>{}</password_file></login>", file.display()),
        "<login><password>s3cret-but-wrong</password></login>",
    );
    let servers = [
        ("good", format!("{conninfo}{good}")),
        ("bad", format!("{conninfo}{bad}")),
        ("none", conninfo.clone()),
        ("inside", conninfo.replace("</", " password=s3cret-word</")),
    ];
    let all: Vec<(&str, &str)> = servers.iter().map(|(n, e)| (*n, e.as_str())).collect();
    let configuration = configured(&all);
    for (server, code) in [("good", 7), ("bad", 1), ("none", 1), ("inside", 7)] {
        for command in ["check", "status"] {
            let output = pg(&configuration, &["-vvv", command, server]);
            assert!(!output.to_string().contains("s3cret"), "{output}");
            if command == "check" {
                output.exits(code);
            }
        }
    }
    pg(&configuration, &["check", "bad"]).says("password authentication failed");
    pg(&configuration, &["check", "none"]).says("wants a password").says("password file");
}

#[test]
fn a_status_that_nobody_could_be_shown_is_a_failure() {
    let server = Postgres::start();
    let sandbox = configured(&[("main", &element(&server, "postgres"))]);
    for arguments in [&["status"][..], &["status", "--json"], &["conf", "get", "port"]] {
        let mut all = vec!["--config", "hayloft.xml", "pg"];
        all.extend(arguments);
        if arguments[0] == "conf" {
            all.extend(["--server", "main"]);
        }
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = sandbox.command(&all).stdout(full).output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {complaint}");
        assert!(complaint.contains("cannot write the output"), "{arguments:?}: {complaint}");
    }
}

#[test]
fn values_of_connection_strings_are_checked_with_the_configuration() {
    let cases = [
        ("conninfo", "port=abc", "the value of `port` is not"),
        ("conninfo", "port=70000", "the value of `port` is not"),
        ("conninfo", "sslmode=sure", "`sslmode` cannot be `sure`; it can be "),
        ("streaming_conninfo", "keepalives=perhaps", "`keepalives` cannot be `perhaps`"),
        ("primary_conninfo", "target_session_attrs=rw", "`target_session_attrs` cannot be `rw`"),
        ("conninfo", "connect_timeout=1h", "`connect_timeout` cannot be `1h`"),
        ("conninfo", "hostaddr=db", "the value of `hostaddr` is not an IP address"),
        ("conninfo", "host=a,b port=1,2,3", "`port` has 3 entries for 2 hosts"),
        ("conninfo", "postgresql://u:s3cret/x@h/db", "the value of `port` is not"),
        ("conninfo", "gssencmode=require", "`gssencmode=require` is not supported"),
        ("conninfo", "hots=x", "`hots`, which is no keyword"),
    ];
    for (element, value, text) in cases {
        let elements = format!("<active>N</active>\n<{element}>{value}</{element}>");
        let sandbox = configured(&[("main", &elements)]);
        let output = sandbox.run(&["--config", "hayloft.xml", "config", "check"]).exits(4);
        output.complains("hayloft.xml:6:").complains(text);
        assert!(!output.to_string().contains("s3cret"), "{output}");
        pg(&sandbox, &["check", "main"]).exits(4).complains("hayloft.xml:6:");
    }
    // The service, or the environment, may have the rest.
    for value in ["service=nowhere port=1,2", "sslrootcert=/x host=a", "user=u", ""] {
        let sandbox = configured(&[("main", &format!("<conninfo>{value}</conninfo>"))]);
        // It gets as far as to the server, whatever that is.
        let output = pg(&sandbox, &["check", "--json"]);
        assert_ne!(output.code, Some(4), "{value}: {output}");
    }
}

#[test]
fn what_is_not_good_has_a_remedy_in_text_and_json() {
    let server = Postgres::options().password("p").setting("full_page_writes", "off").start();
    let conninfo = element(&server, "postgres");
    let few = "<conninfo>host=/nonexistent user=x</conninfo>".to_owned();
    let nowhere = format!("{conninfo}<login><password_file>/nonexistent</password_file></login>");
    let role = format!("{}<login><password>p</password></login>", element(&server, "nobody"));
    let good = format!(
        "{conninfo}<login><password>p</password></login><archiver>Y</archiver>\
         <slot_name>s</slot_name><storage>none</storage>\
         <primary_conninfo>host=/nonexistent user=x</primary_conninfo>"
    );
    let sandbox =
        configured(&[("few", &few), ("nowhere", &nowhere), ("role", &role), ("good", &good)]);
    let output = pg(&sandbox, &["check", "--json"]);
    let mut bad = 0;
    for server in output.json()["servers"].as_array().unwrap() {
        for check in server["checks"].as_array().unwrap() {
            if check["outcome"] == "ok" {
                continue;
            }
            bad += 1;
            let filled = |key: &str| check[key].as_str().is_some_and(|it| !it.trim().is_empty());
            assert!(filled("why") && filled("remedy") && filled("found"), "{check}");
        }
    }
    assert!(bad > 8, "{output}");
    let text = pg(&sandbox, &["check"]).stdout;
    for line in ["why:", "do: "] {
        assert_eq!(text.matches(line).count(), bad, "{text}");
    }
}

#[test]
fn a_refusal_is_no_wrong_password() {
    let server = Postgres::options().tcp().password("p").start();
    server.sql("postgres", "CREATE ROLE locked NOLOGIN PASSWORD 'p'; CREATE ROLE ann LOGIN");
    let hba = server.data_dir().join("pg_hba.conf");
    let text = "local all ann peer\nlocal all locked trust\nlocal all missing trust\n\
                local postgres postgres scram-sha-256\n";
    let before = std::fs::read(&hba).unwrap();
    std::fs::write(&hba, text).unwrap();
    server.reload();
    let cases = [
        ("postgres", "<login><password>wrong</password></login>", "it may have been changed"),
        ("other", "", "add a line for us to pg_hba.conf"),
        ("locked", "", "ALTER ROLE … LOGIN"),
        ("missing", "", "the server has no such role"),
        ("ann", "", "another way to know who we are"),
    ];
    for (user, login, remedy) in cases {
        let sandbox = configured(&[("main", &format!("{}{login}", element(&server, user)))]);
        pg(&sandbox, &["check"]).exits(1).says(remedy);
    }
    std::fs::write(&hba, before).unwrap();
    server.reload();
}
