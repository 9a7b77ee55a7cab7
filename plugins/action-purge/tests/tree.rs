//! Purges of real directories.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{fs, os::unix::fs::symlink, path::Path};

use hayloft_action_purge::{
    age::{AgeRule, Instant},
    guard::Guard,
    report::Report,
    tree::{Policy, PurgeError, Run, purge},
};

const EVERYTHING: Policy = Policy { retain_days: 0, age: AgeRule::Modified, unstored: false };

fn run_with(root: &Path, policy: &Policy, guard: &Guard) -> Result<Report, PurgeError> {
    let now = Instant { seconds: 4_000_000_000, nanoseconds: 0 };
    purge(root, policy, Run { now, dry_run: false, guard, cancelled: &|| false })
}

fn run(root: &Path) -> Result<Report, PurgeError> {
    run_with(root, &EVERYTHING, &Guard::default())
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_whole_tree_goes_in_one_run_and_its_root_stays() {
    let dir = scratch();
    let deep = dir.path().join("a/b/c/d/e");
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("f"), "12345").unwrap();
    fs::create_dir(dir.path().join("empty")).unwrap();

    let report = run(dir.path()).unwrap();

    assert_eq!((report.files, report.directories, report.bytes), (1, 6, 5));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn links_are_removed_but_never_followed() {
    let (dir, outside) = (scratch(), scratch());
    fs::write(outside.path().join("precious"), "x").unwrap();
    symlink(outside.path(), dir.path().join("to-directory")).unwrap();
    symlink(outside.path().join("precious"), dir.path().join("to-file")).unwrap();
    symlink("nowhere", dir.path().join("dangling")).unwrap();

    let report = run(dir.path()).unwrap();

    assert_eq!((report.files, report.directories), (3, 0));
    assert!(outside.path().join("precious").exists());
}

#[test]
fn a_root_that_is_a_link_is_the_directory_it_leads_to() {
    let (dir, outside) = (scratch(), scratch());
    fs::write(outside.path().join("f"), "x").unwrap();
    symlink(outside.path(), dir.path().join("link")).unwrap();
    assert_eq!(run(&dir.path().join("link")).unwrap().files, 1);
}

#[test]
fn a_root_that_is_missing_or_a_file_or_the_root_of_all_is_an_error_that_names_it() {
    let dir = scratch();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    for path in [dir.path().join("none"), file.clone()] {
        let error = run(&path).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot purge {}", path.display()));
    }
    assert!(file.exists());
    symlink("/", dir.path().join("slash")).unwrap();
    for path in [Path::new("/"), &dir.path().join("slash")] {
        assert!(matches!(run(path), Err(PurgeError::Root { .. })), "{}", path.display());
    }
}

#[test]
fn a_day_above_the_purged_directory_protects_it() {
    let dir = scratch();
    let day = dir.path().join("2026/11/10");
    fs::create_dir_all(day.join("box")).unwrap();
    fs::write(day.join("cback.stage"), "").unwrap();
    fs::write(day.join("box/a.tar"), "12345678").unwrap();
    let guard = Guard {
        staging: Some(dir.path().to_owned()),
        required: vec!["cback.store".to_owned()],
        ..Guard::default()
    }
    .resolve();

    let report = run_with(&day.join("box"), &EVERYTHING, &guard).unwrap();
    assert_eq!(report.files, 0);
    assert!(report.kept[0].ends_with("1 of its files due: staged, but has no cback.store yet"));

    let told_so = Policy { unstored: true, ..EVERYTHING };
    let report = run_with(&day.join("box"), &told_so, &guard).unwrap();
    assert_eq!((report.files, report.kept.len()), (1, 0));
}

#[test]
fn a_file_with_another_name_elsewhere_frees_no_bytes() {
    let (dir, outside) = (scratch(), scratch());
    fs::write(dir.path().join("f"), "12345").unwrap();
    fs::hard_link(dir.path().join("f"), outside.path().join("g")).unwrap();
    let report = run(dir.path()).unwrap();
    assert_eq!((report.files, report.bytes), (1, 0));
}

#[test]
fn an_interruption_ends_it() {
    let dir = scratch();
    fs::write(dir.path().join("f"), "x").unwrap();
    let now = Instant { seconds: 4_000_000_000, nanoseconds: 0 };
    let guard = Guard::default();
    let run = Run { now, dry_run: false, guard: &guard, cancelled: &|| true };
    assert!(matches!(purge(dir.path(), &EVERYTHING, run), Err(PurgeError::Cancelled)));
    assert!(dir.path().join("f").exists());
}
