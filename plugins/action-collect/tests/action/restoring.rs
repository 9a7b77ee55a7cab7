//! The commands, over several days.

use std::{fs, path::Path};

use hayloft_action_collect::Restore;
use hayloft_plugin_api::ErrorKind;

use crate::backup::{Backup, arguments, contents};

fn three_days() -> Backup {
    let mut backup = Backup::new("incr");
    backup.write("same", "same");
    backup.write("changing", "0");
    Backup::settle();
    backup.day();
    backup.write("changing", "1");
    Backup::settle();
    backup.day();
    backup.write("new", "2");
    backup.day();
    backup
}

#[test]
fn days_and_files_are_listed() {
    let backup = three_days();
    let days = backup.list(&[], &["json"]).unwrap();
    let days: serde_json::Value = serde_json::from_str(&days).unwrap();
    let days = days.as_array().unwrap();
    // The collect directory's own files are of the day of this test.
    let staged: Vec<_> = days.iter().filter(|it| it["peer"] == "box").collect();
    assert_eq!(staged.len(), 3);
    assert_eq!(staged[0]["day"], "2026-11-16");
    assert_eq!(staged[0]["archives"], 1);
    let source = backup.source();
    let source = source.to_str().unwrap();
    let flags = [("path", source), ("day", "2026-11-17"), ("from", "staging")];
    let text = backup.list(&flags, &[]).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains("-rw-r--r--") && text.contains("changing"), "{text}");
    let path = format!("{source}/changing");
    let text = backup.list(&[("path", &path), ("peer", "box")], &["versions"]).unwrap();
    let lines: Vec<_> = text.lines().map(|it| it[..22].to_owned()).collect();
    let expected = ["FROM        TO        ", "2026-11-16  2026-11-16", "2026-11-17  2026-11-18"];
    assert_eq!(lines, expected);
}

#[test]
fn a_missing_archive_is_said_and_what_is_there_can_be_had() {
    let backup = three_days();
    let second = backup.test.directory().join("stage/2026/11/17");
    fs::remove_dir_all(second).unwrap();
    fs::remove_dir_all(backup.test.collect_dir()).unwrap();
    assert_eq!(contents(&backup.restore(0, &[]).unwrap()).len(), 2);
    let error = backup.restore(2, &[]).unwrap_err();
    assert!(error.message().contains("builds on an earlier archive"), "{error}");
    assert!(error.remedy().unwrap().contains("--allow-missing"));
    assert!(!backup.test.directory().join("restored2").exists());
    let restored = contents(&backup.restore(2, &["allow-missing"]).unwrap());
    assert_eq!(restored.len(), 3);
}

#[test]
fn a_damaged_archive_is_named_before_anything_is_written() {
    let backup = three_days();
    let name = backup.collected()[0].clone();
    let path = backup.test.directory().join("stage/2026/11/16/box").join(name);
    let data = fs::read(&path).unwrap();
    fs::write(&path, &data[..data.len() - 1200]).unwrap();
    let error = backup.restore(1, &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CORRUPT);
    assert!(error.message().contains(path.to_str().unwrap()), "{error}");
    assert!(!backup.test.directory().join("restored1").exists());
}

#[test]
fn files_go_back_to_their_place_only_over_what_may_be_replaced() {
    let backup = three_days();
    let path = backup.source().join("changing");
    let path = path.to_str().unwrap();
    let values = [("path", path), ("day", "2026-11-16"), ("peer", "box")];
    fs::write(path, "mine").unwrap();
    let error = backup.command::<Restore>(&arguments(&values, &["in-place"])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ALREADY_EXISTS);
    assert!(error.message().contains(path), "{error}");
    assert_eq!(fs::read_to_string(path).unwrap(), "mine");
    let flags = ["in-place", "overwrite"];
    assert_eq!(backup.command::<Restore>(&arguments(&values, &flags)).unwrap(), 0);
    assert_eq!(fs::read_to_string(path).unwrap(), "0");
    fs::remove_dir_all(backup.source()).unwrap();
    backup.command::<Restore>(&arguments(&values, &["in-place"])).unwrap();
    assert_eq!(fs::read_to_string(path).unwrap(), "0");
}

#[test]
fn a_dry_run_of_restore_writes_nothing() {
    let backup = three_days();
    backup.restore(1, &["dry-run"]).unwrap();
    let printed = backup.test.printed();
    assert!(printed.contains("/changing\n") && printed.contains("would write 2 files"));
    assert!(!backup.test.directory().join("restored1").exists());
}

#[test]
fn wrong_command_lines_say_what_is_right() {
    let backup = three_days();
    let to = ("to", "/nonexistent/x");
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[], "say what to restore"),
        (&[("path", "/x")], "say where to restore to"),
        (&[("path", "/x"), to, ("in-place", "")], "do not go together"),
        (&[("path", "/x"), to, ("day", "tomorrow"), ("peer", "box")], "`tomorrow` is no day"),
        (&[("path", "/x"), to, ("peer", "nobody")], "there is nothing of a machine"),
        (&[("path", "/x"), to, ("peer", "box")], "/x was not there on 2026-11-18"),
        (&[("path", "/x"), to, ("from", "nowhere")], "there is no place called nowhere"),
        (&[("dump", "x")], "--dump needs --to"),
        (&[("dump", "x"), to], "there is no file called x"),
    ];
    for (values, expected) in cases {
        let error = backup.command::<Restore>(&arguments(values, &[])).unwrap_err();
        assert!(error.message().contains(expected), "{values:?}: {error}");
    }
    assert!(!Path::new("/nonexistent").exists());
}

#[test]
fn a_dump_is_fetched_as_it_is() {
    let backup = three_days();
    let staged = backup.test.directory().join("stage/2026/11/17/box");
    fs::write(staged.join("postgresqldump-db.txt_00000"), "first, ").unwrap();
    fs::write(staged.join("postgresqldump-db.txt_00001"), "second").unwrap();
    let to = backup.test.directory().to_owned();
    let values = [("dump", "postgresqldump-db.txt"), ("to", to.to_str().unwrap())];
    backup.command::<Restore>(&arguments(&values, &[])).unwrap();
    let fetched = to.join("postgresqldump-db.txt");
    assert_eq!(fs::read_to_string(&fetched).unwrap(), "first, second");
    let error = backup.command::<Restore>(&arguments(&values, &[])).unwrap_err();
    assert_eq!(error.remedy(), Some("--overwrite replaces what is there"));
}
