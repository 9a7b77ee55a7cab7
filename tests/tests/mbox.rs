//! Mailboxes backed up by the whole program, and read by Python's `mailbox`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code fails by panicking")]

#[path = "mbox/setting.rs"]
mod setting;

#[path = "mbox/before.rs"]
mod before;
#[path = "mbox/changing.rs"]
mod changing;
#[path = "mbox/hostile.rs"]
mod hostile;
#[path = "mbox/locks.rs"]
mod locks;

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
};

use setting::{FRIDAY, MONDAY, Setting, TUESDAY, WEDNESDAY, message};

const FILE: &str = "<file><abs_path>$SANDBOX/mail/ann</abs_path></file>";
const DIR: &str = "<dir><abs_path>$SANDBOX/mail</abs_path></dir>";

#[test]
fn files_have_cedar_backups_names_and_are_what_was_there() {
    for (compress, suffix) in [("none", ""), ("gzip", ".gz"), ("bzip2", ".bz2"), ("zstd", ".zst")] {
        let setting = Setting::new("daily", compress, &format!("{FILE}{DIR}"));
        let (ann, bob) = (message("a") + &message("b"), message("c").trim_end().to_owned());
        setting.mailbox("ann", &ann);
        setting.mailbox("bob", &bob);
        setting.ok(TUESDAY);
        let prefix = format!("mbox-20261124-{}", setting.normalised("mail"));
        let names = [format!("{prefix}-ann{suffix}"), format!("{prefix}.tar{suffix}")];
        assert_eq!(setting.backups(), names);
        assert_eq!(setting.decoded(&names[0]), ann.as_bytes());
        let mode = fs::metadata(setting.backup(&names[0])).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let members = setting.unpacked(&names[1]);
        assert_eq!(members, [("ann".to_owned(), ann.into_bytes()), ("bob".into(), bob.into())]);
    }
}

#[test]
fn an_increment_has_what_is_new_since_the_last_run() {
    let setting = Setting::new("incr", "gzip", &format!("{FILE}{DIR}"));
    let all = ["a", "b", "c", "d", "e"].map(message);
    setting.mailbox("ann", &all[..2].concat());
    setting.mailbox("bob", &all[2]);
    setting.ok(TUESDAY);
    assert_eq!(setting.subjects(TUESDAY, "ann"), ["a", "b"]);

    // One went, two came, one of them a copy; the dates in them are all old.
    setting.mailbox("ann", &[&all[1], &all[3], &all[3]].map(String::as_str).concat());
    setting.ok(WEDNESDAY);
    assert_eq!(setting.subjects(WEDNESDAY, "ann"), ["d", "d"]);
    assert_eq!(
        setting.members(WEDNESDAY),
        [("ann".to_owned(), vec!["d".to_owned(), "d".into()]), ("bob".into(), vec![])]
    );

    // Nothing new: there is a file all the same, as with Cedar Backup.
    setting.ok(FRIDAY);
    assert!(setting.subjects(FRIDAY, "ann").is_empty());
    // The week begins: everything.
    setting.ok(MONDAY);
    assert_eq!(setting.subjects(MONDAY, "ann"), ["b", "d", "d"]);
    setting.mailbox("ann", &all[4]);
    let output = setting.run(FRIDAY, &["--full"]).exits(0);
    assert_eq!(setting.subjects(FRIDAY, "ann"), ["e"], "{output}");
}

#[test]
fn a_second_run_of_a_day_adds_to_the_file_of_the_first() {
    for elements in [FILE, DIR] {
        let setting = Setting::new("incr", "gzip", elements);
        let all = ["a", "b", "c"].map(message);
        setting.mailbox("ann", &all[0]);
        setting.ok(TUESDAY);
        setting.mailbox("ann", &all[..2].concat());
        setting.ok(WEDNESDAY);
        // What the first run of the day has backed up goes meanwhile, and the
        // compression is another.
        setting.configure("incr", "zstd", elements);
        setting.mailbox("ann", &all[2]);
        setting.ok(WEDNESDAY);
        let found = if elements == FILE {
            setting.subjects(WEDNESDAY, "ann")
        } else {
            setting.members(WEDNESDAY)[0].1.clone()
        };
        assert_eq!(found, ["b", "c"]);
        assert_eq!(setting.backups().len(), 2);

        // It was staged and purged: another of its name would replace it there.
        for name in setting.backups() {
            fs::remove_file(setting.backup(&name)).unwrap();
        }
        setting.mailbox("ann", &message("d"));
        setting.ok(WEDNESDAY);
        let names = setting.backups();
        assert_eq!(names.len(), 1);
        assert!(names[0].contains("ann~2.") || names[0].contains("mail~2.tar"), "{names:?}");
    }
}

#[test]
fn weekly_mailboxes_are_backed_up_when_the_week_begins() {
    let setting = Setting::new("weekly", "none", FILE);
    setting.mailbox("ann", &message("a"));
    setting.ok(TUESDAY);
    assert!(setting.backups().is_empty());
    setting.ok(MONDAY);
    assert_eq!(setting.subjects(MONDAY, "ann"), ["a"]);
    setting.run(FRIDAY, &["--full"]).exits(0);
    assert_eq!(setting.backups().len(), 2);
}

#[test]
fn whatever_is_in_a_mailbox_comes_through_byte_for_byte() {
    let crlf = (message("a") + &message("b")).replace('\n', "\r\n").into_bytes();
    let mut garbage = message("a").into_bytes();
    garbage.extend((0..=255).cycle().take(300_000));
    garbage.extend(message("b").into_bytes());
    let length = "From c Sat Jan  3 01:05:34 2026\nContent-Length: 44\nSubject: c\n\n\n\
                  From the body Sat Jan  3 01:05:34 2026\nend\n\n";
    let cases: [Vec<u8>; 6] = [
        Vec::new(),
        crlf,
        garbage,
        format!("{}{length}{}", message("a"), message("b")).into_bytes(),
        message("a").replace("body", ">From b Sat Jan  3 01:05:34 2026").into_bytes(),
        format!("\n\n{}", message("a").trim_end()).into_bytes(),
    ];
    for text in cases {
        let setting = Setting::new("incr", "zstd", FILE);
        fs::write(setting.sandbox.path("mail/ann"), &text).unwrap();
        setting.ok(TUESDAY);
        assert!(setting.decoded(&setting.backups()[0]) == text);
        // What comes is behind what is there.
        let more = [text, b"\n".to_vec(), message("new").into_bytes()].concat();
        fs::write(setting.sandbox.path("mail/ann"), more).unwrap();
        setting.ok(WEDNESDAY);
        let increment = setting.decoded(&setting.backups()[1]);
        assert!(increment.ends_with(message("new").as_bytes()));
    }
}

#[test]
fn a_huge_message_is_not_held_in_memory() {
    let setting = Setting::new("incr", "none", FILE);
    let head = "From a Sat Jan  3 01:05:34 2026\nSubject: huge\n\n";
    let file = fs::File::create(setting.sandbox.path("mail/ann")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, head.as_bytes(), 0).unwrap();
    file.set_len(600 << 20).unwrap();
    // The limit holds for the whole program, its code included.
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -v 400000; exec \"$0\" \"$@\""]);
    command.arg(setting.sandbox.program().path());
    command.args(["-c", "hayloft.conf", "run", "mbox"]);
    command.current_dir(setting.sandbox.path("")).env("HAYLOFT_NOW", TUESDAY);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let backup = fs::metadata(setting.backup(&setting.backups()[0])).unwrap();
    assert_eq!(backup.len(), 600 << 20);
}

#[test]
fn what_is_no_mailbox_is_backed_up_with_a_warning() {
    let exclude = "<exclude><rel_path>left-out</rel_path><pattern>.*\\.msf</pattern></exclude>";
    let dir = DIR.replace("</dir>", &format!("{exclude}</dir>"));
    let setting = Setting::new("incr", "gzip", &dir);
    setting.mailbox("ann", &message("a"));
    setting.mailbox("index", "\u{1}no mailbox\n");
    for name in ["left-out", "x.msf"] {
        setting.mailbox(name, "whatever");
    }
    symlink("ann", setting.sandbox.path("mail/link")).unwrap();
    setting.sandbox.write("mail/sub/inbox", &message("sub"));
    let output = setting.run(TUESDAY, &[]).exits(7);
    let text = output.to_string();
    assert!(text.contains("1 file is no mailbox") && text.contains(": index"), "{text}");
    let members = setting.unpacked(&setting.backups()[0]);
    let names: Vec<_> = members.iter().map(|it| it.0.as_str()).collect();
    assert_eq!(names, ["ann", "index", "link"]);
    assert_eq!(members[1].1, "\u{1}no mailbox\n".as_bytes());

    let single = Setting::new("daily", "gzip", FILE);
    single.mailbox("ann", "no mailbox");
    let output = single.run(TUESDAY, &[]).exits(7);
    assert!(output.to_string().contains("$SANDBOX/mail/ann is no mailbox"), "{output}");
    assert_eq!(single.decoded(&single.backups()[0]), b"no mailbox");
}

#[test]
fn an_empty_directory_and_an_empty_mailbox_are_backed_up() {
    let setting = Setting::new("daily", "gzip", DIR);
    setting.ok(TUESDAY);
    assert!(setting.unpacked(&setting.backups()[0]).is_empty());
    setting.mailbox("ann", "");
    setting.ok(TUESDAY);
    assert_eq!(setting.unpacked(&setting.backups()[0]), [("ann".to_owned(), vec![])]);
}

#[test]
fn a_mailbox_that_is_not_there_does_not_keep_the_others_from_being_backed_up() {
    let missing = "<file><abs_path>$SANDBOX/mail/nosuch</abs_path></file>\
                   <dir><abs_path>$SANDBOX/nosuch</abs_path></dir>";
    let setting = Setting::new("incr", "gzip", &format!("{missing}{FILE}"));
    setting.mailbox("ann", &message("a"));
    let output = setting.run(TUESDAY, &[]).exits(1);
    output.complains("2 of 3").complains("$SANDBOX/mail/nosuch").complains("$SANDBOX/nosuch");
    assert_eq!(setting.subjects(TUESDAY, "ann"), ["a"]);
    assert_eq!(setting.backups().len(), 1);
}

#[test]
fn the_time_of_access_of_a_mailbox_is_left_alone() {
    let setting = Setting::new("daily", "gzip", FILE);
    let path = setting.mailbox("ann", &message("a"));
    let file = fs::File::options().write(true).open(&path).unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_hours(48);
    let times = fs::FileTimes::new().set_accessed(old).set_modified(std::time::SystemTime::now());
    file.set_times(times).unwrap();
    let before = fs::metadata(&path).unwrap().atime();
    setting.ok(TUESDAY);
    assert_eq!(fs::metadata(&path).unwrap().atime(), before, "there is unread mail");
}

#[test]
fn a_dry_run_says_what_is_due_and_writes_nothing() {
    let setting = Setting::new("incr", "gzip", &format!("{FILE}{DIR}"));
    setting.mailbox("ann", &message("a"));
    let output = setting.run(TUESDAY, &["--dry-run"]).exits(0);
    output.says("-mail-ann.gz").says("-mail.tar.gz");
    assert!(
        setting.backups().is_empty()
            && setting.sandbox.names("work").iter().all(|it| !it.contains("mbox"))
    );
}

#[test]
fn a_wrong_section_is_refused_with_line_and_remedy() {
    let cases = [
        ("<collect_mode>hourly</collect_mode>", "hourly"),
        ("<lock_timeout>soon</lock_timeout>", "soon"),
        ("<file><abs_path>mail</abs_path></file>", "mail"),
        (
            "<file><abs_path>/a/b</abs_path></file><file><abs_path>/a-b</abs_path></file>",
            "/a/b and /a-b would both be backed up",
        ),
    ];
    for (elements, complaint) in cases {
        let setting = Setting::new("daily", "gzip", &format!("{FILE}{elements}"));
        let elements =
            elements.replace("<collect_mode>", "<file><abs_path>/x</abs_path><collect_mode>");
        let elements = elements.replace("</collect_mode>", "</collect_mode></file>");
        setting.configure("daily", "gzip", &format!("{FILE}{elements}"));
        let output = setting.sandbox.run(&["-c", "hayloft.conf", "config", "check"]).exits(4);
        output.complains(complaint).complains("hayloft.conf:2");
        assert!(setting.backups().is_empty());
    }
}
