//! What one run does.

use std::fs;

use hayloft_plugin_api::ErrorKind;

use crate::backup::Backup;

#[test]
fn everything_good_makes_the_directory_ready() {
    let backup = Backup::new("daily");
    backup.write("a", "1");
    let outcome = backup.collect().unwrap();
    assert!(backup.is_ready());
    assert_eq!(outcome.values["files"], "1");
    let name = backup.source().to_str().unwrap()[1..].replace('/', "-");
    assert_eq!(backup.collected(), [format!("{name}.tar")]);
}

#[test]
fn one_bad_item_does_not_keep_the_others_but_the_directory_is_not_ready() {
    let backup = Backup::new("daily");
    fs::write(backup.test.collect_dir().join("cback.collect"), "").unwrap();
    let scratch = backup.test.directory().to_owned();
    let none = scratch.join("none");
    fs::create_dir(scratch.join("good")).unwrap();
    let backup = backup.dir(&none).dir(&scratch.join("good"));
    fs::write(scratch.join("file"), "").unwrap();
    let backup = backup.dir(&scratch.join("file"));
    let error = backup.collect().unwrap_err().to_string();
    assert!(error.contains("2 of 4 items failed"), "{error}");
    assert!(error.contains(none.to_str().unwrap()), "{error}");
    assert!(error.contains("not a directory"), "{error}");
    assert!(!backup.is_ready(), "yesterday's mark is gone, too");
    assert_eq!(backup.collected().len(), 2);
}

#[test]
fn two_items_of_one_name_are_refused_before_anything_is_written() {
    let backup = Backup::new("daily");
    let scratch = backup.test.directory().to_owned();
    for name in ["x/y", "x-y"] {
        fs::create_dir_all(scratch.join(name)).unwrap();
    }
    let backup = backup.dir(&scratch.join("x/y")).dir(&scratch.join("x-y"));
    let error = backup.collect().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CONFIGURATION);
    assert!(error.message().contains("x/y and "), "{error}");
    assert!(error.message().contains("x-y would both"), "{error}");
    assert!(backup.names().is_empty());
}

#[test]
fn weekly_items_wait_for_the_week_to_begin() {
    let mut backup = Backup::new("weekly");
    backup.write("a", "1");
    backup.day();
    let only = backup.collected();
    assert_eq!(only.len(), 1);
    // Staged already, and not made today: it would be staged again and again.
    backup.collect().unwrap();
    assert_eq!(backup.collected(), [""; 0]);
    assert!(backup.is_ready());
    backup.full = true;
    backup.collect().unwrap();
    assert_eq!(backup.collected(), only);
}

#[test]
fn an_archive_that_nobody_staged_stays() {
    let mut backup = Backup::new("weekly");
    backup.write("a", "1");
    backup.collect().unwrap();
    backup.next_day();
    backup.collect().unwrap();
    assert_eq!(backup.collected().len(), 1);
}

#[test]
fn a_failed_dump_keeps_the_directory_from_being_ready() {
    let mut backup = Backup::new("daily");
    backup.failed = vec!["store".to_owned(), "purge".to_owned()];
    backup.collect().unwrap();
    assert!(backup.is_ready());
    backup.failed.push("postgresql".to_owned());
    let outcome = backup.collect().unwrap();
    assert!(!backup.is_ready());
    assert!(outcome.warnings[0].contains("because postgresql failed"), "{outcome:?}");
}

#[test]
fn directories_may_have_archives_of_their_own() {
    for (level, expected) in [
        ("0", vec![""]),
        ("1", vec!["", "-alice", "-bob"]),
        ("2", vec!["", "-alice", "-alice-deep", "-bob"]),
        ("-1", vec!["", "-alice", "-alice-deep", "-alice-deep-er", "-bob"]),
    ] {
        let backup = Backup::new("daily").set("dir.recursion_level", level);
        for name in ["alice/deep/er/x", "bob/x", "left/.ignore", "left/sub/x", "top"] {
            backup.write(name, name);
        }
        backup.collect().unwrap();
        let names = backup.collected();
        let source = &names.iter().map(|it| it.trim_end_matches(".tar")).min_by_key(|it| it.len());
        let mut short: Vec<_> = names
            .iter()
            .map(|it| it.trim_end_matches(".tar").strip_prefix(source.unwrap()).unwrap())
            .collect();
        short.sort_unstable();
        assert_eq!(short, expected, "level {level}");
        backup.stage();
        let restored = backup.restore(0, &[]).unwrap();
        let contents: Vec<_> =
            crate::backup::contents(&restored).into_iter().map(|it| it.0).collect();
        assert_eq!(contents, ["alice/deep/er/x", "bob/x", "top"], "level {level}");
    }
}

#[test]
fn a_dry_run_changes_nothing() {
    let backup = Backup::new("incr");
    backup.write("a", "1");
    let before = backup.test.files();
    let mut request = backup.request();
    request.dry_run = true;
    let outcome = backup.collect_with(&request).unwrap();
    assert_eq!(outcome.summary, "would make 1 archives");
    assert_eq!(backup.test.files(), before);
}

#[test]
fn an_interrupted_run_leaves_nothing_half_made() {
    let backup = Backup::new("incr");
    backup.write("a", "1");
    backup.test.cancel();
    assert_eq!(backup.collect().unwrap_err().kind(), ErrorKind::CANCELLED);
    assert!(backup.names().is_empty());
    let work = backup.test.directory().join("work");
    assert_eq!(fs::read_dir(work).unwrap().count(), 0);
}

#[test]
fn patterns_and_paths_leave_things_out() {
    let backup = Backup::new("daily")
        .set("dir.exclude", "")
        .set("dir.exclude.rel_path", "skipped/")
        .set("dir.exclude.pattern", ".*\\.bak");
    for name in ["a.bak", "b", "skipped/c"] {
        backup.write(name, "");
    }
    assert_eq!(backup.collect().unwrap().values["files"], "1");
}
