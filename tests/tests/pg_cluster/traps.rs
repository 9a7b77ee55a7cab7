//! What other programs take for a running server, or for none.

use std::{fs, net::TcpListener, os::unix::process::CommandExt, process::Command, thread};

use rustix::process::{Pid, Signal, kill_process};

use crate::ground::{Ground, eventually, is_alive, is_root, text};

fn kill(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

#[test]
fn an_innocent_process_with_the_number_is_never_signalled() {
    let ground = Ground::new();
    let data = ground.cluster("main");
    let mut innocent = Ground::innocent();
    Ground::forge(&data, innocent.id().into());
    let status = ground.pg(&["status", text(&data), "--json"]).exits(3).json();
    assert_eq!(
        (&status["state"], &status["stale_reason"]),
        (&"stale".into(), &"other-program".into())
    );
    assert_eq!(status["stale_pid"], innocent.id());
    for command in ["stop", "reload", "promote"] {
        ground.pg(&[command, text(&data)]).exits(1).complains("speaks of no living server");
    }
    ground.pg(&["stop", text(&data), "--mode", "kill"]).exits(1);
    ground.started(&data);
    assert!(is_alive(innocent.id()));
    assert_ne!(ground.pid(&data), innocent.id());
    ground.stop(&data).exits(0);
    innocent.kill().unwrap();
    innocent.wait().unwrap();
}

#[test]
fn the_server_of_another_directory_is_not_ours() {
    let ground = Ground::new();
    let (mine, other) = (ground.cluster("mine"), ground.cluster("other"));
    ground.started(&other);
    let pid = ground.pid(&other);
    Ground::forge(&mine, pid.into());
    assert_eq!(ground.status(&mine)["stale_reason"], "other-directory");
    ground.stop(&mine).exits(1);
    assert!(is_alive(pid));
    // A whole copy of the other's pid file, as of a copied directory.
    fs::copy(other.join("postmaster.pid"), mine.join("postmaster.pid")).unwrap();
    assert_eq!(ground.status(&mine)["stale_reason"], "other-directory");
    ground.started(&mine);
    assert!(is_alive(pid));
}

#[test]
fn each_kind_of_stale_pid_file_is_told_apart() {
    let ground = Ground::new();
    let data = ground.cluster("main");
    let reason = || ground.status(&data)["stale_reason"].as_str().unwrap_or("none").to_owned();
    let mut gone = Ground::innocent();
    gone.kill().unwrap();
    Ground::forge(&data, gone.id().into());
    assert_eq!(reason(), "zombie");
    let error = ground.pg(&["start", text(&data), "--timeout", "0.5"]).exits(1);
    error.complains("is a zombie");
    gone.wait().unwrap();
    assert_eq!(reason(), "dead");
    for garbage in ["", "x\n", "0\n", "99999999999\n"] {
        Ground::forge_text(&data, garbage);
        assert_eq!(reason(), "garbage", "{garbage:?}");
        ground.start(&data).exits(1).complains("postmaster.pid");
    }
    if is_root() {
        // The tests' own process belongs to root.
        Ground::forge(&data, std::process::id().into());
        assert_eq!(reason(), "foreign-owner");
    }
    fs::remove_file(data.join("postmaster.pid")).unwrap();
    ground.started(&data);
}

#[test]
fn a_server_in_single_user_mode_is_no_running_server() {
    let ground = Ground::new();
    let data = ground.cluster("main");
    ground.started(&data);
    let pid = ground.pid(&data);
    let text_of = fs::read_to_string(data.join("postmaster.pid")).unwrap();
    Ground::forge_text(&data, &format!("-{text_of}"));
    assert_eq!(ground.state(&data), "single-user");
    ground.stop(&data).exits(1).complains("single-user mode");
    assert!(is_alive(pid));
    Ground::forge_text(&data, &text_of);
    ground.stop(&data).exits(0);
}

#[test]
fn a_killed_server_is_down_and_starts_again() {
    let ground = Ground::new();
    let data = ground.cluster("main");
    ground.started(&data);
    ground.sql(&data, "CREATE TABLE t AS SELECT 1 AS a");
    let pid = ground.pid(&data);
    kill(pid, Signal::KILL);
    eventually("it is seen", || ground.state(&data) == "stale");
    ground.started(&data);
    assert_ne!(ground.pid(&data), pid);
    assert_eq!(ground.sql(&data, "SELECT a FROM t"), "1");
    ground.pg(&["stop", text(&data), "--mode", "kill"]).exits(0).says("(kill)");
    ground.started(&data);
    ground.pg(&["stop", text(&data), "--mode", "immediate"]).exits(0).says("in production");
}

#[test]
fn a_wrong_clock_does_not_hide_a_running_server() {
    let ground = Ground::new();
    let data = ground.cluster("main");
    ground.started(&data);
    let pid = ground.pid(&data);
    let text_of = fs::read_to_string(data.join("postmaster.pid")).unwrap();
    let mut lines: Vec<&str> = text_of.lines().collect();
    lines[2] = "1000000000";
    Ground::forge_text(&data, &(lines.join("\n") + "\n"));
    // It holds the socket.
    assert_eq!(ground.pid(&data), pid);
    lines[4] = "/nonexistent";
    Ground::forge_text(&data, &(lines.join("\n") + "\n"));
    assert_eq!(ground.status(&data)["stale_reason"], "other-start");
    ground.stop(&data).exits(1);
    ground.start(&data).exits(1);
    assert!(is_alive(pid));
    Ground::forge_text(&data, &text_of);
    ground.stop(&data).exits(0);
}

#[test]
fn what_keeps_a_server_from_starting_is_told() {
    let ground = Ground::new();
    let data = ground.cluster("main");
    let conf = data.join("conf.d/00-hayloft.conf");
    let good = fs::read_to_string(&conf).unwrap();
    let cases = [
        ("this is no setting\n", "conf.d/00-hayloft.conf\" line"),
        ("no_such_parameter = 1\n", "no_such_parameter"),
        ("work_mem = 'much'\n", "work_mem"),
        ("max_wal_senders = 1\nmax_connections = -5\n", "max_connections"),
    ];
    for (line, part) in cases {
        fs::write(&conf, good.clone() + line).unwrap();
        ground.start(&data).exits(1).complains("the configuration has mistakes").complains(part);
    }
    fs::write(&conf, &good).unwrap();
    let rules = data.join("pg_hba.conf");
    let before = fs::read_to_string(&rules).unwrap();
    fs::write(&rules, "local all all nonsense\n").unwrap();
    ground.start(&data).exits(1).complains("the configuration has mistakes").complains("line 1");
    fs::write(&rules, before).unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let busy = format!("listen_addresses = '127.0.0.1'\nport = {port}\n");
    fs::write(&conf, good.clone() + &busy).unwrap();
    let output = ground.start(&data).exits(1);
    output.complains("Address already in use");
    output.complains(&format!("process {} has it", std::process::id()));
    // The log may be one for programs.
    for format in ["stderr", "csvlog", "jsonlog"] {
        let collected = format!("{busy}logging_collector = on\nlog_destination = {format}\n");
        fs::write(&conf, good.clone() + &collected).unwrap();
        ground.start(&data).exits(1).complains("Address already in use");
    }
    fs::write(&conf, good.clone() + "listen_addresses = 'no.such.host.invalid'\n").unwrap();
    let output = ground.start(&data).exits(1);
    output.complains("the configuration has mistakes: could not translate host name");
    fs::write(&conf, &good).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode;
    fs::set_permissions(&data, mode(0o755)).unwrap();
    ground.start(&data).exits(1).complains("invalid permissions").complains("0700");
    fs::set_permissions(&data, mode(0o700)).unwrap();
    ground.started(&data);
}

#[test]
fn the_socket_of_another_server_is_in_use() {
    let ground = Ground::new();
    let (one, two) = (ground.cluster("one"), ground.cluster("two"));
    let port = Ground::port_of(&one);
    let socket = format!("port = {port}\nunix_socket_directories = '{}'\n", one.display());
    Ground::configure(&two, &socket);
    ground.started(&one);
    let output = ground.start(&two).exits(1);
    output.complains("already exists").complains(&format!("process {} has it", ground.pid(&one)));
    assert_eq!(ground.state(&two), "stopped");
    ground.stop(&one).exits(0);
    ground.started(&two);
}

#[test]
fn programs_of_another_version_are_not_let_near() {
    let ground = Ground::new();
    let data = ground.cluster("main");
    let other = hayloft_tests::postgres::version(16);
    let output = ground.pg(&["start", text(&data), "--bin-dir", text(other.directory())]);
    output.exits(1).complains("is of version 16, and 15 is needed");
    assert_eq!(ground.state(&data), "stopped");
}

#[test]
fn of_several_starts_at_once_one_wins() {
    let ground = Ground::new();
    let data = ground.cluster("main");
    let bin = ground.programs.directory().to_owned();
    let codes: Vec<Option<i32>> = thread::scope(|scope| {
        let run = || {
            let mut command = ground_command(&data, &bin);
            scope.spawn(move || command.output().unwrap().status.code())
        };
        let all: Vec<_> = (0..3).map(|_| run()).collect();
        all.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert_eq!(codes.iter().filter(|it| **it == Some(0)).count(), 1, "{codes:?}");
    assert_eq!(ground.state(&data), "running");
    ground.stop(&data).exits(0);
}

fn ground_command(data: &std::path::Path, bin: &std::path::Path) -> Command {
    let mut command = Command::new(hayloft_tests::Program::find().path());
    command.args(["pg", "cluster", "start"]).arg(data).arg("--bin-dir").arg(bin);
    command.current_dir("/").stdin(std::process::Stdio::null());
    command
}

#[test]
fn what_is_no_cluster_has_its_own_exit_code() {
    let ground = Ground::new();
    let (none, empty) = (ground.path("none"), ground.path("empty"));
    fs::create_dir(&empty).unwrap();
    for (path, state) in [(&none, "missing"), (&empty, "not-a-cluster")] {
        assert_eq!(ground.pg(&["status", text(path), "--json"]).exits(4).json()["state"], state);
        for command in ["start", "stop", "reload", "promote", "restart"] {
            ground.pg(&[command, text(path)]).exits(1);
        }
    }
    let data = ground.cluster("half");
    let control = fs::read(data.join("global/pg_control")).unwrap();
    let mut damaged = control.clone();
    damaged[20] ^= 1;
    fs::write(data.join("global/pg_control"), damaged).unwrap();
    assert_eq!(
        ground.pg(&["status", text(&data), "--json"]).exits(4).json()["state"],
        "half-initialised"
    );
    ground.start(&data).exits(1).complains("only half initialised");
    fs::write(data.join("global/pg_control"), control).unwrap();
    assert_eq!(ground.state(&data), "stopped");
    // An initdb that was killed just before its end: the last database is missing.
    let last = data.join("base").join(last_database(&data));
    fs::rename(&last, ground.path("aside")).unwrap();
    assert_eq!(ground.state(&data), "half-initialised");
    // On a cluster that lived somebody may have dropped it.
    Ground::touch(&data.join("postmaster.opts"));
    assert_eq!(ground.state(&data), "stopped");
    fs::remove_file(data.join("postmaster.opts")).unwrap();
    fs::rename(ground.path("aside"), &last).unwrap();
    ground.started(&data);
}

/// The directory of the database that initdb makes last.
fn last_database(data: &std::path::Path) -> String {
    let entries = fs::read_dir(data.join("base")).unwrap();
    let numbers = entries.filter_map(|it| it.unwrap().file_name().to_str()?.parse::<u32>().ok());
    numbers.max().unwrap().to_string()
}

/// Tells whether no process of a group runs any more.
fn is_gone(group: u32) -> bool {
    let group = group.to_string();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut stats = processes.filter_map(|it| fs::read_to_string(it.path().join("stat")).ok());
    // After the program's name: the state, the parent, the group.
    !stats.any(|stat| {
        let words: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        words[0] != "Z" && words[2] == group
    })
}

#[test]
fn an_initdb_that_is_killed_at_any_moment_leaves_no_cluster() {
    let ground = Ground::new();
    let data = ground.path("main");
    let mut seen = std::collections::BTreeSet::new();
    for wait in [0, 150, 400, 800, 1300] {
        let mut command = ground.initdb(&data);
        let mut child = command.process_group(0).spawn().unwrap();
        eventually("it has begun", || data.join("PG_VERSION").exists());
        thread::sleep(std::time::Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        // The server inside of it ends when nobody talks to it any more; it may
        // just have been started, and not have said yet that it is there.
        eventually("nobody is at it", || is_gone(child.id()));
        let state = ground.state(&data);
        if state == "stopped" {
            // It was done but for the farewell.
            ground.started_directly(&data);
        }
        assert!(["half-initialised", "stopped", "running"].contains(&state.as_str()), "{state}");
        seen.insert(state);
        ground.pg(&["stop", text(&data), "--mode", "immediate"]);
        fs::remove_dir_all(&data).unwrap();
    }
    assert!(seen.contains("half-initialised"), "{seen:?}");
}
