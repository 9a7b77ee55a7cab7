//! What does not work is told with its remedy, and leaves nothing behind.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use hayloft_tests::postgres::Postgres;

use crate::setting::{Setting, address, restore_plain};

const PLAIN: &str = "<compress_mode>none</compress_mode>";

#[test]
fn a_database_that_fails_does_not_keep_the_others_from_being_dumped() {
    let server = Postgres::start();
    server.pgbench("first", 1);
    server.pgbench("last", 1);
    for compress in ["none", "gzip", "zstd"] {
        let elements = format!(
            "<compress_mode>{compress}</compress_mode><database>first</database>\
             <database>nosuch</database><database>last</database>"
        );
        let setting = Setting::new(&server, &elements);
        let output = setting.run().exits(1);
        output.complains("database `nosuch`");
        output.complains("FATAL:  database \"nosuch\" does not exist");
        output.complains("check the <database> elements");
        let dumps = setting.dumps();
        assert_eq!(dumps.len(), 2, "{dumps:?}");
        assert!(dumps.iter().all(|it| !it.contains("nosuch")));
    }
}

#[test]
fn a_failed_dump_is_not_hidden_by_an_earlier_one_that_was_staged() {
    let server = Postgres::start();
    let setting = Setting::new(&server, &format!("{PLAIN}<database>nosuch</database>"));
    let old = setting.dump("postgresqldump-nosuch.txt");
    fs::write(&old, "yesterday's").unwrap();
    setting.run().exits(1).complains("nosuch");
    assert!(old.exists(), "it was never staged: it may be the only copy");

    let file = fs::File::options().write(true).open(&old).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_hours(24)).unwrap();
    fs::write(setting.dump("cback.stage"), "").unwrap();
    setting.run().exits(1).complains("nosuch");
    assert!(!old.exists(), "it is staged, and would be taken for that of today");
}

#[test]
fn a_dump_that_stops_early_is_no_dump_even_if_the_program_says_that_it_is() {
    let server = Postgres::start();
    let cases = [
        ("exit 0", "the dump is empty"),
        ("echo '-- PostgreSQL database dump'", "the dump has no end"),
        ("echo half; echo 'pg_dump: error: lost it' >&2; exit 1", "pg_dump: error: lost it"),
        ("echo half; kill -9 $$", "signal 9"),
    ];
    for (script, complaint) in cases {
        let elements = "<compress_mode>zstd</compress_mode><database>postgres</database>";
        let setting = Setting::new(&server, elements);
        setting.replace(&server, elements, "pg_dump", &format!("#!/bin/sh\n{script}\n"));
        setting.run().exits(1).complains(complaint);
        assert!(setting.dumps().is_empty());
    }
}

#[test]
fn a_server_that_cannot_be_reached_is_named_with_the_settings() {
    let nowhere = "<host>/nonexistent</host><user>backup</user>";
    let sections = [
        format!("{nowhere}{PLAIN}<all>Y</all>"),
        format!("{nowhere}{PLAIN}<database>x</database>"),
        format!("{nowhere}{PLAIN}<all>Y</all><format>custom</format>"),
        format!("<host>127.0.0.1</host><port>1</port>{PLAIN}<database>x</database>"),
    ];
    for section in sections {
        let setting = Setting::without_server(&section);
        let output = setting.run().exits(1);
        output.complains("connection to server").complains("<host> and <port>");
        assert!(setting.dumps().is_empty());
    }
}

#[test]
fn a_role_that_may_not_is_told_what_it_needs() {
    let server = Postgres::start();
    server.sql("postgres", "CREATE ROLE weak LOGIN");
    server.sql("postgres", "CREATE TABLE private AS SELECT 1 AS a");
    let place = format!(
        "<host>{}</host><port>{}</port>{PLAIN}<database>postgres</database>",
        server.socket_dir().display(),
        server.port()
    );
    let setting = Setting::without_server(&format!("<user>weak</user>{place}"));
    let output = setting.run().exits(1);
    output.complains("permission denied for table private").complains("pg_read_all_data");
    let setting = Setting::without_server(&format!("<user>nobody-at-all</user>{place}"));
    setting.run().exits(1).complains("set <user> to a role of the server");
    assert!(setting.dumps().is_empty());
}

#[test]
fn a_missing_program_is_named_with_what_to_install() {
    let server = Postgres::start();
    let elements = format!("{}{PLAIN}<database>postgres</database>", address(&server));
    let setting = Setting::without_server("");
    let overrides = "<override><command>pg_dump</command>\
                     <abs_path>/nonexistent/pg_dump</abs_path></override>";
    setting.configure(&elements, overrides);
    let output = setting.run().exits(1);
    output.complains("/nonexistent/pg_dump").complains("postgresql-client");
    assert!(setting.dumps().is_empty());
}

#[test]
fn programs_older_than_the_server_give_way_to_its_own() {
    let server = Postgres::start();
    server.pgbench("shop", 1);
    let setting = Setting::new(&server, &format!("{PLAIN}<database>shop</database>"));
    let old = "#!/bin/sh\n\
        echo 'pg_dump: error: aborting because of server version mismatch' >&2\n\
        echo 'pg_dump: detail: server version: SERVER.1; pg_dump version: 9.6' >&2\nexit 1\n";
    let old = old.replace("SERVER", &server.major().to_string());
    let bin = setting.sandbox.script("bin/pg_dump", &old);
    let path = std::env::var("PATH").unwrap();
    let mut sandbox = setting;
    sandbox.sandbox.env("PATH", format!("{}:{path}", bin.parent().unwrap().display()));
    let output = sandbox.run();
    if server.bin_dir().starts_with("/usr/lib/postgresql")
        || server.bin_dir().to_string_lossy().starts_with("/usr/pgsql-")
    {
        assert_eq!(output.code, Some(0), "{output}");
        let sql = sandbox.decoded("postgresqldump-shop.txt");
        restore_plain(&server, &sql, "restored");
    } else {
        // There is no other to give way to; then it says what to install.
        output.exits(1).complains("server version mismatch").complains("postgresql-client");
    }
}

#[test]
fn a_wrong_section_is_refused_with_line_and_remedy_before_anything_is_done() {
    let cases = [
        ("<all>Y</all>", "compress"),
        ("<compress_mode>none</compress_mode>", "database"),
        ("<compress_mode>none</compress_mode><all>Y</all><database>x</database>", "all"),
        ("<compress_mode>none</compress_mode><all>maybe</all>", "maybe"),
        ("<compress_mode>none</compress_mode><all>Y</all><port>99999</port>", "99999"),
        ("<compress_mode>none</compress_mode><all>Y</all><format>xml</format>", "xml"),
        ("<compress_mode>none</compress_mode><all>Y</all><jobs>2</jobs>", "<jobs>"),
        (
            "<compress_mode>none</compress_mode><all>Y</all><option>-f/etc/passwd</option>",
            // Not its value, which may be a secret.
            "the argument `-f` cannot be passed on",
        ),
    ];
    for (section, complaint) in cases {
        let setting = Setting::without_server(section);
        let output = setting.sandbox.run(&["-c", "hayloft.conf", "config", "check"]).exits(4);
        output.complains(complaint).complains("hayloft.conf:2");
        let output = setting.run();
        assert!(matches!(output.code, Some(1 | 4)), "{section}: {output}");
        output.complains(complaint);
        assert!(setting.dumps().is_empty());
    }
}
