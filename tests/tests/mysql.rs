//! Dumps of a real `MariaDB` server by the whole program, restored and compared.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code fails by panicking")]

#[path = "mysql/setting.rs"]
mod setting;

#[path = "mysql/failures.rs"]
mod failures;
#[path = "mysql/interrupted.rs"]
mod interrupted;
#[path = "mysql/secrets.rs"]
mod secrets;

use std::{fs, os::unix::fs::PermissionsExt};

use hayloft_tests::mariadb::Mariadb;

use setting::{Setting, checksum, fill};

#[test]
fn a_configuration_of_cedar_backup_makes_its_files() {
    let server = Mariadb::start();
    fill(&server, "db1");
    fill(&server, "db2");
    for (compress, suffix) in [("none", ""), ("gzip", ".gz"), ("bzip2", ".bz2"), ("zstd", ".zst")] {
        let all = format!("<compress_mode>{compress}</compress_mode><all>Y</all>");
        let setting = Setting::new(&server, &all);
        setting.ok();
        assert_eq!(setting.dumps(), [format!("mysqldump.txt{suffix}")]);

        let two = format!(
            "<compress_mode>{compress}</compress_mode>\
             <database>db1</database><database>db2</database>"
        );
        let setting = Setting::new(&server, &two);
        setting.ok();
        let files = ["db1", "db2"].map(|it| format!("mysqldump-{it}.txt{suffix}"));
        assert_eq!(setting.dumps(), files);
        let mode = fs::metadata(setting.dump(&files[0])).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let want = checksum(&server, "db1");
        server.sql("DROP DATABASE db1");
        server.restore(&setting.decoded(&files[0]));
        assert_eq!(checksum(&server, "db1"), want);
    }
}

#[test]
fn everything_is_restored_into_another_server_from_one_file() {
    let server = Mariadb::start();
    fill(&server, "shop");
    server.sql(
        "CREATE USER clerk@localhost IDENTIFIED BY 'x'; GRANT SELECT ON shop.* TO clerk@localhost",
    );
    let setting = Setting::new(&server, "<compress_mode>zstd</compress_mode><all>Y</all>");
    setting.ok();
    let other = Mariadb::start();
    other.restore(&setting.decoded("mysqldump.txt.zst"));
    assert_eq!(checksum(&other, "shop"), checksum(&server, "shop"));
    assert_eq!(other.sql("SELECT user FROM mysql.user WHERE user = 'clerk'"), "clerk");
}

#[test]
fn a_dump_has_routines_events_triggers_and_views_in_it() {
    let server = Mariadb::start();
    fill(&server, "shop");
    server.sql(
        "USE shop; CREATE PROCEDURE p() SELECT 'from p'; CREATE EVENT e ON SCHEDULE EVERY 1 DAY \
         DO SELECT 1; CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = NEW.a + 1; \
         CREATE VIEW v AS SELECT count(*) FROM t",
    );
    let dumped = |elements: &str| {
        let elements =
            format!("<compress_mode>none</compress_mode><database>shop</database>{elements}");
        let setting = Setting::new(&server, &elements);
        setting.ok();
        String::from_utf8_lossy(&setting.decoded("mysqldump-shop.txt")).into_owned()
    };
    let has =
        |sql: &str| ["PROCEDURE `p`", "EVENT `e`", "tr BEFORE INSERT"].map(|it| sql.contains(it));
    let whole = dumped("");
    assert_eq!(has(&whole), [true; 3]);
    let without = "<routines>N</routines><events>N</events><triggers>N</triggers>";
    assert_eq!(has(&dumped(without)), [false; 3]);
    assert!(dumped("<option>--no-data</option>").len() < whole.len() / 10);
    assert!(dumped("<single_transaction>Y</single_transaction>").contains("CREATE TABLE `t`"));

    server.sql("DROP DATABASE shop");
    server.restore(whole.as_bytes());
    assert_eq!(server.sql("CALL shop.p()"), "from p");
    assert_eq!(server.sql("SELECT * FROM shop.v"), "2000");
}

#[test]
fn a_database_may_have_any_name() {
    let names = [
        "odd name",
        "--version",
        "a=b",
        "../x",
        "it's \"quoted\" \\ and %2F",
        "größe",
        "two\nlines",
        "-",
        "`tick`",
    ];
    let files = [
        "mysqldump-odd name.txt",
        "mysqldump---version.txt",
        "mysqldump-a=b.txt",
        "mysqldump-..%2Fx.txt",
        "mysqldump-it's \"quoted\" \\ and %252F.txt",
        "mysqldump-größe.txt",
        "mysqldump-two%0Alines.txt",
        "mysqldump--.txt",
        "mysqldump-`tick`.txt",
    ];
    let server = Mariadb::start();
    let databases = names.map(|it| format!("<database>{it}</database>")).concat();
    let section = format!("<compress_mode>none</compress_mode>{databases}");
    for (number, name) in names.iter().enumerate() {
        let quoted = name.replace('`', "``");
        server
            .sql(&format!("CREATE DATABASE `{quoted}`; CREATE TABLE `{quoted}`.t{number} (a INT)"));
    }
    let setting = Setting::new(&server, &section);
    setting.ok();
    for (number, file) in files.iter().enumerate() {
        let sql = String::from_utf8(setting.decoded(file)).unwrap();
        assert!(sql.contains(&format!("CREATE TABLE `t{number}`")), "{file}");
    }
    assert_eq!(setting.dumps().len(), files.len());

    // The same names, found by asking the server.
    let all = "<compress_mode>none</compress_mode><all>Y</all><exclude>mysql</exclude>";
    let setting = Setting::new(&server, all);
    setting.ok();
    let mut expected = files.map(ToOwned::to_owned);
    expected.sort();
    assert_eq!(setting.dumps(), expected);
}

#[test]
fn another_compression_replaces_the_earlier_file() {
    let server = Mariadb::start();
    fill(&server, "shop");
    let section = |compress: &str| {
        format!("<compress_mode>{compress}</compress_mode><database>shop</database>")
    };
    let setting = Setting::new(&server, &section("none"));
    setting.ok();
    for (compress, suffix) in [("gzip", ".gz"), ("zstd", ".zst"), ("none", "")] {
        setting.configure(&format!("{}{}", setting::address(&server), section(compress)), "");
        setting.ok();
        assert_eq!(setting.dumps(), [format!("mysqldump-shop.txt{suffix}")]);
    }
}

#[test]
fn a_dry_run_says_what_it_would_write_and_writes_nothing() {
    let server = Mariadb::start();
    server.sql("CREATE DATABASE shop");
    let elements =
        "<compress_mode>zstd</compress_mode><all>Y</all><file_per_database>Y</file_per_database>";
    let setting = Setting::new(&server, elements);
    let output = setting.sandbox.ok(&["-c", "hayloft.conf", "run", "--dry-run", "mysql"]);
    output.says("mysqldump-shop.txt.zst");
    assert!(setting.sandbox.names("collect").is_empty());
}

#[test]
fn an_exclusion_of_a_database_that_is_not_there_is_a_warning() {
    let server = Mariadb::start();
    let elements = "<compress_mode>none</compress_mode><all>Y</all><exclude>shopp</exclude>";
    let setting = Setting::new(&server, elements);
    let output = setting.run().exits(7);
    assert!(output.to_string().contains("there is no database `shopp` to leave out"), "{output}");
    assert_eq!(setting.dumps(), ["mysqldump-mysql.txt"]);
}
