//! What should happen, happens: on every version, with tablespaces, restored.

use std::{fs, os::unix::fs::PermissionsExt};

use hayloft_tests::postgres::installed_versions;
use serde_json::Value;

use super::setting::{Archive, Setting, archiving, copy, restore, sessions, within};

#[test]
fn a_copy_between_begin_and_end_is_a_backup_on_every_version() {
    for programs in installed_versions() {
        let archive = Archive::new();
        let fetch = format!("cp {}/%f %p", archive.path().display());
        let options = archiving(&archive).programs(&programs).setting("restore_command", &fetch);
        let mut setting = Setting::new(options.start());
        let server = &setting.server;
        server.sql("postgres", "CREATE TABLE t AS SELECT generate_series(1, 1000) AS a");
        let output = setting.sandbox.dir("label");

        let begun = setting
            .snapshot(&["begin", "main", "--json", "--output", output.to_str().unwrap()])
            .exits(0)
            .json();
        assert_eq!(begun["phase"], "running");
        assert_eq!(sessions(server), "1");
        server.sql("postgres", "INSERT INTO t SELECT generate_series(1001, 2000)");
        let taken = setting.sandbox.path("copy");
        copy(server, &taken);
        server.sql("postgres", "INSERT INTO t SELECT generate_series(2001, 3000)");
        let ended = setting.snapshot(&["end", "main", "--json"]).exits(0).json();

        assert_eq!(ended["phase"], "complete", "{ended}");
        assert_eq!(ended["start_lsn"], begun["start_lsn"]);
        assert_eq!(ended["archive"]["state"], "archived");
        let label = fs::read_to_string(setting.file(&ended["label_file"])).unwrap();
        assert_eq!(setting.file(&ended["label_file"]), output.join("backup_label"));
        let first = format!(
            "START WAL LOCATION: {} (file {})\n",
            ended["start_lsn"].as_str().unwrap(),
            ended["start_wal"].as_str().unwrap()
        );
        assert!(label.starts_with(&first), "{label}");
        assert!(ended["map_file"].is_null());
        for wal in ["start_wal", "stop_wal"] {
            assert!(archive.path().join(ended[wal].as_str().unwrap()).exists(), "{ended}");
        }
        assert!(within(|| sessions(server) == "0"), "the session is closed");

        setting.server.stop();
        restore(&mut setting.server, &taken, &output, archive.path());
        assert!(within(|| setting.server.sql("postgres", "SELECT pg_is_in_recovery()") == "f"));
        assert_eq!(setting.server.sql("postgres", "SELECT count(*) FROM t"), "3000");
        assert!(setting.server.data_dir().join("backup_label.old").exists(), "it was read");
    }
}

#[test]
fn tablespaces_come_as_a_map() {
    let archive = Archive::new();
    let setting = Setting::new(archiving(&archive).start());
    let space = setting.server.directory().join("my space");
    fs::create_dir(&space).unwrap();
    let data = setting.server.data_dir();
    let owned =
        std::process::Command::new("chown").arg("--reference").arg(data).arg(&space).status();
    assert!(owned.unwrap().success());
    let place = space.display();
    setting.server.sql("postgres", &format!("CREATE TABLESPACE s LOCATION '{place}'"));
    let oid = setting.server.sql("postgres", "SELECT oid FROM pg_tablespace WHERE spcname = 's'");
    setting.begin();
    let ended = setting.snapshot(&["end", "main", "--json"]).exits(0).json();
    let map = setting.file(&ended["map_file"]);
    assert_eq!(fs::read_to_string(&map).unwrap(), format!("{oid} {place}\n"));
    assert_eq!(map.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    setting.server.sql("postgres", "DROP TABLESPACE s");
    setting.begin();
    assert!(!map.exists(), "what the last backup left is taken away when the next one begins");
    let ended = setting.snapshot(&["end", "main", "--json"]).exits(0).json();
    assert!(ended["map_file"].is_null() && !map.exists());
}

#[test]
fn what_is_asked_for_is_shown_to_people_too() {
    let archive = Archive::new();
    let setting = Setting::new(archiving(&archive).start());
    setting.snapshot(&["status", "main"]).exits(0).says("no snapshot session is known");
    let label = "it's a \\ label — größe";
    setting.snapshot(&["begin", "main", "--label", label, "--spread"]).exits(0).says("running");
    let setting_status = setting.snapshot(&["status", "main"]).exits(0);
    setting_status.says("state       running").says("start       0/");
    setting.snapshot(&["end", "main", "--wait", "30s"]).exits(0).says("complete").says("archived");
    let text = fs::read_to_string(setting.place().join("backup_label")).unwrap();
    assert!(text.contains(&format!("LABEL: {label}\n")), "{text}");
    setting.snapshot(&["status", "main"]).exits(0).says("state       complete");
}

#[test]
fn a_backup_that_is_given_up_is_none() {
    let archive = Archive::new();
    let setting = Setting::new(archiving(&archive).start());
    setting.snapshot(&["abort", "main"]).exits(0).says("no snapshot session");
    setting.begin();
    setting.snapshot(&["abort", "main"]).exits(0).says("aborted");
    assert!(within(|| sessions(&setting.server) == "0"));
    setting.snapshot(&["end", "main"]).exits(1).complains("the backup was given up");
    assert!(!setting.place().join("backup_label").exists());
    setting.snapshot(&["status", "main"]).exits(1).says("aborted");
}

#[test]
fn bad_input_is_refused_before_anything_is_done() {
    let archive = Archive::new();
    let setting = Setting::new(archiving(&archive).start());
    let data = setting.server.data_dir();
    let cases: [(&[&str], &str); 7] = [
        (&["begin", "main", "--label", "a\nSTART TIMELINE: 9"], "control characters"),
        (&["begin", "main", "--label", ""], "the label of the backup cannot be used"),
        (&["begin", "main", "--deadline", "soon"], "--deadline"),
        (&["begin", "main", "--output", "/nonexistent/x"], "cannot use /nonexistent/x"),
        (&["begin", "main", "--output", data.to_str().unwrap()], "of a running server"),
        (&["begin", "other"], "no server `other`"),
        (&["end", "main"], "no snapshot session is running"),
    ];
    for (arguments, text) in cases {
        setting.snapshot(arguments).exits(1).complains(text);
    }
    assert_eq!(setting.status(), Value::Null);
    assert_eq!(sessions(&setting.server), "0");
}
