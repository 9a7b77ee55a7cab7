//! What increments build on.

use std::fs;

use crate::backup::{Backup, contents};

fn stored(outcome: &hayloft_plugin_api::Outcome) -> (&str, &str) {
    (&outcome.values["files"], &outcome.values["unchanged"])
}

#[test]
fn only_what_has_changed_is_stored_and_every_day_comes_back() {
    let mut backup = Backup::new("incr");
    for name in ["same", "changed", "deleted", "d/x"] {
        backup.write(name, name);
    }
    Backup::settle();
    assert_eq!(stored(&backup.day()), ("4", "0"));
    backup.write("changed", "otherwise");
    fs::remove_file(backup.source().join("deleted")).unwrap();
    assert_eq!(stored(&backup.day()), ("1", "2"));
    fs::rename(backup.source().join("d"), backup.source().join("e")).unwrap();
    Backup::settle();
    assert_eq!(stored(&backup.day()), ("2", "1"));

    let names = |day| -> Vec<_> {
        let restored = backup.restore(day, &[]).unwrap();
        contents(&restored).into_iter().map(|(name, text)| format!("{name}={text}")).collect()
    };
    assert_eq!(names(0), ["changed=changed", "d/x=d/x", "deleted=deleted", "same=same"]);
    assert_eq!(names(1), ["changed=otherwise", "d/x=d/x", "same=same"]);
    assert_eq!(names(2), ["changed=otherwise", "e/x=d/x", "same=same"]);
}

#[test]
fn what_was_never_staged_is_collected_again() {
    let mut backup = Backup::new("incr");
    backup.write("a", "1");
    Backup::settle();
    backup.day();
    backup.write("b", "2");
    Backup::settle();
    backup.collect().unwrap();
    backup.next_day();
    backup.write("c", "3");
    Backup::settle();
    // `b` is in an archive that is about to be replaced.
    assert_eq!(stored(&backup.day()), ("2", "1"));
    let restored = backup.restore(2, &[]).unwrap();
    assert_eq!(contents(&restored).len(), 3);
}

#[test]
fn a_second_run_of_the_day_does_not_build_on_the_first() {
    let mut backup = Backup::new("incr");
    backup.write("a", "1");
    Backup::settle();
    backup.collect().unwrap();
    backup.stage();
    backup.write("b", "2");
    // Staged in the place of the first one, so it must have everything.
    assert_eq!(stored(&backup.collect().unwrap()), ("2", "0"));
    backup.stage();
    assert_eq!(contents(&backup.restore(0, &[]).unwrap()).len(), 2);
    // Even if the first one was taken away meanwhile.
    for name in backup.names() {
        fs::remove_file(backup.test.collect_dir().join(name)).unwrap();
    }
    assert_eq!(stored(&backup.collect().unwrap()), ("2", "0"));
    backup.next_day();
}

#[test]
fn an_archive_that_is_still_right_stays() {
    let backup = Backup::new("incr");
    backup.write("a", "1");
    Backup::settle();
    backup.collect().unwrap();
    let path = backup.test.collect_dir().join(&backup.collected()[0]);
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    let outcome = backup.collect().unwrap();
    assert_eq!(outcome.values["kept"], "1");
    assert!(backup.is_ready());
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
    // But not if it is another one.
    fs::write(&path, "not an archive").unwrap();
    assert_eq!(backup.collect().unwrap().values["kept"], "0");
}

#[test]
fn the_week_begins_with_everything() {
    let mut backup = Backup::new("incr");
    backup.write("a", "1");
    Backup::settle();
    for day in 0..9 {
        let expected = if day % 7 == 0 { ("1", "0") } else { ("0", "1") };
        assert_eq!(stored(&backup.day()), expected, "day {day}");
    }
    backup.full = true;
    assert_eq!(stored(&backup.day()), ("1", "0"));
}

#[test]
fn damaged_state_means_everything_and_a_warning() {
    let mut backup = Backup::new("incr");
    backup.write("a", "1");
    Backup::settle();
    backup.day();
    backup.day();
    let work = backup.test.directory().join("work");
    for file in fs::read_dir(&work).unwrap() {
        let path = file.unwrap().path();
        let mut data = fs::read(&path).unwrap();
        let middle = data.len() / 2;
        data[middle] ^= 1;
        fs::write(path, data).unwrap();
    }
    let outcome = backup.collect().unwrap();
    assert_eq!(stored(&outcome), ("1", "0"));
    assert!(outcome.warnings[0].contains(".state"), "{outcome:?}");
}

#[test]
fn cedar_backups_digests_are_used_once() {
    let mut backup = Backup::new("incr");
    backup.next_day();
    let same = backup.write("same", "abc");
    let other = backup.write("other", "xyz");
    let sha1 = "a9993e364706816aba3e25717850c26c9cd0d89d";
    let digests = format!(
        "(dp0\nV{}\np1\nV{sha1}\np2\nsV{}\np3\nV{sha1}\np4\ns.",
        same.display(),
        other.display()
    );
    let name = backup.source().to_str().unwrap()[1..].replace('/', "-");
    fs::write(backup.test.directory().join(format!("work/{name}.sha")), digests).unwrap();
    Backup::settle();
    assert_eq!(stored(&backup.day()), ("1", "1"));
    assert_eq!(stored(&backup.day()), ("0", "2"));
}
