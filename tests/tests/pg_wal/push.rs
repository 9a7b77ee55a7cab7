//! What is taken, and what is refused.

use std::{fs, path::Path, thread, time::Duration};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::{
    ground::{Ground, PLAIN},
    segments::{CLUSTER, Segment},
};

fn push(ground: &Ground, path: &Path) -> super::ground::Ended {
    ground.wal(&["push", "main", path.to_str().unwrap()])
}

const TWO: &str = "
  <storages>
    <storage><name>disk</name><type>local</type><root>$DIR/disk</root><create>Y</create></storage>
    <storage><name>other</name><type>local</type><root>$DIR/other</root><create>Y</create></storage>
  </storages>
  <postgres_servers>
    <server><name>main</name><storage>disk</storage>
      <wal>
        <spool>$DIR/spool</spool>
        <storage><name>disk</name></storage>
        <storage><name>other</name><compress>none</compress><suffix>N</suffix></storage>
      </wal>
    </server>
  </postgres_servers>";

#[test]
fn a_segment_goes_into_every_storage_in_the_way_that_is_wanted_there() {
    let ground = Ground::new(TWO);
    let segment = Segment::number(5);
    push(&ground, &segment.write(&ground)).exits(0);
    let name = segment.name();
    let expected = ["main/identity.json", &format!("main/wals/0000000100000000/{name}.zst")];
    assert_eq!(ground.stored("disk"), expected);
    let other = format!("main/wals/0000000100000000/{name}");
    assert_eq!(ground.stored("other"), ["main/identity.json", &other]);
    assert!(fs::read(ground.path("other").join(other)).unwrap() == segment.bytes());
    let identity = fs::read_to_string(ground.path("disk/main/identity.json")).unwrap();
    let identity: serde_json::Value = serde_json::from_str(&identity).unwrap();
    assert_eq!(identity["systemid"], CLUSTER.to_string());
    assert_eq!(
        (&identity["version"], &identity["segment_size"]),
        (&"15".into(), &(1 << 20).into())
    );
}

/// Pushes, and returns how many bytes were read by it, whatever of.
fn bytes_read(ground: &Ground, path: &Path) -> u64 {
    let mut child = ground.command(&["push", "main", path.to_str().unwrap()]).spawn().unwrap();
    // What it did is known until somebody asks for its end.
    let pid = Pid::from_child(&child);
    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
    let counters = fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    assert!(child.wait().unwrap().success());
    let read = counters.lines().find_map(|it| it.strip_prefix("rchar: ")).unwrap();
    read.parse().unwrap()
}

#[test]
fn a_segment_is_read_once_for_all_storages_and_encodings() {
    let ground = Ground::new(TWO);
    let small = Segment::number(5);
    let large = |number| Segment { size: 16 << 20, ..Segment::number(number) };
    let other = Ground::new(TWO);
    // The program and its plugins are read too.
    let overhead = bytes_read(&other, &small.write(&other)) - (1 << 20);
    for number in [7, 8] {
        let read = bytes_read(&ground, &large(number).write(&ground));
        let expected = (16 << 20) + overhead;
        assert!(read.abs_diff(expected) < 1 << 20, "{read} bytes, not {expected}");
    }
    // Others that wait are read once as well, in the same call.
    let waiting: Vec<_> = (9..=11).map(|it| large(it).ready(&ground)).collect();
    // A file that was written just now may change without a trace.
    thread::sleep(Duration::from_secs(4));
    let read = bytes_read(&ground, &waiting[0]);
    let expected = 3 * (16 << 20) + overhead;
    assert!(read.abs_diff(expected) < 1 << 20, "{read} bytes, not {expected}");
    // And not at all when it was stored ahead.
    let read = bytes_read(&ground, &waiting[1]);
    assert!(read < overhead + (1 << 20), "{read} bytes");
}

#[test]
fn the_same_content_once_more_is_success_and_other_content_is_not() {
    let ground = Ground::new(TWO);
    let segment = Segment::number(5);
    let path = segment.write(&ground);
    push(&ground, &path).exits(0);
    push(&ground, &path).exits(0);
    // One storage has lost it meanwhile.
    let copy = ground.path(format!("disk/main/wals/0000000100000000/{}.zst", segment.name()));
    fs::remove_file(&copy).unwrap();
    push(&ground, &path).exits(0);
    assert!(copy.exists());
    // As Barman's: V-08 and V-16.
    fs::write(&path, Segment { seed: 6, ..segment }.bytes()).unwrap();
    push(&ground, &path).exits(1).complains("has other content");
    assert!(ground.fetch(&segment.name()) == segment.bytes());
    // Another way to compress does not make it another file.
    fs::write(&path, segment.bytes()).unwrap();
    let gzip = TWO.replace(
        "<storage><name>disk</name></storage>",
        "<storage><name>disk</name><compress>gzip</compress></storage>",
    );
    ground.configure(&gzip);
    push(&ground, &path).exits(0);
    assert_eq!(ground.stored("disk").len(), 2, "{:?}", ground.stored("disk"));
}

#[test]
fn what_is_not_this_clusters_segment_is_refused() {
    let ground = Ground::new(PLAIN);
    push(&ground, &Segment::number(1).write(&ground)).exits(0);
    let good = Segment::number(2);
    let cases: [(&str, Segment, &str); 3] = [
        ("another cluster", Segment { cluster: 7, ..good }, "of another cluster"),
        ("another size", Segment { size: 2 << 20, ..good }, "of another cluster"),
        ("the name of another", Segment::number(3), "begins at"),
    ];
    for (what, segment, complaint) in cases {
        // Under the name that it would have if it were good.
        let path =
            ground.path(if segment.size == good.size { good.name() } else { segment.name() });
        fs::write(&path, segment.bytes()).unwrap();
        push(&ground, &path).exits(1).complains(complaint);
        assert_eq!(ground.stored("disk").len(), 2, "{what}");
    }
    let bytes = good.bytes();
    let path = ground.path(good.name());
    let cut = [&bytes[..bytes.len() - 1], &bytes[..20], b"", &[0; 8192]];
    for bytes in cut {
        fs::write(&path, bytes).unwrap();
        push(&ground, &path).exits(1).complains("is not what its name says");
    }
    let mut long = bytes.clone();
    long.push(0);
    fs::write(&path, long).unwrap();
    push(&ground, &path).exits(1).complains("1048577 bytes");
    let later = Segment { timeline: 3, ..good }.bytes();
    fs::write(&path, later).unwrap();
    push(&ground, &path).exits(1).complains("timeline 3");
    for name in ["junk", "000000010000000000000002.tmp", "00000001000000000000000Z"] {
        let path = ground.path(name);
        fs::write(&path, &bytes).unwrap();
        push(&ground, &path).exits(1).complains("no name that PostgreSQL gives");
    }
    push(&ground, &ground.path("000000010000000000000009")).exits(1).complains("No such file");
    assert_eq!(ground.stored("disk").len(), 2);
}

#[test]
fn histories_labels_and_partial_segments_have_rules_of_their_own() {
    let ground = Ground::new(PLAIN);
    let segment = Segment::number(2);
    push(&ground, &segment.write(&ground)).exits(0);
    let partial = format!("{}.partial", segment.name());
    let label = format!("{}.00000028.backup", segment.name());
    let cases: [(&str, &[u8], Result<(), &str>); 8] = [
        ("00000002.history", b"1\t0/200000\tno recovery target specified\n", Ok(())),
        ("00000002.history", b"1\t0/300000\tno recovery target specified\n", Err("other content")),
        ("00000003.history", b"", Err("is empty")),
        ("00000003.history", b"1\t0/2", Err("line 1")),
        (&label, b"START WAL LOCATION: 0/200028 (file 000000010000000000000002)\n", Ok(())),
        (&label, b"STOP", Err("no label")),
        (&partial, &segment.bytes(), Ok(())),
        (&partial, b"x", Err("less than the header")),
    ];
    for (name, content, expected) in cases {
        let path = ground.path(name);
        fs::write(&path, content).unwrap();
        let ended = push(&ground, &path);
        match expected {
            Ok(()) => {
                ended.exits(0);
                assert!(ground.fetch(name) == content, "{name}");
            }
            Err(complaint) => {
                ended.exits(1).complains(complaint);
            }
        }
    }
    // A partial segment is no whole one, whatever there is beside it.
    let stored = ground.stored("disk");
    assert!(stored.contains(&"main/wals/00000002.history".to_owned()), "{stored:?}");
    assert!(stored.contains(&format!("main/wals/0000000100000000/{partial}.zst")), "{stored:?}");
    let lonely = Segment::number(7);
    let path = ground.path(format!("{}.partial", lonely.name()));
    fs::write(&path, lonely.bytes()).unwrap();
    push(&ground, &path).exits(0);
    ground.wal(&["get", "main", &lonely.name(), "x"]).exits(1);
}

#[test]
fn segments_that_wait_are_stored_ahead_and_looked_at_again_when_they_are_asked_for() {
    let ground = Ground::new(PLAIN);
    let segments: Vec<Segment> = (1..=5).map(Segment::number).collect();
    let paths: Vec<_> = segments.iter().map(|it| it.ready(&ground)).collect();
    push(&ground, &paths[0]).exits(0);
    assert_eq!(ground.stored("disk").len(), 6, "{:?}", ground.stored("disk"));
    let noted = || fs::read_dir(ground.path("spool/ahead")).unwrap().count();
    assert_eq!(noted(), 4);
    // It is believed only if it is still the same.
    push(&ground, &paths[1]).exits(0);
    fs::write(&paths[2], Segment { seed: 99, ..segments[2] }.bytes()).unwrap();
    push(&ground, &paths[2]).exits(1).complains("has other content");
    // And only if the storage still has it.
    let stored = format!("disk/main/wals/0000000100000000/{}.zst", segments[3].name());
    fs::remove_file(ground.path(&stored)).unwrap();
    push(&ground, &paths[3]).exits(0);
    assert!(ground.path(&stored).exists());
    // A note that was cut off is none.
    fs::write(ground.path(format!("spool/ahead/{}", segments[4].name())), "{").unwrap();
    push(&ground, &paths[4]).exits(0);
    for segment in &segments {
        assert!(ground.fetch(&segment.name()) == segment.bytes());
    }
    // What does not wait any more is forgotten.
    for segment in &segments {
        let status = format!("pg_wal/archive_status/{}.ready", segment.name());
        fs::remove_file(ground.path(status)).unwrap();
    }
    push(&ground, &Segment::number(6).ready(&ground)).exits(0);
    assert_eq!(noted(), 0);
}

#[test]
fn nothing_is_stored_ahead_if_that_is_not_wanted() {
    let plain = PLAIN.replace("<spool>", "<push_ahead>0</push_ahead><spool>");
    let ground = Ground::new(&plain);
    let paths: Vec<_> = (1..=3).map(|it| Segment::number(it).ready(&ground)).collect();
    push(&ground, &paths[0]).exits(0);
    assert_eq!(ground.stored("disk").len(), 2);
    // Without a spool it works too.
    ground.configure(&PLAIN.replace("<wal><spool>$DIR/spool</spool></wal>", ""));
    push(&ground, &paths[1]).exits(0);
    push(&ground, &paths[2]).exits(0);
    assert_eq!(ground.stored("disk").len(), 4);
}
