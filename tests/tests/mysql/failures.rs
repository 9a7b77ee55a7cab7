//! What does not work is told with its remedy, and leaves nothing behind.

use std::{
    fs,
    process::Stdio,
    thread,
    time::{Duration, SystemTime},
};

use hayloft_tests::mariadb::Mariadb;

use crate::setting::{Setting, address, fill, until};

const PLAIN: &str = "<compress_mode>none</compress_mode>";

#[test]
fn a_database_that_fails_does_not_keep_the_others_from_being_dumped() {
    let server = Mariadb::start();
    fill(&server, "first");
    fill(&server, "last");
    for compress in ["none", "gzip", "zstd"] {
        let elements = format!(
            "<compress_mode>{compress}</compress_mode><database>first</database>\
             <database>nosuch</database><database>blank </database><database>last</database>"
        );
        let setting = Setting::new(&server, &elements);
        let output = setting.run().exits(1);
        output.complains("database `nosuch`").complains("Unknown database 'nosuch'");
        output.complains("database `blank `: its name ends with a blank");
        output.complains("check the <database> elements");
        let dumps = setting.dumps();
        assert_eq!(dumps.len(), 2, "{dumps:?}");
        assert!(dumps.iter().all(|it| it.contains("first") || it.contains("last")));
    }
}

#[test]
fn a_failed_dump_is_not_hidden_by_an_earlier_one_that_was_staged() {
    let server = Mariadb::start();
    let setting = Setting::new(&server, &format!("{PLAIN}<database>nosuch</database>"));
    let old = setting.dump("mysqldump-nosuch.txt");
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
    let cases = [
        ("exit 0", "the dump is empty"),
        ("echo 'CREATE TABLE t (a INT);'", "the dump has no end"),
        ("echo '-- Dump completed'; echo 'INSERT'", "the dump has no end"),
        ("echo half; echo 'mysqldump: lost it' >&2; exit 2", "mysqldump: lost it"),
        ("echo '-- Dump completed'; exit 2", "exit code 2"),
        ("echo half; kill -9 $$", "signal 9"),
    ];
    for (script, complaint) in cases {
        let elements = "<compress_mode>zstd</compress_mode><database>shop</database>";
        let setting = Setting::without_server(elements);
        setting.replace(elements, &format!("#!/bin/sh\n{script}\n"));
        setting.run().exits(1).complains(complaint);
        assert!(setting.dumps().is_empty());
    }
}

#[test]
fn a_server_that_cannot_be_reached_is_named_with_the_settings() {
    let mut server = Mariadb::start();
    server.stop();
    let sections = [
        format!("{}{PLAIN}<all>Y</all>", address(&server)),
        format!("{}{PLAIN}<database>x</database>", address(&server)),
        format!("{}{PLAIN}<all>Y</all><exclude>x</exclude>", address(&server)),
        format!("<user>u</user><host>127.0.0.1</host><port>1</port>{PLAIN}<all>Y</all>"),
    ];
    for section in sections {
        let setting = Setting::without_server(&section);
        let output = setting.run().exits(1);
        output.complains("tried 3 times").complains("2002").complains("<host>, <port>");
        assert!(setting.dumps().is_empty());
    }
}

#[test]
fn a_server_with_too_many_connections_is_waited_for() {
    let server = Mariadb::start();
    fill(&server, "shop");
    server.sql(
        "CREATE USER many@localhost; CREATE USER one@localhost; \
         GRANT SELECT, LOCK TABLES, RELOAD, EVENT, TRIGGER, SHOW VIEW ON *.* TO one@localhost",
    );
    let holders: Vec<_> = (0..10)
        .map(|_| {
            let mut command = server.client("mariadb", "many");
            command.args(["-e", "SELECT SLEEP(600)"]).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().unwrap()
        })
        .collect();
    let held = "SELECT id FROM information_schema.processlist WHERE info = 'SELECT SLEEP(600)'";
    until("all connections are taken", || server.sql(held).lines().count() == 10);
    // There is one more, for the superuser.
    server.sql("SET GLOBAL max_connections = 10");
    let place = format!("<user>one</user><socket>{}</socket>", server.socket().display());
    let setting = Setting::without_server(&format!("{place}{PLAIN}<database>shop</database>"));
    let output = thread::scope(|scope| {
        let run = scope.spawn(|| setting.run());
        thread::sleep(Duration::from_millis(1500));
        for id in server.sql(held).lines() {
            server.sql(&format!("KILL {id}"));
        }
        run.join().unwrap()
    });
    for mut holder in holders {
        holder.wait().unwrap();
    }
    assert_eq!(output.code, Some(0), "{output}");
    assert_eq!(setting.dumps(), ["mysqldump-shop.txt"]);
}

#[test]
fn a_user_that_may_not_is_told_what_it_needs() {
    let server = Mariadb::start();
    fill(&server, "shop");
    server.sql("CREATE EVENT shop.e ON SCHEDULE EVERY 1 DAY DO SELECT 1");
    server.sql("CREATE USER weak@localhost; GRANT SELECT ON shop.* TO weak@localhost");
    let place = format!("<user>weak</user><socket>{}</socket>", server.socket().display());
    let base = format!("{place}{PLAIN}<database>shop</database>");
    let setting = Setting::without_server(&base);
    setting.run().exits(1).complains("LOCK TABLES").complains("<single_transaction>");

    server.sql("GRANT LOCK TABLES ON shop.* TO weak@localhost");
    setting.run().exits(1).complains("RELOAD").complains("<flush_logs>N</flush_logs>");

    let base = format!("{base}<flush_logs>N</flush_logs>");
    setting.configure(&format!("{base}<events>Y</events>"), "");
    setting.run().exits(1).complains("show events").complains("GRANT EVENT");
    assert!(setting.dumps().is_empty());

    // Nobody asked for events: the dump is made, and what is missing is told.
    setting.configure(&base, "");
    let output = setting.run().exits(7);
    let text = "database `shop` was dumped without its events";
    assert!(output.to_string().contains(text), "{output}");
    assert_eq!(setting.dumps(), ["mysqldump-shop.txt"]);
    setting.configure(&format!("{base}<events>N</events>"), "");
    setting.ok();
}

#[test]
fn a_missing_program_is_named_with_what_to_install() {
    let setting = Setting::without_server("");
    let overrides = "<override><command>mysqldump</command>\
                     <abs_path>/nonexistent/mysqldump</abs_path></override>";
    setting.configure(&format!("{PLAIN}<all>Y</all>"), overrides);
    let output = setting.run().exits(1);
    output.complains("/nonexistent/mysqldump").complains("mariadb-client");
    assert!(setting.dumps().is_empty());
}

#[test]
fn the_name_of_mariadb_serves_where_that_of_mysql_is_not_there() {
    let server = Mariadb::start();
    fill(&server, "shop");
    let setting = Setting::new(&server, &format!("{PLAIN}<database>shop</database>"));
    let real = ["/usr/bin", "/usr/local/bin"].map(|it| format!("{it}/mariadb-dump"));
    let real = real.iter().find(|it| fs::exists(it).unwrap()).expect("mariadb-dump is installed");
    setting.sandbox.script("bin/mariadb-dump", &format!("#!/bin/sh\nexec {real} \"$@\"\n"));
    let mut setting = setting;
    let bin = setting.sandbox.path("bin");
    setting.sandbox.env("PATH", bin.to_str().unwrap());
    setting.ok();
    assert_eq!(setting.dumps(), ["mysqldump-shop.txt"]);
}

#[test]
fn a_wrong_section_is_refused_with_line_and_remedy_before_anything_is_done() {
    let all = "<compress_mode>none</compress_mode><all>Y</all>";
    let cases = [
        ("<all>Y</all>".to_owned(), "compress"),
        (PLAIN.to_owned(), "database"),
        (format!("{all}<database>x</database>"), "all"),
        (format!("{PLAIN}<all>maybe</all>"), "maybe"),
        (format!("{all}<port>99999</port>"), "99999"),
        (format!("{all}<socket>relative</socket>"), "relative"),
        (format!("{all}<parallel>0</parallel>"), "parallel"),
        (format!("{all}<password>x</password><password_file>/y</password_file>"), "password_file"),
        (format!("{all}<option>--result-file=/etc/passwd</option>"), "--result-file"),
    ];
    for (section, complaint) in cases {
        let setting = Setting::without_server(&section);
        let output = setting.sandbox.run(&["-c", "hayloft.conf", "config", "check"]).exits(4);
        output.complains(complaint).complains("hayloft.conf:2");
        let output = setting.run();
        assert!(matches!(output.code, Some(1 | 4)), "{section}: {output}");
        output.complains(complaint);
        assert!(setting.dumps().is_empty());
    }
}
