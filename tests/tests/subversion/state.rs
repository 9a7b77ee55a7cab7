//! What is remembered, and what happens if it is lost, damaged, or does not
//! fit.

use std::{fs, process::Command};

use crate::setting::{Repository, Setting, THURSDAY, TUESDAY, WEDNESDAY, succeed, svn};

/// A repository with three revisions that was dumped on Tuesday.
fn dumped() -> (Setting, Repository) {
    let setting = Setting::of_one("incr", "none");
    let one = setting.repository("one");
    for content in ["1", "2", "3"] {
        one.commit("a", content.as_bytes());
    }
    setting.ok(TUESDAY);
    (setting, one)
}

fn is_full_with_a_warning(setting: &Setting, one: &Repository, why: &str) {
    let output = setting.run(WEDNESDAY).exits(7);
    assert!(output.to_string().contains(why), "{why:?} is not in {output}");
    let youngest = one.look(&["youngest"]);
    let name = format!("svndump-0:{}-one.txt", youngest.trim());
    assert!(setting.dumps().contains(&name), "{:?}", setting.dumps());
    setting.restores(&[setting.decoded(&name)], one);
    // From here on there are increments again.
    one.commit("more", b"x");
    setting.ok(THURSDAY);
    let youngest = one.look(&["youngest"]);
    let next = format!("svndump-{0}:{0}-one.txt", youngest.trim());
    assert!(setting.dumps().contains(&next), "{:?}", setting.dumps());
}

#[test]
fn damaged_state_leads_to_a_full_dump_with_a_warning() {
    for garbage in [b"".as_slice(), b"{", b"cos\nsystem\n(S'touch /tmp/x'\ntR.", &[0xff; 4000]] {
        let (setting, one) = dumped();
        assert_eq!(setting.damage_state(garbage), 2);
        one.commit("a", b"4");
        is_full_with_a_warning(&setting, &one, "damaged");
    }
}

#[test]
fn lost_state_leads_to_a_full_dump_with_a_warning() {
    let (setting, one) = dumped();
    let state = setting.sandbox.path("work/hayloft/state/subversion");
    for entry in fs::read_dir(state).unwrap().flatten() {
        if entry.file_name() != "repositories" {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    is_full_with_a_warning(&setting, &one, "is lost");
}

#[test]
fn an_emptied_working_directory_is_noticed_by_the_dumps_that_are_there() {
    let (setting, one) = dumped();
    fs::remove_dir_all(setting.sandbox.path("work")).unwrap();
    setting.sandbox.dir("work");
    is_full_with_a_warning(&setting, &one, "is lost");
}

#[test]
fn a_repository_that_was_restored_from_a_backup_is_dumped_in_full() {
    let (setting, one) = dumped();
    let backup = setting.sandbox.path("unpacked/backup");
    succeed(svn("svnadmin").arg("hotcopy").arg(&one.path).arg(&backup));
    one.commit("a", b"4");
    setting.ok(WEDNESDAY);
    fs::remove_dir_all(&one.path).unwrap();
    fs::rename(&backup, &one.path).unwrap();
    is_full_with_a_warning(&setting, &one, "revision 4 was dumped, but now 3 is the newest");
}

#[test]
fn a_repository_that_was_restored_and_went_another_way_is_dumped_in_full() {
    let (setting, one) = dumped();
    let backup = setting.sandbox.path("unpacked/backup");
    succeed(svn("svnadmin").arg("hotcopy").arg(&one.path).arg(&backup));
    one.commit("a", b"4");
    setting.ok(WEDNESDAY);
    fs::remove_dir_all(&one.path).unwrap();
    fs::rename(&backup, &one.path).unwrap();
    one.commit("b", b"other 4");
    one.commit("b", b"other 5");
    is_full_with_a_warning(&setting, &one, "revision 4 is not the one that was dumped before");
    assert!(setting.dumps().contains(&"svndump-4:4-one.txt".to_owned()), "the only copy of it");
}

#[test]
fn another_repository_in_the_same_place_is_dumped_in_full() {
    let (setting, one) = dumped();
    fs::remove_dir_all(&one.path).unwrap();
    let other = setting.repository("one");
    for content in ["1", "2", "3", "4"] {
        other.commit("a", content.as_bytes());
    }
    is_full_with_a_warning(&setting, &other, "another repository");
    assert!(setting.dumps().contains(&"svndump-0:3-one.txt".to_owned()), "the only copy of it");
}

#[test]
fn a_corrected_log_message_does_not_matter() {
    let (setting, one) = dumped();
    let message = setting.sandbox.write("message", "corrected");
    let mut command = svn("svnadmin");
    command.args(["setlog", "--bypass-hooks", "-r", "3"]).arg(&one.path).arg(message);
    succeed(&mut command);
    one.commit("a", b"4");
    setting.ok(WEDNESDAY);
    assert_eq!(setting.dumps(), ["svndump-0:3-one.txt", "svndump-4:4-one.txt"]);
}

#[test]
fn cedar_backups_state_is_taken_over_in_every_form_that_python_writes() {
    // Of pickle.dumps(2, N); Cedar Backup 3 uses protocol 0.
    let forms: [&[u8]; 4] = [b"I2\n.", b"K\x02.", b"\x80\x02K\x02.", b"\x80\x04K\x02."];
    for form in forms {
        let setting = Setting::of_one("incr", "none");
        let one = setting.repository("one");
        for content in ["1", "2", "3"] {
            one.commit("a", content.as_bytes());
        }
        let svnlast = svnlast(&setting);
        fs::write(&svnlast, form).unwrap();
        setting.ok(WEDNESDAY);
        assert_eq!(setting.dumps(), ["svndump-3:3-one.txt"]);
        // From now on ours counts.
        fs::write(&svnlast, b"I0\n.").unwrap();
        one.commit("a", b"4");
        setting.ok(THURSDAY);
        assert_eq!(setting.dumps(), ["svndump-3:3-one.txt", "svndump-4:4-one.txt"]);
    }
}

#[test]
fn state_of_cedar_backup_that_cannot_be_trusted_leads_to_a_full_dump() {
    let marker = "marker";
    let attack = format!("cos\nsystem\n(S'touch {marker}'\ntR.");
    let cases = [
        ("I9\n.", "revision 9 was dumped, but now 1"),
        ("garbage", "cannot be used"),
        ("", "cannot be used"),
        (&attack, "cannot be used"),
    ];
    for (content, why) in cases {
        let setting = Setting::of_one("incr", "none");
        let one = setting.repository("one");
        one.commit("a", b"1");
        fs::write(svnlast(&setting), content).unwrap();
        is_full_with_a_warning(&setting, &one, why);
        assert!(!setting.sandbox.path(marker).exists());
    }
}

#[test]
fn a_pipe_in_the_place_of_cedar_backups_state_does_not_hang_the_run() {
    let setting = Setting::of_one("incr", "none");
    let one = setting.repository("one");
    succeed(Command::new("mkfifo").arg(svnlast(&setting)));
    is_full_with_a_warning(&setting, &one, "it is no file");
}

#[test]
fn a_pipe_in_the_place_of_our_state_does_not_hang_the_run() {
    let (setting, one) = dumped();
    let state = setting.sandbox.path("work/hayloft/state/subversion");
    for entry in fs::read_dir(state).unwrap().flatten() {
        fs::remove_file(entry.path()).unwrap();
        succeed(Command::new("mkfifo").arg(entry.path()));
    }
    is_full_with_a_warning(&setting, &one, "it is no file");
}

fn svnlast(setting: &Setting) -> std::path::PathBuf {
    let one = setting.sandbox.path("svn/one");
    let name = one.to_str().unwrap()[1..].replace('/', "-");
    setting.sandbox.path("work").join(format!("{name}.svnlast"))
}
