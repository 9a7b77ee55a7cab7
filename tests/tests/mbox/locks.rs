//! Mailboxes that another program has locked, in each of the three ways.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use crate::setting::{Setting, TUESDAY, WEDNESDAY, message};

/// Locks a mailbox in the way of its first argument, says so, and holds the
/// lock until its input ends.
const HOLDER: &str = "
import fcntl, os, sys
how, path = sys.argv[1:]
box = open(path, 'r+')
if how == 'fcntl':
    fcntl.lockf(box, fcntl.LOCK_EX)
elif how == 'flock':
    fcntl.flock(box, fcntl.LOCK_EX)
else:
    open(path + '.lock', 'x').write(str(os.getpid()))
print('locked', flush=True)
sys.stdin.read()
if how == 'dotlock':
    os.unlink(path + '.lock')
";

struct Holder {
    process: Child,
    input: Option<ChildStdin>,
}

impl Holder {
    fn of(setting: &Setting, how: &str, mailbox: &str) -> Self {
        let mut command = Command::new("python3");
        command.args(["-c", HOLDER, how]).arg(setting.sandbox.path("mail").join(mailbox));
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "locked\n");
        let input = process.stdin.take();
        Self { process, input }
    }

    fn end(mut self) {
        self.release();
    }

    fn release(&mut self) {
        if let Some(mut input) = self.input.take() {
            // It may have ended by itself.
            let _ = input.flush();
            drop(input);
            let _ = self.process.wait();
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.release();
    }
}

const WAYS: [&str; 3] = ["fcntl", "flock", "dotlock"];
const ITEMS: &str = "<file><abs_path>$SANDBOX/mail/ann</abs_path></file>\
                     <file><abs_path>$SANDBOX/mail/bob</abs_path></file>";

#[test]
fn a_lock_that_ends_in_time_is_waited_for() {
    for how in WAYS {
        let setting = Setting::new("incr", "gzip", ITEMS);
        setting.mailbox("ann", &message("a"));
        setting.mailbox("bob", &message("b"));
        let holder = Holder::of(&setting, how, "ann");
        let child = setting.spawn(TUESDAY, &[]);
        std::thread::sleep(Duration::from_millis(1500));
        assert!(setting.backups().is_empty(), "{how}: the lock is respected");
        setting.mailbox("ann", &(message("a") + &message("late")));
        holder.end();
        setting.sandbox.wait(child).exits(0);
        assert_eq!(setting.subjects(TUESDAY, "ann"), ["a", "late"], "{how}");
        assert_eq!(setting.backups().len(), 2);
    }
}

#[test]
fn a_lock_that_does_not_end_is_a_failure_of_that_mailbox_only() {
    for how in WAYS {
        let items = format!("<lock_timeout>1</lock_timeout>{ITEMS}");
        let setting = Setting::new("incr", "gzip", &items);
        setting.mailbox("ann", &message("a"));
        setting.mailbox("bob", &message("b"));
        let holder = Holder::of(&setting, how, "ann");
        let began = Instant::now();
        let output = setting.run(TUESDAY, &[]).exits(1);
        assert!(began.elapsed() < Duration::from_secs(30));
        output.complains("$SANDBOX/mail/ann is locked by").complains("<lock_timeout>");
        assert_eq!(setting.backups().len(), 1, "{how}");
        assert_eq!(setting.subjects(TUESDAY, "bob"), ["b"]);
        holder.end();
        setting.ok(WEDNESDAY);
        assert_eq!(setting.subjects(WEDNESDAY, "ann"), ["a"]);
    }
}

#[test]
fn a_locked_mailbox_of_a_directory_comes_with_the_next_run() {
    let items = "<lock_timeout>1</lock_timeout><dir><abs_path>$SANDBOX/mail</abs_path></dir>";
    for how in WAYS {
        let setting = Setting::new("incr", "gzip", items);
        setting.mailbox("ann", &message("a"));
        setting.mailbox("bob", &message("b"));
        setting.ok(TUESDAY);
        setting.mailbox("ann", &(message("a") + &message("new")));
        let holder = Holder::of(&setting, how, "ann");
        let output = setting.run(WEDNESDAY, &[]).exits(1);
        output.complains("1 of 2 mailboxes").complains("$SANDBOX/mail/ann is locked by");
        assert_eq!(setting.members(WEDNESDAY), [("bob".to_owned(), vec![])], "{how}");
        holder.end();
        setting.ok(WEDNESDAY);
        let expected = [("ann".to_owned(), vec!["new".to_owned()]), ("bob".into(), vec![])];
        assert_eq!(setting.members(WEDNESDAY), expected);
    }
}

#[test]
fn a_lock_file_that_is_left_over_is_ignored_and_stays() {
    let setting = Setting::new("daily", "gzip", ITEMS);
    setting.mailbox("ann", &message("a"));
    setting.mailbox("bob", &message("b"));
    let lock = setting.mailbox("ann.lock", "");
    let file = fs::File::options().write(true).open(&lock).unwrap();
    file.set_modified(std::time::SystemTime::now() - Duration::from_mins(6)).unwrap();
    setting.ok(TUESDAY);
    assert_eq!(setting.subjects(TUESDAY, "ann"), ["a"]);
    assert!(lock.exists());
}

#[test]
fn others_can_read_a_mailbox_meanwhile_but_not_write_it() {
    // A pipe that nobody reads from holds the backup up, with the lock held.
    let setting = Setting::new("daily", "none", ITEMS);
    setting.mailbox("ann", &message("a").repeat(2_000_000));
    setting.mailbox("bob", &message("b"));
    let try_lock = |how: &str| {
        let script = format!(
            "import fcntl,sys\nbox=open(sys.argv[1],'r+')\nfcntl.lockf(box, fcntl.{how}|fcntl.LOCK_NB)"
        );
        let mut command = Command::new("python3");
        command.args(["-c", &script]).arg(setting.sandbox.path("mail/ann"));
        command.stderr(Stdio::null()).status().unwrap().success()
    };
    let child = setting.spawn(TUESDAY, &[]);
    crate::setting::until("the mailbox is locked", || !try_lock("LOCK_EX"));
    setting.sandbox.wait(child).exits(0);
    assert!(try_lock("LOCK_EX"), "the lock has ended");
    assert!(try_lock("LOCK_SH"));
}
