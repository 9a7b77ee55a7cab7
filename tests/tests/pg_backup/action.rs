//! Base backups as a step of a run.

use super::ground::{Ended, Ground, ONE};

/// What a run needs besides.
const RUN: &str = "
  <extensions>
    <action><name>postgresbackup</name><plugin>postgresbackup</plugin><index>90</index></action>
  </extensions>
  <collect>
    <collect_dir>$DIR/collect</collect_dir><collect_mode>daily</collect_mode>
    <archive_mode>tar</archive_mode><ignore_file>.cbignore</ignore_file>
    <dir><abs_path>$DIR/collect</abs_path></dir>
  </collect>";

fn run(ground: &Ground, more: &[&str]) -> Ended {
    let mut command = ground.program("hayloft.conf");
    Ended::of(&command.args(["run", "postgresbackup"]).args(more).output().unwrap())
}

/// Which of the backups, oldest first, refer to another one.
fn incremental(ground: &Ground) -> Vec<bool> {
    let all = ground.ids("disk").into_iter().map(|id| ground.info("disk", &id));
    let done = all.inspect(|it| assert!(it.contains("status=DONE"), "{it}"));
    done.map(|it| !it.contains("parent_backup_id=None")).collect()
}

#[test]
fn a_run_takes_a_backup_when_one_is_due() {
    let ground = Ground::new(ONE);
    let fast = "<fast_checkpoint>Y</fast_checkpoint>";
    let configure = |elements: &str| {
        let one = ONE.replace("<part_size>", &format!("{elements}{fast}<part_size>"));
        ground.configure(&format!("{one}{RUN}"));
    };
    configure("");
    for directory in ["work", "collect"] {
        std::fs::create_dir(ground.path(directory)).unwrap();
        ground.give(&ground.path(directory));
    }
    run(&ground, &["--dry-run"]).exits(0);
    assert!(ground.ids("disk").is_empty());
    // At each run, and always a full one.
    run(&ground, &[]).exits(0);
    run(&ground, &[]).exits(0);
    assert_eq!(incremental(&ground), [false, false]);
    configure("<interval>1 DAY</interval>");
    run(&ground, &[]).exits(0);
    assert_eq!(incremental(&ground).len(), 2);
    configure("<interval>1s</interval><full_interval>1 WEEK</full_interval>");
    // The last one is older than that by now: it took longer itself.
    std::thread::sleep(std::time::Duration::from_secs(1));
    run(&ground, &[]).exits(0);
    assert_eq!(incremental(&ground), [false, false, true]);
    // One that fails is a failure of the run.
    ground.sql("ALTER SYSTEM SET archive_command = 'false'");
    ground.sql("SELECT pg_reload_conf()");
    configure("<wal_timeout>1s</wal_timeout>");
    run(&ground, &[]).exits(7).complains("waits for WAL");
    ground.configure(&format!("{}{RUN}", ONE.replace("$CONNINFO", "host=/nowhere")));
    run(&ground, &[]).exits(1).complains("not all servers are backed up");
}
