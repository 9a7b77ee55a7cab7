//! From the start of a process to the first byte that it reads of a segment,
//! and how much memory a push needs.

use std::{
    fs::File,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use hayloft_benches::shell;
use rustix::fs::inotify;

use crate::ground::Ground;

/// Measures both, and prints them.
pub(crate) fn measure(ground: &Ground) {
    for compress in ["none", "zstd"] {
        let wal = format!("<compress>{compress}</compress>");
        let call = ground.configured(compress, &ground.local(), &wal);
        ground.clean();
        let mut times: Vec<Duration> = Vec::new();
        for name in ground.segments().iter().take(20) {
            let path = ground.path("pg_wal").join(name);
            let watch = inotify::init(inotify::CreateFlags::CLOEXEC).unwrap();
            inotify::add_watch(&watch, &path, inotify::WatchFlags::ACCESS).unwrap();
            let words: Vec<&str> = call.split(' ').collect();
            let mut command = Command::new(words[0]);
            command.args(&words[1..]).args(["push", "main"]).arg(&path).stdin(Stdio::null());
            let began = Instant::now();
            let mut child = command.spawn().unwrap();
            let mut event = [0; 512];
            rustix::io::read(&watch, &mut event).unwrap();
            times.push(began.elapsed());
            assert!(child.wait().unwrap().success());
            drop(File::open(&path).unwrap());
        }
        times.sort();
        println!(
            "\n{compress}: first byte read after {:.1} ms at best, {:.1} ms in the middle (the aim \
             is 10)",
            times[0].as_secs_f64() * 1e3,
            times[times.len() / 2].as_secs_f64() * 1e3
        );
        memory(ground, &call);
    }
}

/// The most memory that any of some pushes has.
fn memory(ground: &Ground, call: &str) {
    ground.clean();
    let program = "import resource, subprocess, sys\n\
                   for it in sys.argv[2:]:\n subprocess.check_call(sys.argv[1].split() + [it])\n\
                   print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n";
    let paths = ground.segments().iter().take(5).map(|it| ground.path("pg_wal").join(it));
    let output = Command::new("python3")
        .args(["-c", program, &format!("{call} push main")])
        .args(paths)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let kilobytes: f64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    println!("memory of a push: {:.1} MiB at most (the aim is 40)", kilobytes / 1024.0);
    hayloft_benches::measure(shell("sync"));
}
