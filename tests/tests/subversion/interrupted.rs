//! Runs that are stopped or killed in the middle.

use std::{
    fs,
    process::Child,
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::setting::{Setting, WEDNESDAY};

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_mins(1), "waited in vain until {what}");
        sleep(Duration::from_millis(20));
    }
}

/// A setting whose dump stops after its first half.
fn hanging() -> Setting {
    let setting = Setting::of_one("incr", "none");
    let one = setting.repository("one");
    for content in ["1", "2"] {
        one.commit("a", content.as_bytes());
    }
    let script = "#!/bin/sh\n/usr/bin/svnadmin \"$@\" | head -c 400\ntouch $SANDBOX/half\n\
                  exec sleep 1000\n";
    setting.replace("svnadmin", &setting.sandbox.expand(script));
    setting
}

fn start(setting: &Setting) -> Child {
    let child =
        setting.sandbox.spawn(&["-c", "hayloft.conf", "--now", WEDNESDAY, "run", "subversion"]);
    until("the dump is half made", || setting.sandbox.path("half").exists());
    child
}

fn processes_with(text: &str) -> usize {
    let lines = fs::read_dir("/proc").unwrap().flatten().filter_map(|it| {
        let line = fs::read(it.path().join("cmdline")).ok()?;
        String::from_utf8_lossy(&line).contains(text).then_some(())
    });
    lines.count()
}

#[test]
fn a_run_that_is_interrupted_leaves_neither_file_nor_process() {
    for signal in [Signal::INT, Signal::TERM] {
        let setting = hanging();
        let child = start(&setting);
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.unwrap(), signal).unwrap();
        let output = setting.sandbox.wait(child);
        assert_eq!(output.code, Some(5), "{output}");
        assert_eq!(setting.dumps(), [""; 0]);
        let place = setting.sandbox.path("bin/svnadmin");
        until("no dump is left", || processes_with(place.to_str().unwrap()) == 0);
    }
}

#[test]
fn what_a_killed_run_left_is_swept_by_the_next_one() {
    let setting = hanging();
    let mut child = start(&setting);
    child.kill().unwrap();
    child.wait().unwrap();
    let names = setting.sandbox.names("collect");
    assert!(names.iter().all(|it| it.starts_with('.')), "{names:?}");
    setting.replace("svnadmin", "#!/bin/sh\nexec /usr/bin/svnadmin \"$@\"\n");
    setting.ok(WEDNESDAY);
    assert_eq!(setting.dumps(), ["svndump-0:2-one.txt"]);
    // A worker whose parent is gone ends by itself, and takes its file along.
    until("nothing else is left", || setting.sandbox.names("collect").len() == 1);
}

#[test]
fn a_dump_that_hangs_ends_with_its_time_limit() {
    let setting = hanging();
    let text = setting.sandbox.read("hayloft.conf");
    let text = text.replace("<subversion>", "<subversion><timeout>1s</timeout>");
    setting.sandbox.write("hayloft.conf", &text);
    setting.run(WEDNESDAY).exits(1).complains("time limit").complains("<timeout>");
    assert_eq!(setting.dumps(), [""; 0]);
}
