//! Power cuts, full disks, clocks that are moved, and bytes that no two places
//! share.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command},
};

use rustix::process::{Pid, Signal, kill_process};

/// Ends the program and its workers as a power cut would.
pub fn power_cut(child: &mut Child) {
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let workers = fs::read_to_string(children).unwrap_or_default();
    child.kill().unwrap();
    child.wait().unwrap();
    for worker in workers.split_whitespace() {
        let pid = Pid::from_raw(worker.parse().unwrap()).unwrap();
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Sends a signal to a program and to all that it has started, which have
/// groups of their own; those that have ended are left out.
pub fn signal(program: Pid, signal: Signal) {
    let tasks = fs::read_dir(format!("/proc/{}/task", program.as_raw_pid()));
    let children = tasks.into_iter().flatten().flatten().map(|it| it.path().join("children"));
    let children: Vec<String> = children.filter_map(|it| fs::read_to_string(it).ok()).collect();
    // Whoever starts others first, so that it starts no more.
    let _ = kill_process(program, signal);
    for child in children.iter().flat_map(|it| it.split_whitespace()) {
        self::signal(Pid::from_raw(child.parse().unwrap()).unwrap(), signal);
    }
}

/// Finds the library of the package faketime: preloaded, it shows a program
/// the time that `FAKETIME`, or the file `FAKETIME_TIMESTAMP_FILE`, says.
pub fn faketime() -> PathBuf {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scratch/packages/usr/lib");
    let found = [Path::new("/usr/lib"), &unpacked].into_iter().find_map(|place| {
        let mut below = fs::read_dir(place).into_iter().flatten().flatten();
        let library = |it: fs::DirEntry| it.path().join("faketime/libfaketimeMT.so.1");
        below.find_map(|it| Some(library(it)).filter(|it| it.exists()))
    });
    found.expect("the package faketime is installed")
}

/// Returns bytes that look like chance, others for each seed.
pub fn noise(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Makes a command fail to write files beyond a size, as on a full disk.
pub fn on_a_full_disk(command: &Command, kilobytes: u32) -> Command {
    // Shells count in half kilobytes, or in whole ones.
    let script = format!("trap '' XFSZ; ulimit -f {kilobytes}; exec \"$0\" \"$@\"");
    let mut limited = Command::new("sh");
    limited.args(["-c", &script]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        limited.current_dir(directory);
    }
    limited
}
