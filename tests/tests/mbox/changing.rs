//! Mailboxes that change while they are read, and runs that are stopped.

use std::{
    fs::{self, File},
    io::Write,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::setting::{FRIDAY, Setting, TUESDAY, WEDNESDAY, message, until};

const FILE: &str = "<file><abs_path>$SANDBOX/mail/ann</abs_path></file>";
const DIR: &str = "<dir><abs_path>$SANDBOX/mail</abs_path></dir>";

#[test]
fn mail_that_comes_during_a_backup_is_in_this_one_or_in_the_next() {
    for items in [FILE, DIR] {
        let setting = Setting::new("incr", "gzip", items);
        setting.mailbox("ann", &message("first").repeat(20_000));
        let path = setting.sandbox.path("mail/ann");
        let stop = std::sync::atomic::AtomicBool::new(false);
        let came = thread::scope(|scope| {
            let writer = scope.spawn(|| {
                // It knows of no locks, and writes in small pieces.
                let mut file = File::options().append(true).open(&path).unwrap();
                let mut came = 0;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    came += 1;
                    for piece in message(&format!("late-{came}")).as_bytes().chunks(20) {
                        file.write_all(piece).unwrap();
                        thread::sleep(Duration::from_micros(200));
                    }
                }
                came
            });
            setting.ok(TUESDAY);
            setting.ok(WEDNESDAY);
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            writer.join().unwrap()
        });
        setting.ok(FRIDAY);
        let mut found = Vec::new();
        for day in [TUESDAY, WEDNESDAY, FRIDAY] {
            found.extend(if items == FILE {
                setting.subjects(day, "ann")
            } else {
                setting.members(day).remove(0).1
            });
        }
        assert!(found.iter().filter(|it| *it == "first").count() >= 20_000);
        for number in 1..=came {
            let subject = format!("late-{number}");
            assert!(found.contains(&subject), "{subject} of {came} is in no backup");
        }
    }
}

#[test]
fn a_run_that_is_stopped_leaves_the_last_good_state() {
    for items in [FILE, DIR] {
        for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
            let setting = Setting::new("incr", "gzip", items);
            setting.mailbox("ann", &message("a"));
            setting.ok(TUESDAY);
            let before = setting.backups();
            setting.mailbox("ann", &(message("a") + &message("b").repeat(100_000)));
            let child = setting.spawn(WEDNESDAY, &[]);
            let busy = || {
                let names = [setting.sandbox.names("collect"), setting.sandbox.names("work")];
                names
                    .concat()
                    .iter()
                    .any(|it| it.starts_with('.') || it.starts_with("hayloft-mbox"))
            };
            until("it is at work", busy);
            let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            kill_process(pid.unwrap(), signal).unwrap();
            let output = setting.sandbox.wait(child);
            assert_ne!(output.code, Some(0), "{output}");
            // A worker may need a moment to find that it is alone.
            let busy_names =
                || setting.sandbox.names("collect").iter().any(|it| it.starts_with('.'));
            thread::sleep(Duration::from_millis(if busy_names() { 2000 } else { 200 }));
            assert_eq!(setting.backups(), before);

            setting.ok(WEDNESDAY);
            let found = if items == FILE {
                setting.subjects(WEDNESDAY, "ann")
            } else {
                setting.members(WEDNESDAY).remove(0).1
            };
            assert_eq!(found.len(), 100_000);
            let left = fs::read_dir(setting.sandbox.path("collect")).unwrap().count();
            assert_eq!(left, 2, "no temporary file stays");
        }
    }
}

#[test]
fn a_full_disk_leaves_no_half_backup_and_the_next_run_has_everything() {
    for items in [FILE, DIR] {
        let setting = Setting::new("incr", "none", items);
        setting.mailbox("ann", &message("first").repeat(20_000));
        let output = setting.on_a_full_disk(TUESDAY, 500);
        output.exits(1).complains("mail");
        assert_eq!(setting.backups(), [""; 0]);
        setting.is_clean();
        setting.ok(WEDNESDAY);
        let name = setting.backups().remove(0);
        assert!(setting.decoded(&name).len() > 20_000 * message("first").len() - 1);
    }
}
