//! What a drop takes along, and what never.

use std::{fs, os::unix::fs::symlink, path::Path, thread::sleep, time::Duration};

use crate::ground::{Ground, own, text};

/// A cluster with WAL and a table elsewhere.
fn spread(ground: &Ground) -> std::path::PathBuf {
    let (wal, space) = (ground.path("wal"), ground.path("space"));
    let data = ground.cluster_with("main", &[&format!("--waldir={}", text(&wal))]);
    fs::create_dir(&space).unwrap();
    own(&space);
    ground.started(&data);
    ground.sql(&data, &format!("CREATE TABLESPACE s LOCATION '{}'", text(&space)));
    ground.sql(&data, "CREATE TABLE t TABLESPACE s AS SELECT 1 AS a");
    data
}

fn drop_it(ground: &Ground, data: &Path) -> hayloft_tests::Output {
    ground.pg(&["drop", text(data), "--yes"])
}

#[test]
fn tablespaces_and_wal_go_along_and_nothing_else() {
    let ground = Ground::new();
    let data = spread(&ground);
    let space = ground.path("space");
    fs::write(space.join("precious"), "x").unwrap();
    fs::create_dir(space.join("PG_14_202107181")).unwrap();
    drop_it(&ground, &data).exits(1).complains("runs already");
    ground.stop(&data).exits(0);
    ground.pg(&["drop", text(&data)]).exits(1).complains("nothing says");
    ground.pg(&["drop", text(&data), "--dry-run"]).exits(0).says(text(&space)).says("wal");
    drop_it(&ground, &data).exits(0);
    assert_eq!(ground.names(), ["space"]);
    let mut left: Vec<_> =
        fs::read_dir(&space).unwrap().map(|it| it.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["PG_14_202107181", "precious"]);
}

#[test]
fn no_hostile_link_is_followed() {
    let ground = Ground::new();
    let data = ground.cluster("main");
    let victim = ground.path("victim");
    fs::create_dir_all(victim.join("inside")).unwrap();
    fs::write(victim.join("precious"), "x").unwrap();
    own(&victim);
    symlink(&victim, data.join("base/link")).unwrap();
    symlink(victim.join("precious"), data.join("link")).unwrap();
    symlink("/", data.join("root")).unwrap();
    symlink(&victim, data.join("pg_tblspc/12345")).unwrap();
    symlink(&victim, data.join("pg_tblspc/not-a-number")).unwrap();
    fs::remove_dir_all(data.join("pg_wal")).unwrap();
    symlink(&victim, data.join("pg_wal")).unwrap();
    drop_it(&ground, &data).exits(7).says("left alone").says("which is no WAL");
    assert_eq!(ground.names(), ["victim"]);
    assert!(victim.join("precious").exists() && victim.join("inside").exists());
}

#[test]
fn a_tablespace_whose_part_is_a_link_stays() {
    let ground = Ground::new();
    let data = spread(&ground);
    ground.stop(&data).exits(0);
    let space = ground.path("space");
    let part = fs::read_dir(&space).unwrap().next().unwrap().unwrap().path();
    fs::rename(&part, ground.path("victim")).unwrap();
    symlink(ground.path("victim"), &part).unwrap();
    drop_it(&ground, &data).exits(7).says("no directory of the cluster's owner");
    assert!(fs::read_dir(ground.path("victim")).unwrap().next().is_some());
}

#[test]
fn a_copy_does_not_take_what_the_original_uses() {
    let ground = Ground::new();
    let data = spread(&ground);
    ground.stop(&data).exits(0);
    let copy = ground.copy(&data, "copy");
    ground.started(&data);
    drop_it(&ground, &copy).exits(1).complains("uses").complains("too");
    assert_eq!(ground.sql(&data, "SELECT a FROM t"), "1");
    assert!(copy.exists());
}

#[test]
fn what_is_no_stopped_cluster_is_refused() {
    let ground = Ground::new();
    let data = ground.cluster("main");
    symlink(&data, ground.path("link")).unwrap();
    drop_it(&ground, &ground.path("link")).exits(1).complains("is a link");
    for place in ["/", "/tmp", "/proc", text(&ground.path(""))] {
        ground.pg(&["drop", place, "--yes"]).exits(1);
    }
    let system = fs::read(data.join("global/pg_control")).unwrap();
    fs::write(data.join("global/pg_control"), [0; 8192]).unwrap();
    drop_it(&ground, &data).exits(1).complains("half initialised");
    fs::write(data.join("global/pg_control"), system).unwrap();
    Ground::forge_text(&data, "garbage\n");
    drop_it(&ground, &data).exits(1).complains("postmaster.pid");
    fs::remove_file(data.join("postmaster.pid")).unwrap();
    ground.started(&data);
    // Who removes the file of a running server does not get its files.
    let file = fs::read_to_string(data.join("postmaster.pid")).unwrap();
    fs::remove_file(data.join("postmaster.pid")).unwrap();
    drop_it(&ground, &data).exits(1).complains("still work in");
    ground.start(&data).exits(1).complains("still work in");
    Ground::forge_text(&data, &file);
    ground.stop(&data).exits(0);
    drop_it(&ground, &data).exits(0);
}

/// The number of a cluster, as `status` shows it.
fn system(ground: &Ground, data: &Path) -> String {
    let status = ground.status(data);
    status["system_identifier"].as_str().unwrap().to_owned()
}

#[test]
fn a_drop_that_was_cut_off_is_finished_by_the_next_one() {
    let ground = Ground::new();
    let data = spread(&ground);
    ground.stop(&data).exits(0);
    let number = system(&ground, &data);
    // Killed right after the name was taken away: tablespaces and WAL are there.
    let hidden = ground.path(&format!(".dropping-main-{number}-0badc0de"));
    fs::rename(&data, &hidden).unwrap();
    let other = ["drop", text(&data), "--system-identifier", "1"];
    ground.pg(&other).exits(1);
    assert!(hidden.exists());
    ground.pg(&["drop", text(&data), "--dry-run"]).exits(0).says(text(&hidden)).says("space");
    assert!(hidden.exists());
    ground.pg(&["drop", text(&data), "--system-identifier", &number]).exits(0);
    assert_eq!(ground.names(), ["space"]);
    assert_eq!(fs::read_dir(ground.path("space")).unwrap().count(), 0);
    // Killed later: it is no cluster any more.
    let data = ground.cluster("second");
    let hidden = ground.path(&format!(".dropping-second-{}-0badc0de", system(&ground, &data)));
    fs::rename(&data, &hidden).unwrap();
    fs::remove_dir_all(hidden.join("global")).unwrap();
    // A new cluster took the name since; another's name only begins the same.
    let data = ground.cluster("second");
    let others = ground.path(".dropping-second-old-1-0badc0de");
    fs::create_dir(&others).unwrap();
    drop_it(&ground, &data).exits(0).says(text(&hidden)).says(text(&data));
    assert_eq!(ground.names(), [".dropping-second-old-1-0badc0de", "space"]);
    drop_it(&ground, &data).exits(1);
}

#[test]
fn a_drop_is_killed_at_any_time_and_done_again() {
    let ground = Ground::new();
    let template = ground.cluster("template");
    for delay in [0, 1, 2, 4, 8, 16, 32] {
        let data = ground.copy(&template, "victim");
        let mut child = ground.sandbox.spawn(&["pg", "cluster", "drop", text(&data), "--yes"]);
        while data.exists() && child.try_wait().unwrap().is_none() {
            sleep(Duration::from_millis(1));
        }
        sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        // The worker that was at work ends by itself when its parent is gone.
        let mut output = drop_it(&ground, &data);
        for _ in 0..200 {
            if !output.stderr.contains("another process is dropping it") {
                break;
            }
            sleep(Duration::from_millis(50));
            output = drop_it(&ground, &data);
        }
        assert_eq!(ground.names(), ["template"], "{delay}: {output}");
    }
}
