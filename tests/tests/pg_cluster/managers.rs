//! Clusters that others look after.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use crate::ground::{Ground, is_root, text};

/// Puts a program of that name first, which writes down how it is called.
fn recorder(ground: &mut Ground, name: &str, script: &str) {
    let calls = ground.sandbox.path("calls");
    let head = format!("#!/bin/sh\necho \"$(basename \"$0\") $*\" >> '{}'\n", calls.display());
    ground.sandbox.script(&format!("bin/{name}"), &(head + script));
    let path = std::env::var("PATH").unwrap();
    let bin = ground.sandbox.path("bin");
    ground.sandbox.env("PATH", format!("{}:{path}", bin.display()));
}

fn calls(ground: &Ground) -> String {
    let text = fs::read_to_string(ground.sandbox.path("calls")).unwrap_or_default();
    let told: Vec<&str> = text.lines().filter(|it| !it.contains(" show ")).collect();
    fs::write(ground.sandbox.path("calls"), "").unwrap();
    told.join("\n")
}

/// What a manager would do in the end.
fn really(ground: &Ground, data: &Path, verb: &str) -> String {
    let program = ground.sandbox.program().path();
    let bin = if verb == "stop" || verb == "reload" || verb == "promote" {
        String::new()
    } else {
        format!("--bin-dir '{}'", ground.programs.directory().display())
    };
    format!("exec '{}' pg cluster {verb} --direct '{}' {bin}\n", program.display(), data.display())
}

#[test]
fn a_unit_of_systemd_is_driven_by_systemctl() {
    let mut ground = Ground::new();
    let data = ground.cluster("main");
    let mut script = format!(
        "[ \"$1\" = show ] && printf 'Id=postgresql-x.service\\nLoadState=loaded\\nMainPID=0\\nEnvironment=PGDATA={}\\nExecStart=\\n' && exit 0\n",
        data.display()
    );
    script.push_str("case $1 in\n");
    for verb in ["start", "stop", "restart", "reload"] {
        let _ = writeln!(script, "{verb}) {} ;;", really(&ground, &data, verb).trim());
    }
    script.push_str("esac\n");
    recorder(&mut ground, "systemctl", &script);
    let unit = "postgresql-x.service";
    ground.pg(&["status", text(&data)]).exits(3).says(unit);
    for (verb, state) in [("start", "running"), ("restart", "running"), ("stop", "stopped")] {
        ground.pg(&[verb, text(&data)]).exits(0);
        assert_eq!(calls(&ground), format!("systemctl {verb} {unit}"));
        assert_eq!(ground.state(&data), state);
    }
    ground.pg(&["start", text(&data)]).exits(0);
    Ground::configure(&data, "work_mem = '5MB'\n");
    ground.pg(&["reload", text(&data)]).exits(0).says("applied: work_mem");
    assert!(calls(&ground).contains(&format!("systemctl reload {unit}")));
    ground.pg(&["stop", text(&data), "--mode", "immediate"]).exits(1).complains("looked after by");
    ground.pg(&["start", text(&data), "--set", "a.b=c", "--dry-run"]).exits(1);
    ground.pg(&["stop", text(&data), "--mode", "immediate", "--direct"]).exits(0);
    ground.pg(&["drop", text(&data), "--yes"]).exits(1).complains(unit);
}

#[test]
fn a_cluster_of_debians_is_driven_by_pg_ctlcluster() {
    let mut ground = Ground::new();
    let data = ground.cluster("main");
    let root = ground.sandbox.dir("etc");
    let conf = format!("data_directory = '{}'\n", data.display());
    ground.sandbox.write("etc/15/x/postgresql.conf", &conf);
    ground.sandbox.env("PG_CLUSTER_CONF_ROOT", text(&root));
    let mut script = String::from("for verb; do :; done\ncase $verb in\n");
    for verb in ["start", "stop", "restart", "reload"] {
        let _ = writeln!(script, "{verb}) {} ;;", really(&ground, &data, verb).trim());
    }
    script.push_str("esac\n");
    recorder(&mut ground, "pg_ctlcluster", &script);
    let named = root.join("15/x");
    ground.pg(&["status", text(&named)]).exits(3).says("pg_ctlcluster 15 x");
    ground.pg(&["start", text(&named)]).exits(0).says("started by pg_ctlcluster 15 x");
    assert_eq!(calls(&ground), "pg_ctlcluster 15 x start");
    ground.pg(&["restart", text(&data), "--mode", "smart"]).exits(0);
    assert_eq!(calls(&ground), "pg_ctlcluster -m smart 15 x restart");
    ground.pg(&["stop", text(&data)]).exits(0);
    assert_eq!(calls(&ground), "pg_ctlcluster -m fast 15 x stop");
    ground.pg(&["drop", text(&data), "--yes"]).exits(1).complains("pg_dropcluster 15 x");
}

#[test]
fn the_real_pg_ctlcluster_does_what_we_say() {
    let mut ground = Ground::new();
    // pg_createcluster is for root; the others for the owner as well.
    if !is_root() {
        return;
    }
    let root = ground.sandbox.dir("etc");
    let (data, log) = (ground.path("data"), ground.path("log"));
    ground.sandbox.env("PG_CLUSTER_CONF_ROOT", text(&root));
    let open = |path: &Path| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(path, mode).unwrap();
    };
    open(&root);
    open(root.parent().unwrap());
    let mut create = Command::new("pg_createcluster");
    create.env("PG_CLUSTER_CONF_ROOT", &root).args(["15", "hayloft", "--start-conf", "manual"]);
    create.args(["-d", text(&data), "-s", text(&data), "-l", text(&log), "-u", "postgres"]);
    create.args(["-p", "41999", "--", "--no-sync"]);
    let output = create.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!data.join("postgresql.conf").exists());
    ground.pg(&["start", text(&data)]).exits(0).says("started by pg_ctlcluster 15 hayloft");
    let status = ground.status(&data);
    assert_eq!((&status["state"], &status["phase"]), (&"running".into(), &"ready".into()));
    let conf = root.join("15/hayloft/postgresql.conf");
    let before = fs::read_to_string(&conf).unwrap();
    fs::write(&conf, before + "\nwork_mem = '6MB'\n").unwrap();
    ground.pg(&["reload", text(&data)]).exits(0).says("applied: work_mem = 6MB");
    ground.pg(&["restart", text(&data)]).exits(0);
    ground.pg(&["stop", text(&data)]).exits(0).says("pg_ctlcluster 15 hayloft");
    assert_eq!(ground.state(&data), "stopped");
    ground.pg(&["start", text(&data), "--direct"]).exits(1).complains("configuration");
}
