//! Archives that Cedar Backup made.

use std::{fs, path::Path, process::Command};

use crate::backup::{Backup, contents};

/// Makes an archive as Cedar Backup does: GNU format, only files.
fn cedar_archive(backup: &Backup, names: &[&str]) {
    let staged = backup.staged();
    fs::create_dir_all(&staged).unwrap();
    let source = backup.source();
    let name = source.to_str().unwrap()[1..].replace('/', "-");
    let relative = source.strip_prefix("/").unwrap();
    let status = Command::new("tar")
        .args(["--format=gnu", "-C", "/", "-cf"])
        .arg(staged.join(format!("{name}.tar")))
        .args(names.iter().map(|it| Path::new(relative).join(it)))
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn a_week_of_cedar_backup_comes_back_and_goes_on() {
    let mut backup = Backup::new("incr");
    backup.write("a", "0");
    backup.write(&format!("{}/b", "long".repeat(30)), "0");
    cedar_archive(&backup, &["a", &"long".repeat(30)]);
    backup.next_day();
    backup.write("a", "1");
    cedar_archive(&backup, &["a"]);
    backup.next_day();

    let restored = contents(&backup.restore(1, &[]).unwrap());
    assert_eq!(restored.len(), 2);
    assert_eq!(restored[0], ("a".to_owned(), "1".to_owned()));

    // From here on it is ours, on top of what is there.
    let a = backup.source().join("a");
    let sha1_of_1 = "356a192b7913b04c54574d18c28d46e6395428ab";
    let sha1_of_0 = "b6589fc6ab0dc82cf12099d1c2d40ab994e8410c";
    let b = backup.source().join("long".repeat(30)).join("b");
    let digests = format!(
        "(dp0\nV{}\np1\nV{sha1_of_1}\np2\nsV{}\np3\nV{sha1_of_0}\np4\ns.",
        a.display(),
        b.display()
    );
    let name = backup.source().to_str().unwrap()[1..].replace('/', "-");
    fs::write(backup.test.directory().join(format!("work/{name}.sha")), digests).unwrap();
    Backup::settle();
    let outcome = backup.day();
    assert_eq!(outcome.values["unchanged"], "2");
    fs::remove_file(a).unwrap();
    backup.write("c", "3");
    backup.day();
    assert_eq!(contents(&backup.restore(2, &[]).unwrap()).len(), 2);
    let last = contents(&backup.restore(3, &[]).unwrap());
    assert_eq!(last.len(), 2);
    assert_eq!(last[0].0, "c");
}

#[test]
fn daily_archives_of_cedar_backup_stand_alone() {
    let mut backup = Backup::new("daily");
    backup.write("a", "0");
    cedar_archive(&backup, &["a"]);
    backup.next_day();
    fs::remove_file(backup.source().join("a")).unwrap();
    backup.write("b", "1");
    cedar_archive(&backup, &["b"]);
    backup.next_day();
    let restored = contents(&backup.restore(1, &[]).unwrap());
    assert_eq!(restored, [("b".to_owned(), "1".to_owned())]);
}
