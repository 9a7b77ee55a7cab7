//! Servers in containers, seen from outside and from other ones.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use crate::ground::{Ground, eventually, is_alive, is_root, text};

/// Prepares a shell in a namespace of processes of its own, as a container
/// has one.
fn container(script: &str) -> Command {
    let mut command = Command::new("unshare");
    if !is_root() {
        command.args(["--user", "--map-current-user"]);
    }
    command.args([
        "--pid",
        "--ipc",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "bash",
        "-c",
        script,
    ]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_remove("HAYLOFT_CONFIG").current_dir("/");
    command
}

/// A server in a container, which ends with this.
struct Contained(Child);

impl Contained {
    fn start(ground: &Ground, data: &std::path::Path) -> Self {
        let program = ground.sandbox.program().path();
        let script = format!(
            "'{}' pg cluster start '{}' --bin-dir '{}'; read -r word",
            program.display(),
            data.display(),
            ground.programs.directory().display()
        );
        let mut child = container(&script).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
        assert!(said.starts_with("started"), "{said}{}", Ground::log(data));
        Self(child)
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        // Its shell reads the end of its input, and takes everybody along.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn a_server_in_a_container_is_known_from_outside() {
    let ground = Ground::new();
    let data = ground.cluster("main");
    let contained = Contained::start(&ground, &data);
    let status = ground.pg(&["status", text(&data), "--json"]).exits(0).json();
    assert_eq!((&status["state"], &status["phase"]), (&"running".into(), &"ready".into()));
    let inside = std::fs::read_to_string(data.join("postmaster.pid")).unwrap();
    let pid = ground.pid(&data);
    assert_ne!(inside.lines().next().unwrap(), pid.to_string());
    assert!(is_alive(pid));
    ground.start(&data).exits(1).complains(&format!("runs already, as process {pid}"));
    // From here it would come up outside of its container.
    ground.pg(&["restart", text(&data)]).exits(1).complains("in a container");
    assert_eq!(ground.pid(&data), pid);
    ground.stop(&data).exits(0);
    drop(contained);
    ground.started(&data);
}

#[test]
fn a_server_in_another_container_keeps_its_directory() {
    let ground = Ground::new();
    let data = ground.cluster("main");
    let contained = Contained::start(&ground, &data);
    let pid = ground.pid(&data);
    let program = ground.sandbox.program().path();
    let ask = |arguments: &str| {
        let script = format!("'{}' pg cluster {arguments}", program.display());
        let output = container(&script).stdin(Stdio::null()).output().unwrap();
        let all = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&all).into_owned())
    };
    let (code, said) = ask(&format!("status '{}' --json", data.display()));
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("\"stale_reason\": \"hidden\""), "{said}");
    let bin = ground.programs.directory().display();
    for command in [
        format!("start '{}' --bin-dir '{bin}' --timeout 5", data.display()),
        format!("stop '{}'", data.display()),
        format!("restart '{}' --bin-dir '{bin}'", data.display()),
        format!("drop '{}' --yes", data.display()),
    ] {
        let (code, said) = ask(&command);
        assert_eq!(code, Some(1), "{command}: {said}");
        assert!(said.contains("cannot be seen from here"), "{command}: {said}");
    }
    assert_eq!(ground.pid(&data), pid, "it is as before");
    assert_eq!(ground.sql(&data, "SELECT 1"), "1");
    drop(contained);
    eventually("its container is gone", || !is_alive(pid));
    ground.started(&data);
}
