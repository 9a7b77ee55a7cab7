//! Service managers, and the unit files that come with the program.

use std::{
    fs,
    os::unix::net::UnixDatagram,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use hayloft_tests::postgres::version;
use rustix::process::Signal;

use super::setting::{PATIENCE, Setting, keeping};

/// What a service manager is told, until something is.
fn hears(socket: &UnixDatagram, wanted: impl Fn(&str) -> bool) -> String {
    let began = Instant::now();
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut all = Vec::new();
    while began.elapsed() < PATIENCE {
        let mut buffer = [0; 4096];
        if let Ok(read) = socket.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..read]).into_owned();
            if wanted(&text) {
                return text;
            }
            all.push(text);
        }
    }
    panic!("it was only told {all:?}");
}

#[test]
fn the_service_manager_is_told_how_it_is() {
    let mut server = keeping().programs(&version(15)).start();
    let setting = Setting::new(&server);
    let path = setting.sandbox.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let variables = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "2000000")];
    let mut receiver = setting.receive_in(&[], &variables);
    hears(&socket, |it| it == "READY=1");
    hears(&socket, |it| it.starts_with("STATUS=streaming; safe up to 0/"));
    for _ in 0..3 {
        hears(&socket, |it| it == "WATCHDOG=1");
    }
    // Also while it waits for a server.
    server.stop();
    hears(&socket, |it| it.starts_with("STATUS=waiting; "));
    for _ in 0..3 {
        hears(&socket, |it| it == "WATCHDOG=1");
    }
    server.start_again();
    hears(&socket, |it| it.starts_with("STATUS=streaming; "));
    rustix::process::kill_process(receiver.pid(), Signal::TERM).unwrap();
    hears(&socket, |it| it == "STOPPING=1");
    assert_eq!(receiver.ends(), Some(0), "{}", receiver.says());
}

#[test]
fn a_service_that_waits_for_its_server_is_ready() {
    let mut server = keeping().programs(&version(15)).start();
    let setting = Setting::new(&server);
    server.stop();
    let path = setting.sandbox.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let mut receiver = setting.receive_in(&[], &[("NOTIFY_SOCKET", path.to_str().unwrap())]);
    hears(&socket, |it| it == "READY=1");
    assert_eq!(receiver.is_told(Signal::TERM), Some(0), "{}", receiver.says());
}

/// The unit files.
fn units() -> Vec<std::path::PathBuf> {
    let directory =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/action-postgres-server/systemd");
    let mut all: Vec<_> = fs::read_dir(directory).unwrap().map(|it| it.unwrap().path()).collect();
    all.sort();
    assert_eq!(all.len(), 3, "{all:?}");
    all
}

#[test]
fn systemd_takes_the_unit_files() {
    let setting = tempfile::tempdir().unwrap();
    let program = hayloft_tests::Program::find().path();
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--man=no", "--recursive-errors=yes"]);
    for unit in units() {
        // They must be called as they are to be installed, and the program
        // must be there.
        let text = fs::read_to_string(&unit).unwrap();
        let text = text.replace("/usr/bin/hayloft", program.to_str().unwrap());
        assert!(text.contains(program.to_str().unwrap()) || unit.extension().unwrap() == "timer");
        let name = unit.file_name().unwrap().to_str().unwrap().to_owned();
        let path = setting.path().join(&name);
        fs::write(&path, text).unwrap();
        command.arg(setting.path().join(name.replace('@', "@main")));
    }
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    // What is wrong with units of this machine is not ours.
    let ours: Vec<&str> = errors.lines().filter(|it| it.contains("hayloft")).collect();
    assert!(output.status.success() && ours.is_empty(), "{errors}");
}

#[test]
fn the_commands_in_the_unit_files_exist() {
    for unit in units() {
        let text = fs::read_to_string(&unit).unwrap();
        for line in text.lines().filter_map(|it| it.strip_prefix("ExecStart=/usr/bin/hayloft ")) {
            let words = line.split_whitespace().filter(|it| !it.starts_with('-') && *it != "%i");
            let words: Vec<&str> = words.chain(["--help"]).collect();
            let output = hayloft_tests::Sandbox::new().ok(&words);
            output.says("Usage: hayloft pg wal");
        }
    }
}
