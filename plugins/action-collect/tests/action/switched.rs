//! The first runs after Cedar Backup, with digests that it has really written.

use std::{collections::BTreeSet, ffi::OsStr, fs, os::unix::ffi::OsStrExt, path::PathBuf};

use crate::backup::Backup;

/// What Cedar Backup was given: the file of number `n` has the content
/// `content n`.
const NAMES: [&[u8]; 25] = [
    b"plain",
    "caf\u{e9}".as_bytes(),
    "\u{20ac}uro".as_bytes(),
    "😀 smile".as_bytes(),
    b"new\nline",
    b"back\\slash",
    b"u\\u0041",
    b"U\\U0001f600",
    b"tab\there",
    b"cr\rhere",
    b"sub\x1achar",
    b"lat\xe9.txt",
    b"\xff\xfe",
    b"mix \xc3\xa9\xe9",
    b"end ",
    b"quote'\"",
    b"esc\x1b[31m",
    b"\x7f",
    b"\xc2\x85nel",
    "\u{2028}ls".as_bytes(),
    b"V",
    b"p1",
    b"(dp0",
    b"\\udce9",
    b"\xed\xa0\x80",
];

/// Those that it left out: it takes no name with a backslash.
const LEFT_OUT: [usize; 4] = [5, 6, 7, 23];

fn write_all(backup: &Backup) {
    for (n, name) in NAMES.iter().enumerate() {
        let path = backup.source().join(OsStr::from_bytes(name));
        fs::write(path, format!("content {n}\n")).unwrap();
    }
    backup.write("sub/deep/same1", "same");
    backup.write("sub/deep/same2", "same");
    backup.write("empty", "");
}

fn digest_file(backup: &Backup) -> PathBuf {
    let name = backup.source().to_str().unwrap()[1..].replace('/', "-");
    backup.test.directory().join(format!("work/{name}.sha"))
}

/// Puts a digest file there as if it was written for our source.
fn leave_digests(backup: &Backup, data: &[u8]) {
    let from = b"/srv/cedar/odd";
    let mut moved = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.windows(from.len()).position(|it| it == from) {
        moved.extend_from_slice(&rest[..at]);
        moved.extend_from_slice(backup.source().as_os_str().as_bytes());
        rest = &rest[at + from.len()..];
    }
    moved.extend_from_slice(rest);
    fs::write(digest_file(backup), moved).unwrap();
}

/// Collects on a day that is not the week's first, and returns the regular
/// files in the archive.
fn collected(backup: &mut Backup) -> BTreeSet<Vec<u8>> {
    backup.next_day();
    Backup::settle();
    backup.collect().unwrap();
    let archive = backup.test.collect_dir().join(&backup.collected()[0]);
    let source = backup.source();
    let mut archive = tar::Archive::new(fs::File::open(archive).unwrap());
    let entries = archive.entries().unwrap().map(Result::unwrap);
    let files = entries.filter(|it| it.header().entry_type().is_file());
    let prefix = [&source.as_os_str().as_bytes()[1..], b"/"].concat();
    files.map(|it| it.path_bytes().strip_prefix(&*prefix).unwrap().to_vec()).collect()
}

#[test]
fn only_what_has_changed_since_cedar_backup_is_collected() {
    let mut backup = Backup::new("incr");
    write_all(&backup);
    leave_digests(&backup, include_bytes!("../fixtures/odd-names.sha"));
    fs::write(backup.source().join(OsStr::from_bytes(b"lat\xe9.txt")), "changed").unwrap();
    backup.write("a new one", "x");

    let mut expected: BTreeSet<Vec<u8>> = LEFT_OUT.map(|it| NAMES[it].to_vec()).into();
    expected.extend([b"lat\xe9.txt".to_vec(), b"a new one".to_vec()]);
    assert_eq!(collected(&mut backup), expected);

    // From here on our own state counts, whatever becomes of Cedar Backup's.
    backup.stage();
    fs::write(digest_file(&backup), "garbage").unwrap();
    backup.write("another", "y");
    assert_eq!(collected(&mut backup), BTreeSet::from([b"another".to_vec()]));
}

#[test]
fn on_the_first_day_of_the_week_everything_is_collected() {
    let backup = Backup::new("incr");
    write_all(&backup);
    leave_digests(&backup, include_bytes!("../fixtures/odd-names.sha"));
    let outcome = backup.collect().unwrap();
    assert_eq!(outcome.values["unchanged"], "0");
}

#[test]
fn digests_that_are_programs_or_damaged_lead_to_a_full_backup_and_a_warning() {
    let real = include_bytes!("../fixtures/odd-names.sha").as_slice();
    for kind in ["program", "cut", "newer", "empty", "fifo"] {
        let mut backup = Backup::new("incr");
        write_all(&backup);
        let mark = backup.test.directory().join("executed");
        let program = format!("cos\nsystem\n(V/bin/touch {}\ntR.", mark.display());
        let path = digest_file(&backup);
        match kind {
            "program" => fs::write(&path, program).unwrap(),
            "cut" => leave_digests(&backup, &real[..real.len() / 2]),
            "newer" => fs::write(&path, b"\x80\x04}.").unwrap(),
            "empty" => fs::write(&path, "").unwrap(),
            _ => {
                let made = std::process::Command::new("mkfifo").arg(&path).status();
                assert!(made.unwrap().success());
            }
        }
        backup.next_day();
        let outcome = backup.collect().unwrap();
        let [warning] = outcome.warnings.as_slice() else { panic!("{kind}: {outcome:?}") };
        assert!(warning.contains(path.to_str().unwrap()), "{kind}: {warning}");
        assert!(warning.contains("so everything is collected"), "{kind}: {warning}");
        assert_eq!(outcome.values["unchanged"], "0", "{kind}");
        assert!(!mark.exists());
    }
}
