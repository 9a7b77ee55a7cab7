//! Standbys, promotions and recoveries to a point in time.

use std::fs;

use crate::ground::{Ground, text};

#[test]
fn a_standby_is_told_from_a_primary_and_promoted() {
    let ground = Ground::new();
    let primary = ground.cluster("primary");
    let standby = ground.copy(&primary, "standby");
    Ground::touch(&standby.join("standby.signal"));
    ground.started(&standby);
    let status = ground.status(&standby);
    assert_eq!(
        (&status["phase"], &status["cluster_state"]),
        (&"hot-standby".into(), &"in archive recovery".into())
    );
    ground.pg(&["promote", text(&primary)]).exits(1).complains("does not run");
    ground.pg(&["promote", text(&standby)]).exits(0).says("promoted");
    assert_eq!(ground.status(&standby)["phase"], "ready");
    assert_eq!(ground.sql(&standby, "SELECT pg_is_in_recovery()"), "f");
    assert!(!standby.join("promote").exists() && !standby.join("standby.signal").exists());
    ground.pg(&["promote", text(&standby)]).exits(1).complains("no standby");
    assert!(!standby.join("promote").exists());
}

#[test]
fn a_standby_without_connections_is_started_and_not_usable() {
    let ground = Ground::new();
    let primary = ground.cluster("primary");
    let standby = ground.copy(&primary, "standby");
    Ground::touch(&standby.join("standby.signal"));
    Ground::configure(&standby, "hot_standby = off\n");
    ground.start(&standby).exits(1).complains("takes no connections");
    assert_eq!(ground.status(&standby)["phase"], "standby");
    ground.stop(&standby).exits(0);
    let bin = text(ground.programs.directory());
    ground.pg(&["start", text(&standby), "--bin-dir", bin, "--wait-for", "started"]).exits(0);
    let waited = ["start", text(&standby), "--bin-dir", bin, "--wait-for", "read-write"];
    ground.pg(&waited).exits(1).complains("runs already");
}

#[test]
fn a_recovery_that_cannot_get_there_is_a_failure() {
    let ground = Ground::new();
    let primary = ground.cluster("primary");
    let copy = ground.copy(&primary, "copy");
    Ground::touch(&copy.join("recovery.signal"));
    Ground::configure(&copy, "recovery_target_name = 'never'\n");
    ground.start(&copy).exits(1).complains("recovery failed").complains("restore_command");
    Ground::configure(&copy, "restore_command = 'false'\n");
    ground.start(&copy).exits(1).complains("recovery ended before configured recovery target");
    assert_ne!(ground.state(&copy), "running");
}

#[test]
fn started_means_that_the_recovery_is_at_its_end() {
    let ground = Ground::new();
    let primary = ground.cluster("primary");
    let copies = [("promote", "ready"), ("pause", "hot-standby")];
    let copies = copies.map(|(action, phase)| (ground.copy(&primary, action), action, phase));
    ground.started(&primary);
    ground.sql(&primary, "CREATE TABLE t AS SELECT 1 AS a");
    ground.sql(&primary, "SELECT pg_create_restore_point('here')");
    ground.sql(&primary, "DROP TABLE t");
    ground.stop(&primary).exits(0);
    for (copy, action, phase) in copies {
        Ground::touch(&copy.join("recovery.signal"));
        let target = format!(
            "restore_command = 'sleep 0.3; cp {}/pg_wal/%f %p'\nrecovery_target_name = 'here'\n\
             recovery_target_action = '{action}'\n",
            primary.display()
        );
        Ground::configure(&copy, &target);
        ground.started(&copy);
        assert_eq!(ground.status(&copy)["phase"], phase, "{}", Ground::log(&copy));
        assert_eq!(ground.sql(&copy, "SELECT a FROM t"), "1");
    }
}

#[test]
fn a_time_out_tells_how_far_the_server_was() {
    let ground = Ground::new();
    let primary = ground.cluster("primary");
    let copy = ground.copy(&primary, "copy");
    Ground::touch(&copy.join("recovery.signal"));
    Ground::configure(&copy, "restore_command = 'sleep 5; false'\n");
    let bin = text(ground.programs.directory());
    let output = ground.pg(&["start", text(&copy), "--bin-dir", bin, "--timeout", "1"]).exits(1);
    output.complains("within 1 s; last seen: starting");
    assert_eq!(ground.status(&copy)["phase"], "starting");
    fs::metadata(copy.join("postmaster.pid")).unwrap();
}
