//! Dumps of a real server by the whole program, restored and compared.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code fails by panicking")]

#[path = "postgresql/setting.rs"]
mod setting;

#[path = "postgresql/failures.rs"]
mod failures;
#[path = "postgresql/interrupted.rs"]
mod interrupted;
#[path = "postgresql/secrets.rs"]
mod secrets;

use std::{fs, os::unix::fs::PermissionsExt};

use hayloft_tests::postgres::Postgres;

use setting::{Setting, restore_plain, restore_with_pg_restore, succeed};

/// Names that programs and file systems take for something else.
const ODD_NAMES: [&str; 8] = [
    "odd name",
    "--version",
    "a=b",
    "dbname='x'",
    "postgresql://host/name",
    "../x",
    "it's \"quoted\" \\ and %2F",
    "globals",
];

#[test]
fn a_configuration_of_cedar_backup_makes_its_files() {
    let server = Postgres::start();
    server.pgbench("db1", 1);
    server.create_database("db2");
    let names = [("none", ""), ("gzip", ".gz"), ("bzip2", ".bz2")];
    for (compress, suffix) in names {
        let all = format!("<compress_mode>{compress}</compress_mode><all>Y</all>");
        let setting = Setting::new(&server, &all);
        setting.ok();
        assert_eq!(setting.dumps(), [format!("postgresqldump.txt{suffix}")]);

        let two = format!(
            "<compress_mode>{compress}</compress_mode>\
             <database>db1</database><database>db2</database>"
        );
        let setting = Setting::new(&server, &two);
        setting.ok();
        let files = ["db1", "db2"].map(|it| format!("postgresqldump-{it}.txt{suffix}"));
        assert_eq!(setting.dumps(), files);
        let mode = fs::metadata(setting.dump(&files[0])).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        restore_plain(&server, &setting.decoded(&files[0]), &format!("restored-{compress}"));
        let restored = server.checksum(&format!("restored-{compress}"), "pgbench_accounts");
        assert_eq!(restored, server.checksum("db1", "pgbench_accounts"));
    }
}

#[test]
fn a_database_may_have_any_name() {
    let server = Postgres::start();
    for (i, name) in ODD_NAMES.iter().enumerate() {
        server.create_database(name);
        server.sql(name, &format!("CREATE TABLE marker_{i} AS SELECT {i} AS i"));
    }
    let elements = ODD_NAMES.map(|it| format!("<database>{it}</database>")).concat();
    let setting = Setting::new(
        &server,
        &format!("<compress_mode>zstd</compress_mode><globals>Y</globals>{elements}"),
    );
    setting.ok();
    assert_eq!(setting.dumps().len(), ODD_NAMES.len() + 1, "{:?}", setting.dumps());
    for (i, name) in ODD_NAMES.iter().enumerate() {
        let marker = format!("marker_{i}");
        let with_marker: Vec<_> = setting
            .dumps()
            .into_iter()
            .filter(|file| String::from_utf8_lossy(&setting.decoded(file)).contains(&marker))
            .collect();
        assert_eq!(with_marker.len(), 1, "{name}: {with_marker:?}");
    }
}

#[test]
fn the_whole_cluster_is_restored_from_one_file() {
    let server = Postgres::start();
    server.pgbench("shop", 1);
    server.sql("postgres", "CREATE ROLE clerk LOGIN PASSWORD 'x'");
    let setting = Setting::new(&server, "<compress_mode>zstd</compress_mode><all>Y</all>");
    setting.ok();
    let other = Postgres::start();
    restore_plain(&other, &setting.decoded("postgresqldump.txt.zst"), "scratch");
    let checksum = |it: &Postgres| it.checksum("shop", "pgbench_accounts");
    assert_eq!(checksum(&other), checksum(&server));
    assert_eq!(other.sql("postgres", "SELECT 1 FROM pg_roles WHERE rolname = 'clerk'"), "1");
}

#[test]
fn other_formats_are_restored_by_pg_restore() {
    let server = Postgres::start();
    server.pgbench("shop", 1);
    server.create_database("left out");
    server.sql("postgres", "CREATE ROLE clerk LOGIN");
    let want = server.checksum("shop", "pgbench_accounts");
    let cases = [("custom", "none", "dump"), ("custom", "zstd", "dump.zst")];
    for (format, compress, extension) in cases {
        let setting = Setting::new(
            &server,
            &format!(
                "<format>{format}</format><compress_mode>{compress}</compress_mode>\
                 <all>Y</all><exclude>left out</exclude>"
            ),
        );
        setting.ok();
        let file = |name: &str| format!("postgresqldump-{name}.{extension}");
        let globals = format!("postgresqldump-globals.txt{}", &extension[4..]);
        assert_eq!(setting.dumps(), [globals.clone(), file("postgres"), file("shop")]);
        let roles = setting.decoded(&globals);
        assert!(String::from_utf8_lossy(&roles).contains("CREATE ROLE clerk"));
        let dump = setting.unpacked("shop.dump");
        fs::write(&dump, setting.decoded(&file("shop"))).unwrap();
        restore_with_pg_restore(&server, &dump, "restored");
        assert_eq!(server.checksum("restored", "pgbench_accounts"), want);
        server.sql("postgres", "DROP DATABASE restored");
    }
}

#[test]
fn the_directory_format_is_one_file_that_tar_unpacks() {
    let server = Postgres::start();
    server.pgbench("shop", 1);
    let want = server.checksum("shop", "pgbench_accounts");
    for (compress, suffix) in [("none", ""), ("zstd", ".zst")] {
        let setting = Setting::new(
            &server,
            &format!(
                "<format>directory</format><jobs>3</jobs><globals>N</globals>\
                 <compress_mode>{compress}</compress_mode><database>shop</database>"
            ),
        );
        setting.ok();
        let file = format!("postgresqldump-shop.dir.tar{suffix}");
        assert_eq!(setting.dumps(), [file.as_str()]);
        let tar = setting.unpacked("shop.tar");
        fs::write(&tar, setting.decoded(&file)).unwrap();
        let mut command = std::process::Command::new("tar");
        succeed(command.arg("-xf").arg(&tar).current_dir(tar.parent().unwrap()));
        let database = format!("from-{compress}");
        restore_with_pg_restore(&server, &setting.unpacked("postgresqldump-shop.dir"), &database);
        assert_eq!(server.checksum(&database, "pgbench_accounts"), want);
    }
}

#[test]
fn what_is_selected_alone_is_dumped() {
    let server = Postgres::start();
    server.pgbench("shop", 1);
    server.sql("shop", "CREATE SCHEMA audit; CREATE TABLE audit.log AS SELECT 'needle' AS a");
    let dumped = |elements: &str| {
        let elements =
            format!("<compress_mode>none</compress_mode><database>shop</database>{elements}");
        let setting = Setting::new(&server, &elements);
        setting.ok();
        String::from_utf8(setting.decoded("postgresqldump-shop.txt")).unwrap()
    };
    let log = "CREATE TABLE audit.log";
    assert!(!dumped("<exclude_schema>audit</exclude_schema>").contains(log));
    let only = dumped("<schema>audit</schema>");
    assert!(only.contains(log) && !only.contains("pgbench_accounts"));
    let without_rows = dumped("<exclude_table_data>audit.*</exclude_table_data>");
    assert!(without_rows.contains(log) && !without_rows.contains("needle"));
    assert!(!dumped("<option>--no-owner</option>").contains("OWNER TO"));
}

#[test]
fn a_dry_run_says_what_it_would_write_and_writes_nothing() {
    let server = Postgres::start();
    server.create_database("shop");
    let setting = Setting::new(
        &server,
        "<compress_mode>zstd</compress_mode><format>custom</format><all>Y</all>",
    );
    let output = setting.sandbox.ok(&["-c", "hayloft.conf", "run", "--dry-run", "postgresql"]);
    output.says("postgresqldump-shop.dump.zst");
    assert!(setting.sandbox.names("collect").is_empty());
}

#[test]
fn an_exclusion_of_a_database_that_is_not_there_is_a_warning() {
    let server = Postgres::start();
    let setting = Setting::new(
        &server,
        "<compress_mode>none</compress_mode><all>Y</all><exclude>shopp</exclude>",
    );
    let output = setting.run().exits(7);
    assert!(output.to_string().contains("there is no database `shopp` to leave out"), "{output}");
    assert_eq!(setting.dumps(), ["postgresqldump-globals.txt", "postgresqldump-postgres.txt"]);
}

#[test]
fn another_format_and_another_compression_replace_the_earlier_file() {
    let server = Postgres::start();
    server.create_database("shop");
    let section = |format: &str, compress: &str| {
        format!(
            "<format>{format}</format><globals>N</globals><database>shop</database>\
             <compress_mode>{compress}</compress_mode>"
        )
    };
    let setting = Setting::new(&server, &section("plain", "none"));
    setting.ok();
    let cases = [
        ("plain", "gzip", "txt.gz"),
        ("custom", "none", "dump"),
        ("directory", "zstd", "dir.tar.zst"),
        ("plain", "none", "txt"),
    ];
    for (format, compress, extension) in cases {
        let elements = format!("{}{}", setting::address(&server), section(format, compress));
        setting.configure(&elements, "");
        setting.ok();
        assert_eq!(setting.dumps(), [format!("postgresqldump-shop.{extension}")]);
    }
}
