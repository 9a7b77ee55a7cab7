//! Storages that fail, are full, are slow, or lie.

use std::fs;

use super::{
    archiving::load,
    ground::{Ended, Ground, archive_all, check_archive, done, wait_for, waiting},
    segments::Segment,
};

const FAULTY: &str = "
  <storages>
    <storage><name>disk</name><type>local</type><root>$DIR/disk</root><create>Y</create></storage>
    <storage><name>far</name><type>fault</type><root>$DIR/far</root></storage>
  </storages>
  <postgres_servers>
    <server><name>main</name><storage>disk</storage><storage>far</storage>
      <wal><spool>$DIR/spool</spool></wal></server>
  </postgres_servers>";

fn ground() -> Ground {
    let ground = Ground::new(FAULTY);
    ground.add_fixture("fault-storage");
    fs::create_dir(ground.path("far")).unwrap();
    ground
}

fn fault(ground: &Ground, faults: &str) {
    fs::write(ground.path("far.faults"), faults).unwrap();
}

fn push(ground: &Ground, segment: Segment) -> Ended {
    ground.wal(&["push", "main", segment.write(ground).to_str().unwrap()])
}

#[test]
fn a_push_succeeds_only_when_every_storage_has_the_segment() {
    let ground = ground();
    let cases: [(&str, Result<(), &str>); 8] = [
        ("down", Err("tried 3 times")),
        ("broken", Err("the storage is broken")),
        ("full", Err("no room is left")),
        ("commit", Err("the storage is busy")),
        ("lost", Ok(())),
        ("slow 200", Ok(())),
        ("slow 5\nlost", Ok(())),
        ("", Ok(())),
    ];
    for (number, (faults, expected)) in (1..).zip(cases) {
        let segment = Segment::number(number);
        fault(&ground, faults);
        let ended = push(&ground, segment);
        match expected {
            Ok(()) => {
                ended.exits(0);
            }
            Err(complaint) => {
                let ended = ended.exits(1);
                ended.complains(complaint);
                ended.complains("is not archived everywhere (it is in disk)");
                ended.complains("storage far");
                // The other storage has it, and nothing keeps it from being
                // stored everywhere later.
                fault(&ground, "");
                push(&ground, segment).exits(0);
            }
        }
        fault(&ground, "");
        let far = format!("main%2Fwals%2F0000000100000000%2F{}.zst", segment.name());
        assert!(ground.path("far").join(far).exists(), "{faults}");
        assert!(ground.fetch(&segment.name()) == segment.bytes());
    }
    let rubbish = ground.stored("far").into_iter().filter(|it| it.starts_with(".new"));
    assert_eq!(rubbish.count(), 0);
}

#[test]
fn a_plugin_that_ends_the_process_is_no_success() {
    let ground = ground();
    let segment = Segment::number(1);
    fault(&ground, "exit");
    push(&ground, segment).exits(1).complains("ended the process before its work was done");
    fault(&ground, "crash");
    let ended = push(&ground, segment);
    assert_eq!(ended.code, None, "it ends by a signal: {}", ended.stderr);
    fault(&ground, "");
    push(&ground, segment).exits(0);
}

#[test]
fn a_broken_network_never_looks_like_the_end_of_the_archive() {
    let ground = ground();
    let segment = Segment::number(1);
    push(&ground, segment).exits(0);
    let get = |name: &str| ground.wal(&["get", "main", name, "target"]);
    let missing = Segment::number(2).name();
    get(&missing).exits(1);
    for faults in ["down", "broken"] {
        fault(&ground, faults);
        get(&missing).exits(201).complains("cannot fetch");
        // The other storage has it.
        get(&segment.name()).exits(0);
    }
    fs::remove_dir_all(ground.path("disk/main/wals")).unwrap();
    fault(&ground, "");
    get(&segment.name()).exits(0);
    for faults in ["down", "broken", "flip", "short"] {
        fault(&ground, faults);
        fs::remove_file(ground.path("target")).unwrap_or_default();
        get(&segment.name()).exits(201).complains("cannot fetch");
        assert!(!ground.path("target").exists());
    }
}

#[test]
fn a_server_goes_on_when_its_storage_comes_back() {
    let mut ground = ground();
    let server = ground.archiving().initdb("--wal-segsize=1").start();
    ground.belong_to(&server);
    ground.give(&ground.path("far"));
    server.pgbench("bench", 1);
    for faults in ["full", "down", "broken", "slow 30", "lost", "flip"] {
        // What was stored while its answer got lost cannot be compared by one
        // that reads other bits, so nothing is under way when they change.
        if faults == "flip" {
            fault(&ground, "");
            archive_all(&server);
        }
        fault(&ground, faults);
        let before = done(&server).len();
        load(&server, 4).wait().unwrap();
        // However slow the disk is, there is a segment to archive.
        server.sql("postgres", "SELECT pg_switch_wal()");
        if matches!(faults, "full" | "down" | "broken") {
            wait_for("segments that wait", || !waiting(&server).is_empty());
        } else {
            wait_for("segments that are archived", || done(&server).len() > before);
        }
    }
    fault(&ground, "");
    archive_all(&server);
    assert!(check_archive(&ground, &server) > 6);
    // The far storage has all of it too.
    fs::remove_dir_all(ground.path("disk/main/wals")).unwrap();
    assert!(check_archive(&ground, &server) > 6);
}

#[test]
fn a_file_system_that_is_full_keeps_the_segment_with_the_server() {
    let ground = Ground::new(super::ground::PLAIN);
    fs::create_dir(ground.path("disk")).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=3m", "hayloft-test"])
        .arg(ground.path("disk"))
        .status()
        .unwrap();
    assert!(mounted.success(), "this test mounts a small file system, and so needs root");
    let plain = super::ground::PLAIN.replace("<wal>", "<wal><compress>none</compress>");
    ground.configure(&plain);
    let (mut kept, mut refused) = (0, 0);
    for number in 1..=4 {
        let segment = Segment::number(number);
        match push(&ground, segment).code {
            Some(0) => kept += u32::from(ground.fetch(&segment.name()) == segment.bytes()),
            code => {
                assert_eq!(code, Some(1));
                ground.wal(&["get", "main", &segment.name(), "x"]).exits(1);
                refused += 1;
            }
        }
    }
    // Room is made, and everything goes on.
    fs::remove_file(ground.path("disk/main/wals/0000000100000000").join(Segment::number(1).name()))
        .unwrap();
    let again = push(&ground, Segment::number(4)).code;
    std::process::Command::new("umount").arg(ground.path("disk")).status().unwrap();
    assert_eq!((kept, refused, again), (2, 2, Some(0)));
}
