//! The main path, with every version.

use hayloft_tests::postgres::installed_versions;

use crate::ground::{Ground, text};

#[test]
fn a_cluster_lives_its_life_in_every_version() {
    for programs in installed_versions() {
        let major = programs.major();
        let ground = Ground::of(programs);
        let data = ground.cluster("main");
        let status = ground.status(&data);
        assert_eq!(status["version"], major.to_string());
        assert_eq!(status["state"], "stopped");
        assert_eq!(status["cluster_state"], "shut down");
        assert_eq!(status["wal_segment_size"], 16 << 20);
        ground.pg(&["status", text(&data)]).exits(3);

        ground.started(&data);
        let pid = ground.pid(&data);
        let status = ground.pg(&["status", text(&data), "--json"]).exits(0).json();
        assert_eq!(
            (&status["phase"], &status["accepts_connections"]),
            (&"ready".into(), &true.into())
        );
        let control = ground.sql(&data, "SELECT system_identifier FROM pg_control_system()");
        assert_eq!(status["system_identifier"], control);
        let conninfo = ground.conninfo(&data);
        let asked = ground.pg(&["status", text(&data), "--json", "--conninfo", &conninfo]);
        assert_eq!(asked.exits(0).json()["confirmed_by_sql"], true);
        ground.start(&data).exits(1).complains(&format!("runs already, as process {pid}"));

        Ground::configure(&data, "work_mem = '7MB'\n");
        ground.pg(&["reload", text(&data)]).exits(0).says("applied: work_mem = 7MB");
        Ground::configure(&data, "max_connections = 33\n");
        ground.pg(&["reload", text(&data)]).exits(7).says("needs a restart: max_connections");
        ground
            .pg(&["restart", text(&data), "--bin-dir", text(ground.programs.directory())])
            .exits(0);
        assert_ne!(ground.pid(&data), pid);
        assert_eq!(ground.sql(&data, "SHOW max_connections"), "33");

        ground.stop(&data).exits(0).says("shut down");
        ground.stop(&data).exits(1).complains("does not run");
        let system = ground.status(&data)["system_identifier"].as_str().unwrap().to_owned();
        ground.pg(&["drop", text(&data), "--system-identifier", "17"]).exits(1).complains(&system);
        ground.pg(&["drop", text(&data), "--system-identifier", &system]).exits(0);
        assert!(ground.names().is_empty(), "{:?}", ground.names());
    }
}

#[test]
fn a_server_outlives_us_and_has_nothing_of_ours() {
    let ground = Ground::new();
    let data = ground.cluster("main");
    ground.started(&data);
    let pid = ground.pid(&data);
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    assert_eq!(fields[3], pid.to_string(), "it leads a session of its own");
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    assert!(!environment.contains("HAYLOFT"), "{environment}");
    assert!(environment.contains("LC_MESSAGES=C"), "{environment}");
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    for link in open.filter_map(|it| std::fs::read_link(it.unwrap().path()).ok()) {
        let known = ["/dev/null", "socket:", "pipe:", "anon_inode:"];
        let ours = link.starts_with(&data)
            || known.iter().any(|it| link.to_string_lossy().starts_with(it));
        assert!(ours, "{}", link.display());
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(data.join("server.log")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    ground.stop(&data).exits(0);
}

#[test]
fn sessions_decide_how_long_a_smart_stop_takes() {
    let ground = Ground::new();
    let data = ground.cluster("main");
    ground.started(&data);
    let mut psql = std::process::Command::new(ground.programs.path("psql"));
    psql.args(["-XAtq", "-d", &ground.conninfo(&data), "-c", "SELECT pg_sleep(1000)"]);
    let mut session = psql.stderr(std::process::Stdio::null()).spawn().unwrap();
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(1000)%'";
    crate::ground::eventually("the session is there", || ground.sql(&data, busy) >= "2".into());
    ground
        .pg(&["stop", text(&data), "--mode", "smart", "--timeout", "0.5"])
        .exits(1)
        .complains("last seen: stopping");
    assert_eq!(ground.status(&data)["phase"], "stopping");
    ground
        .pg(&["stop", text(&data), "--mode", "smart", "--escalate", "--timeout", "1"])
        .exits(0)
        .says("(fast)");
    session.wait().unwrap();
}

#[test]
fn a_dry_run_changes_nothing() {
    let ground = Ground::new();
    let arguments = ground.init_arguments("none", &["--dry-run"]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    ground.sandbox.run(&arguments).exits(0).says("would make a cluster of version 15");
    assert!(ground.names().is_empty());
    let data = ground.cluster("main");
    ground.pg(&["start", text(&data), "--dry-run"]).exits(0).says("would start");
    assert_eq!(ground.state(&data), "stopped");
    ground.started(&data);
    for command in ["stop", "restart", "reload", "promote"] {
        let pid = ground.pid(&data);
        ground.pg(&[command, text(&data), "--dry-run"]).exits(0).says("would");
        assert_eq!(ground.pid(&data), pid);
    }
    ground.stop(&data).exits(0);
    ground.pg(&["drop", text(&data), "--dry-run"]).exits(0).says("would be removed");
    assert_eq!(ground.state(&data), "stopped");
}
