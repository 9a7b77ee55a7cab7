//! WAL in an object store, and what networks do to it.

use std::sync::atomic::{AtomicU64, Ordering};

use hayloft_test_servers::{ACCESS_KEY, BUCKET, Fault, Proxy, S3Server, SECRET_KEY};

use super::{
    archiving::load,
    gaps::push,
    ground::{Ground, archive_all, check_archive, done, wait_for, waiting},
    segments::Segment,
};

fn configuration(endpoint: &str) -> String {
    format!(
        "
  <storages>
    <storage><name>cloud</name><type>s3</type><bucket>{BUCKET}</bucket>
      <endpoint>{endpoint}</endpoint><prefix>pg</prefix><region>us-east-1</region>
      <retries>2</retries><timeout>3s</timeout>
      <access_key_id>{ACCESS_KEY}</access_key_id><password>{SECRET_KEY}</password></storage>
  </storages>
  <postgres_servers>
    <server><name>main</name><storage>cloud</storage>
      <wal><spool>$DIR/spool</spool></wal></server>
  </postgres_servers>"
    )
}

const BAD: [Fault; 8] = [
    Fault::Status(503, "SlowDown"),
    // V-20: Barman's second try stores nothing, and succeeds.
    Fault::Status(409, "ConditionalRequestConflict"),
    Fault::Drop,
    Fault::LoseAnswer,
    Fault::FlipRequest,
    Fault::FlipAnswer,
    Fault::CutAnswer,
    Fault::ShortenAnswer,
];

#[test]
fn a_push_that_succeeds_has_stored_the_segment_whatever_the_network_does() {
    let server = S3Server::start();
    let proxy = Proxy::start(server.address());
    let ground = Ground::new(&configuration(&proxy.endpoint()));
    push(&ground, [Segment::number(1)]);
    for (number, fault) in (2..).zip(BAD) {
        let segment = Segment::number(number);
        // Each third call fails, then all of them do.
        proxy.plan(move |call| if call.number % 3 == 0 { fault } else { Fault::None });
        let path = segment.write(&ground);
        let words = ["push", "main", path.to_str().unwrap()];
        let mut tries = 0;
        while ground.wal(&words).code != Some(0) {
            tries += 1;
            assert!(tries < 30, "{fault:?}");
        }
        proxy.plan(|_| Fault::None);
        assert!(ground.fetch(&segment.name()) == segment.bytes(), "{fault:?}");
        assert_eq!(ground.wal(&["show", "main", &segment.name()]).code, Some(0), "{fault:?}");
    }
    assert!(server.uploads().is_empty());
    ground.wal(&["verify", "main"]).exits(0).says("9 good segments");
}

#[test]
fn a_get_never_takes_a_broken_network_for_the_end_of_the_archive() {
    let server = S3Server::start();
    let proxy = Proxy::start(server.address());
    let ground = Ground::new(&configuration(&proxy.endpoint()));
    let segment = Segment::number(1);
    push(&ground, [segment]);
    // A request without a body has no bit to be changed, and nobody can tell a
    // listing that names another file.
    let bad = BAD.iter().filter(|it| !matches!(it, Fault::FlipRequest | Fault::FlipAnswer));
    for fault in bad.copied() {
        proxy.plan(move |_| fault);
        for name in [segment.name(), Segment::number(9).name()] {
            let code = ground.wal(&["get", "main", &name, "target"]).code.unwrap();
            let delivered = std::fs::read(ground.path("target"));
            match delivered {
                // What goes through such a network went through it whole.
                Ok(bytes) => assert!(code == 0 && bytes == segment.bytes(), "{fault:?}"),
                Err(_) => assert!(code > 125, "{fault:?} {name}: {code}"),
            }
            let _ = std::fs::remove_file(ground.path("target"));
        }
    }
    proxy.plan(|_| Fault::None);
    ground.wal(&["get", "main", &Segment::number(9).name(), "target"]).exits(1);
    assert!(ground.fetch(&segment.name()) == segment.bytes());
}

#[test]
fn nothing_in_an_object_store_is_overwritten_and_no_timeline_is_passed_over() {
    let server = S3Server::start();
    let ground = Ground::new(&configuration(&server.endpoint()));
    let segment = Segment::number(5);
    push(&ground, [segment, segment]);
    // V-16: Barman overwrites it, or says that it is stored.
    let other = Segment { seed: 9, ..segment }.write(&ground);
    ground.wal(&["push", "main", other.to_str().unwrap()]).exits(1).complains("has other content");
    assert!(ground.fetch(&segment.name()) == segment.bytes());
    // V-17: what comes after it, of an older timeline or before it, is stored.
    let newer = Segment { timeline: 2, ..Segment::number(6) };
    for segment in [newer, Segment::number(6), Segment::number(4)] {
        push(&ground, [segment]);
        assert!(ground.fetch(&segment.name()) == segment.bytes());
    }
}

#[test]
fn an_object_that_rots_is_found_and_named() {
    let server = S3Server::start();
    let ground = Ground::new(&configuration(&server.endpoint()));
    push(&ground, (1..=4).map(Segment::number));
    ground.wal(&["verify", "main"]).exits(0);
    let key = "pg/main/wals/0000000100000000/000000010000000000000003.zst";
    assert!(server.objects().contains_key(key), "{:?}", server.objects().keys());
    server.damage(key);
    let ended = ground.wal(&["verify", "main"]).exits(1);
    ended.says("damaged: 000000010000000000000003 in main/wals/0000000100000000/");
    ended.says("of storage cloud");
    let name = Segment::number(3).name();
    ground.wal(&["get", "main", &name, "target"]).exits(201).complains("cannot fetch");
    // A store that does not answer is no damage.
    drop(server);
    let ended = ground.wal(&["verify", "main"]).exits(1);
    assert!(!ended.stdout.contains("damaged"), "{}", ended.stdout);
}

#[test]
fn a_server_loses_nothing_to_a_network_that_comes_and_goes() {
    let store = S3Server::start();
    let proxy = Proxy::start(store.address());
    let mut ground = Ground::new(&configuration(&proxy.endpoint()));
    let server = ground.archiving().initdb("--wal-segsize=1").start();
    ground.belong_to(&server);
    server.pgbench("bench", 1);
    let turn = AtomicU64::new(0);
    // One call in seven goes wrong, each time in another way.
    proxy.plan(move |call| match call.number % 7 {
        3 => BAD[usize::try_from(turn.fetch_add(1, Ordering::Relaxed)).unwrap() % BAD.len()],
        _ => Fault::None,
    });
    load(&server, 4).wait().unwrap();
    // The network is cut while segments wait.
    proxy.plan(|_| Fault::Drop);
    let before = done(&server).len();
    load(&server, 2).wait().unwrap();
    // However slow the disk is, there is a segment to archive.
    server.sql("postgres", "SELECT pg_switch_wal()");
    wait_for("segments that wait", || !waiting(&server).is_empty());
    assert!(done(&server).len() < before + 40);
    proxy.plan(|_| Fault::None);
    let last = archive_all(&server);
    assert!(check_archive(&ground, &server) > 4);
    let first = done(&server).into_iter().find(|it| it.len() == 24).unwrap();
    ground.wal(&["verify", "main", "--from", &first, "--to", &last]).exits(0);
}
