//! Machines that share a bucket, and a holder of its lease that stands still.

use std::process::{Child, Command, Stdio};

use hayloft_tests::chaos;
use rustix::process::{Pid, Signal};

use super::{
    ground::{Ended, Ground, wait_for},
    outages::Bucket,
};

/// No part is whole before the end, so there is nothing to be gone on with.
const SHARED: &str = "
  <storages>
    <storage><name>cloud</name>$BUCKET</storage>
    <storage><name>disk</name><type>local</type><root>$DIR/disk</root><create>Y</create></storage>
  </storages>
  <postgres_servers>
    <server><name>main</name><conninfo>$CONNINFO</conninfo><storage>cloud</storage>
      <wal><storage><name>disk</name></storage></wal>
      <backup><part_size>1GB</part_size></backup></server>
  </postgres_servers>";
/// The sessions of backups.
const OURS: &str = "FROM pg_stat_activity WHERE application_name = 'hayloft'";

struct Machines {
    bucket: Bucket,
    ground: Ground,
}

impl Machines {
    fn new() -> Self {
        let bucket = Bucket::start();
        let ground = Ground::new(&SHARED.replace("$BUCKET", &bucket.elements()));
        ground.second_machine();
        Self { bucket, ground }
    }

    /// `backup.info` of all backups, oldest first.
    fn infos(&self) -> Vec<String> {
        let objects = self.bucket.server.objects();
        let infos = objects.iter().filter(|(key, _)| key.ends_with("/backup.info"));
        infos.map(|(_, it)| String::from_utf8(it.content.to_vec()).unwrap()).collect()
    }

    fn spawn(command: &mut Command) -> Child {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Begins a backup that takes long, waits until it copies, and stops it.
    fn standing_still(&self) -> Child {
        let words = ["backup", "main", "--fast", "--max-rate", "1MB"];
        let child = Self::spawn(&mut self.ground.command(&words));
        wait_for("the beginning of the backup", || {
            self.infos().iter().any(|it| it.contains("status=STARTED"))
        });
        chaos::signal(Pid::from_child(&child), Signal::STOP);
        child
    }

    fn on_second(&self) -> Ended {
        let words = ["backup", "main", "--fast", "--json"];
        Ended::of(&self.ground.command_of("second.conf", &words).output().unwrap())
    }

    /// Lets a stopped one go on: it must have found out that it is too late.
    fn goes_on(child: Child, complaint: &str) {
        chaos::signal(Pid::from_child(&child), Signal::CONT);
        let ended = Ended::of(&child.wait_with_output().unwrap()).exits(1);
        ended.complains(complaint);
    }

    /// Nothing is there but what belongs to backups that are done, and what
    /// is said of one that failed; and both machines can take the next one.
    fn is_right(&self, done: usize) {
        let all = self.infos();
        let count = |status: &str| all.iter().filter(|it| it.contains(status)).count();
        assert_eq!((count("status=DONE"), count("status=FAILED")), (done, 1), "{all:?}");
        self.ground.backup(&["--incremental"]);
        self.on_second().exits(0);
        for (key, it) in self.bucket.server.objects() {
            if !key.ends_with("/backup.info") || !it.content.windows(6).any(|it| it == b"FAILED") {
                continue;
            }
            let base = key.trim_end_matches("backup.info");
            let objects = self.bucket.server.objects();
            let left: Vec<&String> = objects.keys().filter(|it| it.starts_with(base)).collect();
            assert_eq!(left, [&key]);
        }
        self.ground.pg(&["verify", "main"]).exits(0);
        assert_eq!(self.bucket.server.uploads(), [""; 0]);
    }
}

/// Its session is open still, so that nobody takes a backup; but its lease is
/// lost, and it must not go on as if nothing had been.
#[test]
fn one_that_stands_still_loses_its_lease_and_finds_out() {
    let it = Machines::new();
    let child = it.standing_still();
    it.on_second().exits(1).complains("is being taken already");
    Machines::goes_on(child, "lost");
    it.is_right(0);
}

/// Its machine is given up, and another one goes to work.
#[test]
fn one_that_wakes_up_does_no_harm_to_what_was_done_meanwhile() {
    let it = Machines::new();
    let child = it.standing_still();
    it.ground.sql(&format!("SELECT pg_terminate_backend(pid) {OURS}"));
    wait_for("the end of its session", || it.ground.sql(&format!("SELECT count(*) {OURS}")) == "0");
    let report = it.on_second().exits(0).json();
    let id = report["id"].as_str().unwrap();
    let of_it = || {
        let objects = it.bucket.server.objects();
        let base = format!("main/base/{id}/");
        let found = objects.into_iter().filter(|(key, _)| key.starts_with(&base));
        found.map(|(key, it)| (key, it.content)).collect::<Vec<_>>()
    };
    let before = of_it();
    assert!(before.len() > 2);
    Machines::goes_on(child, "lost");
    assert!(of_it() == before);
    it.is_right(1);
}

/// Whoever comes first; the others say who has the lease, or come after it.
#[test]
fn of_machines_that_begin_at_once_one_at_a_time_takes_a_backup() {
    let it = Machines::new();
    for _ in 0..3 {
        let words = ["backup", "main", "--fast"];
        let all = ["hayloft.conf", "second.conf"]
            .map(|configuration| Machines::spawn(&mut it.ground.command_of(configuration, &words)));
        let all = all.map(|it| Ended::of(&it.wait_with_output().unwrap()));
        assert!(all.iter().any(|it| it.code == Some(0)), "{all:?}");
        for ended in all.iter().filter(|it| it.code != Some(0)) {
            assert_eq!(ended.code, Some(1), "{ended:?}");
            ended.complains("is being taken already");
        }
    }
    let all = it.infos();
    assert!(all.len() >= 3 && all.iter().all(|it| it.contains("status=DONE")), "{all:?}");
    it.ground.pg(&["verify", "main"]).exits(0);
}
