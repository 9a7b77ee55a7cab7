//! A backlog, which a process of its own stores while the calls are answered.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    ground::{Ground, PLAIN, wait_for},
    killed::find,
    segments::Segment,
};

fn push(ground: &Ground, path: &Path) -> super::ground::Ended {
    ground.wal(&["push", "main", path.to_str().unwrap()])
}

/// Waits until nobody stores ahead.
fn settle(ground: &Ground) {
    let program = ground.path("bin/hayloft");
    wait_for("the end of what stores ahead", || find(&program, "drain").is_none());
}

fn segments(ground: &Ground, count: u64) -> (Vec<Segment>, Vec<PathBuf>) {
    let segments: Vec<Segment> = (1..=count).map(Segment::number).collect();
    let paths = segments.iter().map(|it| it.ready(ground)).collect();
    (segments, paths)
}

fn stored(ground: &Ground, segment: Segment) -> bool {
    let name = segment.name();
    ground.path(format!("disk/main/wals/0000000100000000/{name}.zst")).exists()
}

#[test]
fn never_more_than_is_wanted_is_stored_ahead_and_each_answer_is_for_what_is_stored() {
    let ground = Ground::new(&PLAIN.replace("<wal>", "<wal><push_ahead>8</push_ahead>"));
    let (segments, paths) = segments(&ground, 30);
    push(&ground, &paths[0]).exits(0);
    settle(&ground);
    let ahead = segments.iter().filter(|it| stored(&ground, **it)).count();
    assert_eq!(ahead, 9);
    for (segment, path) in segments.iter().zip(&paths) {
        push(&ground, path).exits(0);
        assert!(stored(&ground, *segment), "{}", segment.name());
        let status = format!("pg_wal/archive_status/{}.ready", segment.name());
        fs::remove_file(ground.path(status)).unwrap();
    }
    settle(&ground);
    for segment in &segments {
        assert!(ground.fetch(&segment.name()) == segment.bytes(), "{}", segment.name());
    }
    // Nothing of it stays but the files that are locked.
    push(&ground, &Segment::number(31).ready(&ground)).exits(0);
    let left = fs::read_dir(ground.path("spool/ahead")).unwrap();
    let left: Vec<_> = left.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    assert!(left.iter().all(|it| it.starts_with("lock-")), "{left:?}");
}

#[test]
fn what_cannot_be_stored_is_told_when_it_is_asked_for_and_no_sooner() {
    let ground = Ground::new(PLAIN);
    let (segments, paths) = segments(&ground, 12);
    // Of another cluster.
    fs::write(&paths[6], Segment { cluster: 7, ..segments[6] }.bytes()).unwrap();
    for (number, (segment, path)) in segments.iter().zip(&paths).enumerate() {
        if number == 6 {
            push(&ground, path).exits(1).complains("of another cluster");
            assert!(!stored(&ground, *segment));
            fs::write(path, segment.bytes()).unwrap();
        }
        push(&ground, path).exits(0);
        assert!(stored(&ground, *segment), "{number}");
        let status = format!("pg_wal/archive_status/{}.ready", segment.name());
        fs::remove_file(ground.path(status)).unwrap();
    }
    settle(&ground);
    ground.wal(&["verify", "main"]).exits(0).says("12 good segments");
}

#[test]
fn a_segment_that_is_replaced_behind_its_back_is_looked_at_again() {
    let ground = Ground::new(PLAIN);
    let (segments, paths) = segments(&ground, 12);
    push(&ground, &paths[0]).exits(0);
    settle(&ground);
    assert!(stored(&ground, segments[5]));
    fs::write(&paths[5], Segment { seed: 99, ..segments[5] }.bytes()).unwrap();
    push(&ground, &paths[5]).exits(1).complains("has other content");
    fs::remove_file(
        ground.path(format!("disk/main/wals/0000000100000000/{}.zst", segments[4].name())),
    )
    .unwrap();
    push(&ground, &paths[4]).exits(0);
    assert!(stored(&ground, segments[4]));
    settle(&ground);
}

#[test]
fn every_storage_gets_each_segment_in_its_own_encoding() {
    let ground = Ground::new(PLAIN);
    let recipient = ground.age_key("key");
    ground.configure(&format!(
        "<encryptors><encryptor><name>age</name><recipient>{recipient}</recipient>\
         <identity_file>$DIR/key</identity_file></encryptor></encryptors>\
         <storages><storage><name>disk</name><type>local</type><root>$DIR/disk</root>\
         <create>Y</create></storage><storage><name>other</name><type>local</type>\
         <root>$DIR/other</root><create>Y</create></storage></storages>\
         <postgres_servers><server><name>main</name><storage>disk</storage><wal>\
         <spool>$DIR/spool</spool><storage><name>disk</name><encrypt>age</encrypt></storage>\
         <storage><name>other</name><compress>lz4</compress></storage></wal>\
         </server></postgres_servers>"
    ));
    let (segments, paths) = segments(&ground, 12);
    for (segment, path) in segments.iter().zip(&paths) {
        push(&ground, path).exits(0);
        let status = format!("pg_wal/archive_status/{}.ready", segment.name());
        fs::remove_file(ground.path(status)).unwrap();
    }
    settle(&ground);
    for (root, suffix) in [("disk", ".zst.age"), ("other", ".lz4")] {
        let names = ground.stored(root);
        assert_eq!(names.iter().filter(|it| it.ends_with(suffix)).count(), 12, "{names:?}");
    }
    ground.wal(&["verify", "main"]).exits(0).says("12 good segments").says("24 copies");
}
