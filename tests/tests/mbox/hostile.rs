//! State and locks that are lost, damaged, or made by somebody who means ill; and
//! what is left of earlier backups.

use std::{
    fs,
    os::unix::fs::symlink,
    process::Command,
    time::{Duration, SystemTime},
};

use crate::setting::{FRIDAY, Setting, TUESDAY, WEDNESDAY, message};

const FILE: &str = "<file><abs_path>$SANDBOX/mail/ann</abs_path></file>";
const DIR: &str = "<dir><abs_path>$SANDBOX/mail</abs_path></dir>";

#[test]
fn a_state_that_is_no_file_of_ours_leads_to_a_whole_backup_and_to_no_wait() {
    let setting = Setting::new("incr", "none", FILE);
    setting.mailbox("ann", &message("a"));
    setting.ok(TUESDAY);
    let state = setting.sandbox.path(format!("work/{}.mboxstate", setting.normalised("mail/ann")));
    let whole = fs::read_to_string(&state).unwrap();
    let makes: [&dyn Fn(); 5] = [
        &|| assert!(Command::new("mkfifo").arg(&state).status().unwrap().success()),
        &|| symlink("/dev/zero", &state).unwrap(),
        &|| fs::write(&state, &whole[..whole.len() / 2]).unwrap(),
        &|| fs::write(&state, whole.replace("end\n", &"x".repeat(1 << 20))).unwrap(),
        &|| fs::write(&state, "").unwrap(),
    ];
    for make in makes {
        fs::remove_file(&state).unwrap();
        make();
        setting.run(WEDNESDAY, &[]).exits(7).complains("is backed up whole");
        assert_eq!(setting.subjects(WEDNESDAY, "ann"), ["a"]);
        for name in setting.backups().iter().filter(|it| it.contains("20261125")) {
            fs::remove_file(setting.backup(name)).unwrap();
        }
    }
    setting.ok(FRIDAY);
    assert!(setting.subjects(FRIDAY, "ann").is_empty(), "the state is good again");
}

#[test]
fn a_backup_of_today_of_which_nothing_is_known_is_not_replaced() {
    for items in [FILE, DIR] {
        let setting = Setting::new("incr", "gzip", items);
        setting.mailbox("ann", &message("a"));
        setting.ok(TUESDAY);
        setting.mailbox("ann", &(message("a") + &message("b")));
        setting.ok(WEDNESDAY);
        for name in setting.sandbox.names("work") {
            if name.ends_with(".mboxstate") {
                fs::remove_file(setting.sandbox.path("work").join(name)).unwrap();
            }
        }
        // What the first backup of the day has is gone meanwhile.
        setting.mailbox("ann", &message("c"));
        setting.ok(WEDNESDAY);
        let names = setting.backups();
        assert_eq!(names.len(), 3, "{names:?}");
        let text =
            names.iter().map(|it| setting.decoded(it)).map(|it| String::from_utf8(it).unwrap());
        let text: String = text.collect();
        assert!(["a", "b", "c"].iter().all(|it| text.contains(&message(it))), "{names:?}");
    }
}

#[test]
fn a_lock_that_is_no_file_is_respected_and_not_read() {
    let setting = Setting::new("incr", "none", &format!("<lock_timeout>1</lock_timeout>{FILE}"));
    setting.mailbox("ann", &message("a"));
    let lock = setting.sandbox.path("mail/ann.lock");
    assert!(Command::new("mkfifo").arg(&lock).status().unwrap().success());
    setting.run(TUESDAY, &[]).exits(1).complains("is locked by another program");
    fs::remove_file(&lock).unwrap();
    symlink("/dev/zero", &lock).unwrap();
    setting.run(TUESDAY, &[]).exits(1).complains("is locked by another program");
    fs::remove_file(&lock).unwrap();
    setting.ok(TUESDAY);
}

#[test]
fn backups_of_other_days_go_when_they_are_staged() {
    let setting = Setting::new("incr", "gzip", &format!("{FILE}{DIR}"));
    setting.mailbox("ann", &message("a"));
    setting.ok(TUESDAY);
    setting.ok(WEDNESDAY);
    assert_eq!(setting.backups().len(), 4, "nothing is staged yet");
    let other = setting.sandbox.write("collect/mbox-20261124-elsewhere.gz", "");
    let at = |name: &str, ago: u64| {
        let path = setting.sandbox.write(&format!("collect/{name}"), "");
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(ago)).unwrap();
    };
    at("cback.collect", 0);
    at("cback.stage", 0);
    setting.run(FRIDAY, &[]).exits(0);
    let names = setting.backups();
    let of_friday = names.iter().filter(|it| it.contains("20261127")).count();
    assert_eq!((of_friday, names.len()), (2, 3), "{names:?}");
    assert!(other.exists());
}
