//! What Cedar Backup remembers is read once, by those who come after it.

use std::{fs, process::Command};

use crate::setting::{FRIDAY, Setting, TUESDAY, WEDNESDAY, message, succeed};

/// Writes what Cedar Backup writes: a pickle, protocol 0, of a time.
const PICKLE: &str = "
import datetime, pickle, sys
time = datetime.datetime.fromisoformat(sys.argv[1])
pickle.dump(time, open(sys.argv[2], 'wb'), 0, fix_imports=True)
";

const FILE: &str = "<file><abs_path>$SANDBOX/mail/ann</abs_path></file>";
const DIR: &str = "<dir><abs_path>$SANDBOX/mail</abs_path></dir>";

fn cedar_was_here(setting: &Setting, item: &str, time: &str) -> std::path::PathBuf {
    let path = setting.sandbox.path(format!("work/{}.mboxlast", setting.normalised(item)));
    succeed(Command::new("python3").args(["-c", PICKLE, time]).arg(&path));
    path
}

fn came(subject: &str, separator: &str, sent: &str) -> String {
    format!("From ann@example.com {separator}\n{sent}Subject: {subject}\n\nbody\n\n")
}

#[test]
fn the_first_run_after_cedar_backup_is_no_full_one_and_loses_nothing() {
    let setting = Setting::new("incr", "gzip", &format!("{FILE}{DIR}"));
    let state = cedar_was_here(&setting, "mail/ann", "2026-11-23T03:00:00.123456");
    cedar_was_here(&setting, "mail", "2026-11-23T03:00:00");
    let old = "Sun Nov  1 03:00:00 2026";
    let messages = [
        came("old", old, ""),
        came("old and sent in the future", old, "Date: Sat, 21 Nov 2026 03:00:00 +0000\n"),
        came("just before", "Mon Nov 23 02:59:00 2026", ""),
        came("in the past", "Mon Nov 23 05:00:00 2026", "Date: Thu, 1 Jan 1998 00:00:00 +0000\n"),
        came("no date", "Xxx Xxx 99 12:00:00 2026", "Date: whenever\n"),
        came("new", "Mon Nov 23 12:00:00 2026", "Date: Mon, 23 Nov 2026 12:00:00 +0000\n"),
        // It was moved here from another mailbox.
        came("moved", old, ""),
    ];
    setting.mailbox("ann", &messages.concat());
    setting.ok(TUESDAY);
    let expected = ["just before", "in the past", "no date", "new", "moved"];
    assert_eq!(setting.subjects(TUESDAY, "ann"), expected);
    let all = expected.map(ToOwned::to_owned).to_vec();
    assert_eq!(setting.members(TUESDAY), [("ann".to_owned(), all)]);

    // From then on, it is known what was backed up; and the file of Cedar
    // Backup is still there, should somebody go back.
    setting.mailbox("ann", &(messages.concat() + &message("later")));
    setting.ok(WEDNESDAY);
    assert_eq!(setting.subjects(WEDNESDAY, "ann"), ["later"]);
    assert!(state.exists());
    cedar_was_here(&setting, "mail/ann", "1998-01-01T00:00:00");
    setting.ok(FRIDAY);
    assert!(setting.subjects(FRIDAY, "ann").is_empty(), "it is read once");
}

#[test]
fn what_cedar_backup_never_wrote_is_not_run_but_leads_to_a_full_backup() {
    let huge = vec![b'x'; 100_000];
    let contents: [&[u8]; 5] = [
        b"cos\nsystem\n(S'touch $PLACE'\ntR.",
        b"",
        b"cdatetime\ndatetime\np0\n(S'x'\ntR.",
        b"I3\n.",
        &huge,
    ];
    for content in contents {
        let setting = Setting::new("incr", "gzip", FILE);
        let place = setting.sandbox.path("touched");
        let text = String::from_utf8_lossy(content).replace("$PLACE", place.to_str().unwrap());
        let state =
            setting.sandbox.path(format!("work/{}.mboxlast", setting.normalised("mail/ann")));
        fs::write(&state, text).unwrap();
        setting.mailbox("ann", &message("a"));
        let output = setting.run(TUESDAY, &[]).exits(7);
        assert!(output.to_string().contains(".mboxlast cannot be used"), "{output}");
        assert_eq!(setting.subjects(TUESDAY, "ann"), ["a"]);
        assert!(!place.exists());
    }
}

#[test]
fn a_state_that_is_damaged_leads_to_a_full_backup_with_a_warning() {
    let setting = Setting::new("incr", "gzip", FILE);
    setting.mailbox("ann", &message("a"));
    setting.ok(TUESDAY);
    let state = setting.sandbox.path(format!("work/{}.mboxstate", setting.normalised("mail/ann")));
    let whole = fs::read(&state).unwrap();
    fs::write(&state, &whole[..whole.len() / 2]).unwrap();
    let output = setting.run(WEDNESDAY, &[]).exits(7);
    assert!(output.to_string().contains(".mboxstate cannot be used"), "{output}");
    assert_eq!(setting.subjects(WEDNESDAY, "ann"), ["a"]);
    setting.ok(FRIDAY);
    assert!(setting.subjects(FRIDAY, "ann").is_empty());
}
