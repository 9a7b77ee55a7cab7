//! With servers that run.

use std::{fs, os::unix::fs::MetadataExt, thread::sleep, time::Duration};

use hayloft_tests::{
    Sandbox,
    postgres::{Postgres, installed_versions},
};

use super::setting::pg;

/// Waits until a query has this answer.
fn becomes(server: &Postgres, sql: &str, wanted: &str) {
    for _ in 0..200 {
        if server.sql("postgres", sql) == wanted {
            return;
        }
        sleep(Duration::from_millis(50));
    }
    assert_eq!(server.sql("postgres", sql), wanted, "{sql}");
}

#[test]
fn what_is_set_counts_after_a_reload() {
    let server = Postgres::start();
    let data = server.data_dir();
    let data = data.to_str().unwrap();
    let before = fs::metadata(server.data_dir().join("postgresql.conf")).unwrap();
    let sandbox = Sandbox::new();
    let output =
        pg(&sandbox, &["conf", "set", "-D", data, "work_mem=17MB", "log_line_prefix=it's \\n"]);
    output.exits(0).says("work_mem: uncommented").says("counts after a reload");
    let after = fs::metadata(server.data_dir().join("postgresql.conf")).unwrap();
    assert_eq!(
        (before.uid(), before.gid(), before.mode()),
        (after.uid(), after.gid(), after.mode())
    );
    server.sql("postgres", "SELECT pg_reload_conf()");
    becomes(&server, "SHOW work_mem", "17MB");
    becomes(&server, "SHOW log_line_prefix", "it's \\n");
    assert_eq!(
        server.sql("postgres", "SELECT count(*) FROM pg_file_settings WHERE error IS NOT NULL"),
        "0"
    );
    // The scratch server's own settings are in postgresql.auto.conf.
    let output = pg(&sandbox, &["conf", "set", "-D", data, "max_connections=50"]).exits(7);
    output.says("warning: max_connections stays '40'").says("postgresql.auto.conf");
    server.sql("postgres", "ALTER SYSTEM RESET max_connections");
    pg(&sandbox, &["conf", "set", "-D", data, "max_connections=51"])
        .exits(0)
        .says("counts after a restart of the server");
    server.sql("postgres", "SELECT pg_reload_conf()");
    let pending = "SELECT pending_restart FROM pg_settings WHERE name = 'max_connections'";
    becomes(&server, pending, "t");
}

fn configured(server: &Postgres) -> Sandbox {
    let sandbox = Sandbox::new();
    let conninfo = format!(
        "host={} port={} user=postgres dbname=postgres",
        server.socket_dir().display(),
        server.port()
    );
    sandbox.write(
        "hayloft.xml",
        &format!(
            "<cb_config>\n<postgres_servers>\n<server>\n<name>main</name>\n\
             <conninfo>{conninfo}</conninfo>\n</server>\n</postgres_servers>\n</cb_config>\n"
        ),
    );
    sandbox
}

#[test]
fn a_configured_server_tells_where_its_files_are() {
    let server = Postgres::start();
    let sandbox = configured(&server);
    let run =
        |arguments: &[&str]| sandbox.run(&[&["--config", "hayloft.xml", "pg"], arguments].concat());
    assert_eq!(
        run(&["conf", "get", "--server", "main", "max_connections"]).exits(0).stdout,
        "40\n"
    );
    run(&["conf", "check"]).exits(0).says("no mistake");
    run(&["conf", "diff", "--server", "main"]).exits(0);
    run(&["conf", "set", "--server", "main", "work_mem=19MB", "jit=off"]).exits(0);
    let output = run(&["conf", "diff", "--server", "main"]).exits(1);
    output.says("-work_mem = '19MB'").says("+work_mem = '4096'").says("-jit = 'off'");
    server.sql("postgres", "SELECT pg_reload_conf()");
    becomes(&server, "SHOW work_mem", "19MB");
    run(&["conf", "diff", "--server", "main"]).exits(0);
    run(&["hba", "list", "--server", "main"]).exits(0).says("trust");
    run(&["conf", "set", "--server", "main", "time_zone_nonsense=1"]).exits(1);
    // Only the server knows the names of time zones.
    run(&["conf", "set", "--server", "main", "log_timezone=Nowhere/Land"]).exits(7);
    run(&["conf", "get", "--server", "other", "port"]).exits(1).complains("there are: main");
    drop(server);
    let output = run(&["conf", "get", "--server", "main", "port"]).exits(1);
    output.complains("cannot ask server main for its files").complains("--data-directory");
}

#[test]
fn the_servers_own_program_reads_the_file_first() {
    let server = Postgres::start();
    let (data, postgres) = (server.data_dir(), server.program("postgres"));
    let sandbox = Sandbox::new();
    let set = |setting: &str| {
        let (data, postgres) = (data.to_str().unwrap(), postgres.to_str().unwrap());
        pg(&sandbox, &["conf", "set", "-D", data, "--postgres", postgres, setting])
    };
    let before = fs::read(data.join("postgresql.conf")).unwrap();
    set("datestyle=nonsense").exits(4).complains("postgres refuses the file");
    assert_eq!(fs::read(data.join("postgresql.conf")).unwrap(), before);
    set("datestyle=iso, ymd").exits(0);
    server.sql("postgres", "SELECT pg_reload_conf()");
    becomes(&server, "SHOW datestyle", "ISO, YMD");
}

#[test]
fn rules_count_after_a_reload_and_decide_as_told() {
    let server = Postgres::start();
    let data = server.data_dir();
    let data = data.to_str().unwrap();
    server.sql("postgres", "CREATE ROLE ann LOGIN; CREATE ROLE bob LOGIN");
    let sandbox = Sandbox::new();
    let added =
        pg(&sandbox, &["hba", "insert", "-D", data, "--index", "0", "local all bob reject"]);
    added.exits(0).says("inserted: rule 0");
    pg(&sandbox, &["hba", "effective", "-D", data, "bob", "postgres"]).exits(1);
    pg(&sandbox, &["hba", "effective", "-D", data, "ann", "postgres"]).exits(0).says("trust");
    server.sql("postgres", "SELECT pg_reload_conf()");
    let loaded =
        "SELECT count(*) FROM pg_hba_file_rules WHERE user_name = '{bob}' AND error IS NULL";
    assert_eq!(server.sql("postgres", loaded), "1");
    let connects = |user: &str| {
        let mut command = server.command("psql");
        command.args(["-XAtqc", "SELECT 1", "-U", user, "postgres"]);
        command.output().unwrap().status.success()
    };
    for _ in 0..200 {
        if !connects("bob") {
            break;
        }
        sleep(Duration::from_millis(50));
    }
    assert!(!connects("bob") && connects("ann"));
    pg(&sandbox, &["hba", "remove", "-D", data, "local", "all", "bob"]).exits(0);
}

#[test]
fn every_version_has_its_own_names_and_rules() {
    let names = [
        "work_mem",
        "vacuum_cleanup_index_scale_factor",
        "archive_library",
        "reserved_connections",
        "summarize_wal",
        "io_method",
        "old_snapshot_threshold",
        "db_user_namespace",
        "idle_replication_slot_timeout",
    ];
    for programs in installed_versions() {
        let server = Postgres::options().programs(&programs).start();
        let (data, sandbox) = (server.data_dir(), Sandbox::new());
        let data = data.to_str().unwrap();
        let json = pg(&sandbox, &["conf", "check", "-D", data, "--json"]).exits(0).json();
        assert_eq!(json["version"], server.major().to_string());
        pg(&sandbox, &["hba", "check", "-D", data]).exits(7).says("0 mistakes");
        pg(&sandbox, &["ident", "check", "-D", data]).exits(0);
        for name in names {
            let sql = format!(
                "SELECT reset_val FROM pg_settings WHERE name = '{name}' AND reset_val IS NOT NULL"
            );
            let value = server.sql("postgres", &sql);
            let known = server.sql(
                "postgres",
                &format!("SELECT count(*) FROM pg_settings WHERE name = '{name}'"),
            );
            let setting = format!("{name}={value}");
            let output = pg(&sandbox, &["conf", "set", "-D", data, "--dry-run", &setting]);
            let code = i32::from(known == "0");
            assert_eq!(output.code, Some(code), "{name} in {}: {output}", server.major());
        }
        let included = ["hba", "add", "-D", data, "--dry-run", "local /^a all peer"];
        let output = pg(&sandbox, &included);
        assert_eq!(output.code, Some(7), "{output}");
        let is_pattern = !output.stdout.contains("is a pattern from version 16 on only");
        assert_eq!(is_pattern, server.major() >= 16, "{output}");
    }
}

#[test]
fn an_edit_keeps_the_old_file_and_is_read_by_the_server() {
    for programs in installed_versions() {
        let server = Postgres::options().programs(&programs).start();
        let data = server.data_dir();
        let data = data.to_str().unwrap();
        let sandbox = Sandbox::new();
        let conf = server.data_dir().join("postgresql.conf");
        let before = fs::read(&conf).unwrap();
        let both = ["--backup", "--reload"];
        let set = |more: &[&str]| {
            pg(
                &sandbox,
                &[&["conf", "set", "-D", data, "--now", "2026-11-30T12:00:00"], more].concat(),
            )
        };
        let output = set(&[&both[..], &["work_mem=19MB"]].concat()).exits(0);
        output.says("applied: work_mem = 19MB").says("reloaded, as the server");
        assert!(!output.stdout.contains("next: "), "{output}");
        assert_eq!(server.sql("postgres", "SHOW work_mem"), "19MB");
        let kept = server.data_dir().join("postgresql.conf.20261130T120000.bak");
        assert_eq!(fs::read(&kept).unwrap(), before);
        let (old, new) = (fs::metadata(&kept).unwrap(), fs::metadata(&conf).unwrap());
        assert_eq!((old.uid(), old.gid(), old.mode()), (new.uid(), new.gid(), new.mode()));
        // Nothing to change: nothing to keep.
        set(&[&both[..], &["work_mem=19MB"]].concat()).exits(0).says("nothing to change");
        let copies = || {
            let names = fs::read_dir(data).unwrap().map(|it| it.unwrap().file_name());
            names.filter(|it| it.to_string_lossy().ends_with(".bak")).count()
        };
        assert_eq!(copies(), 1);
        set(&[&both[..], &["--dry-run", "work_mem=20MB"]].concat()).exits(0);
        assert_eq!(copies(), 1);
        for (group, record) in [
            ("hba", &["host", "all", "ann", "10.0.0.0/8", "scram-sha-256"][..]),
            ("ident", &["staff", "ann", "app"]),
        ] {
            let head = [group, "add", "-D", data, "--backup", "--reload"];
            let output = pg(&sandbox, &[&head[..], record].concat());
            output.exits(0).says("kept: ").says("reloaded, as the server");
        }
        assert_eq!(copies(), 3);
        let rules = "SELECT count(*) FROM pg_hba_file_rules WHERE user_name = '{ann}'";
        assert_eq!(server.sql("postgres", rules), "1");
        // What needs a restart is said; the copy before stays as it is.
        let json = set(&[&both[..], &["--json", "max_worker_processes=9"]].concat());
        let json = json.exits(7).json();
        assert_eq!(json["reload"]["pending_restart"][0], "max_worker_processes", "{json}");
        assert!(json["backup"].as_str().unwrap().ends_with("120000-1.bak"), "{json}");
    }
}

#[test]
fn a_reload_needs_a_server_that_is_known_and_runs() {
    let mut server = Postgres::start();
    let sandbox = Sandbox::new();
    let conf = sandbox.write("postgresql.conf", "work_mem = 4MB\n");
    let file = conf.to_str().unwrap();
    let arguments = ["conf", "set", "--file", file, "--server-version", "15", "--reload"];
    let output = pg(&sandbox, &[&arguments[..], &["work_mem=8MB"]].concat()).exits(2);
    output.complains("--reload needs the data directory");
    assert_eq!(fs::read_to_string(&conf).unwrap(), "work_mem = 4MB\n");
    server.stop();
    let data = server.data_dir();
    let output =
        pg(&sandbox, &["conf", "set", "-D", data.to_str().unwrap(), "--reload", "work_mem=8MB"]);
    output.exits(0).says("not reloaded: the server does not run");
}
