//! `hayloft pg wal gaps`.

use std::fs;

use super::{
    archiving::load,
    ground::{Ended, Ground, PLAIN, archive_all, done},
    segments::Segment,
};

pub(crate) const TWO: &str = "
  <storages>
    <storage><name>disk</name><type>local</type><root>$DIR/disk</root><create>Y</create></storage>
    <storage><name>shelf</name><type>local</type><root>$DIR/shelf</root><create>Y</create></storage>
  </storages>
  <postgres_servers>
    <server><name>main</name><storage>disk</storage><storage>shelf</storage>
      <wal><spool>$DIR/spool</spool></wal></server>
  </postgres_servers>";

pub(crate) fn push(ground: &Ground, segments: impl IntoIterator<Item = Segment>) {
    for segment in segments {
        ground.wal(&["push", "main", segment.write(ground).to_str().unwrap()]).exits(0);
    }
}

/// Archives a file with this content under this name.
pub(crate) fn push_text(ground: &Ground, name: &str, text: &str) {
    let path = ground.path(name);
    fs::write(&path, text).unwrap();
    ground.wal(&["push", "main", path.to_str().unwrap()]).exits(0);
}

/// The object of a segment in a storage.
pub(crate) fn object(ground: &Ground, storage: &str, segment: Segment) -> std::path::PathBuf {
    let name = segment.name();
    let directory = ground.path(format!("{storage}/main/wals/{}", &name[..16]));
    let mut entries = fs::read_dir(directory).unwrap().map(|it| it.unwrap().path());
    entries.find(|it| it.file_name().unwrap().to_str().unwrap().starts_with(&name)).unwrap()
}

/// A description of a backup, as Barman and we write them.
pub(crate) fn backup(ground: &Ground, id: &str, timeline: u32, begin: &str, status: &str) {
    let directory = ground.path(format!("disk/main/base/{id}"));
    fs::create_dir_all(&directory).unwrap();
    let text = format!("begin_xlog={begin}\nstatus={status}\ntimeline={timeline}\n");
    fs::write(directory.join("backup.info"), text).unwrap();
}

fn gaps(ground: &Ground) -> Ended {
    ground.wal(&["gaps", "main"])
}

#[test]
fn each_gap_is_named_and_nothing_before_the_oldest_backup_is_one() {
    let ground = Ground::new(PLAIN);
    gaps(&ground).exits(0).says("there is no segment yet");
    push(&ground, [3, 4, 7, 8, 12].map(Segment::number));
    let ended = gaps(&ground).exits(1);
    ended.says("missing: 000000010000000000000005 to 000000010000000000000006 (2 segments)");
    ended.says("missing: 000000010000000000000009 to 00000001000000000000000B (3 segments)");
    // One that failed restores nothing.
    backup(&ground, "20260101T000000", 1, "0/300028", "FAILED");
    backup(&ground, "20260102T000000", 1, "0/800028", "DONE");
    let ended = gaps(&ground).exits(1);
    assert_eq!(ended.stdout.matches("missing").count(), 1, "{}", ended.stdout);
    backup(&ground, "20260103T000000", 1, "0/700028", "WAITING_FOR_WALS");
    let document = ground.wal(&["gaps", "main", "--json"]).exits(1).json();
    assert_eq!(document["from"], "0/700028");
    let expected = serde_json::json!([{
        "first": "000000010000000000000009", "last": "00000001000000000000000B", "segments": 3,
    }]);
    assert_eq!(document["gaps"], expected);
    push(&ground, [9, 10, 11].map(Segment::number));
    gaps(&ground).exits(0).says("timeline 1: 000000010000000000000003 to 00000001000000000000000C");
}

#[test]
fn what_one_storage_lacks_is_told_apart_from_what_is_nowhere() {
    let ground = Ground::new(TWO);
    let segments: Vec<Segment> = (1..=6).map(Segment::number).collect();
    push(&ground, segments.iter().copied());
    gaps(&ground).exits(0);
    fs::remove_file(object(&ground, "shelf", segments[2])).unwrap();
    fs::remove_file(object(&ground, "shelf", segments[5])).unwrap();
    let ended = gaps(&ground).exits(7);
    ended.says("not in storage shelf: 000000010000000000000003\n");
    let last = "000000010000000000000006";
    // What comes last in the other storage is not missed here by its names.
    assert!(ended.stdout.contains(&format!("to {last}")), "{}", ended.stdout);
    ground.wal(&["gaps", "main", "--storage", "shelf"]).exits(1).says("missing: ");
    ground.wal(&["gaps", "main", "--storage", "disk"]).exits(0);
    ground.wal(&["gaps", "main", "--storage", "attic"]).exits(1).complains("disk, shelf");
    fs::remove_file(object(&ground, "disk", segments[2])).unwrap();
    let document = ground.wal(&["gaps", "main", "--json"]).exits(1).json();
    assert_eq!(document["gaps"][0]["first"], "000000010000000000000003");
    assert_eq!(document["gaps"].as_array().unwrap().len(), 1);
}

#[test]
fn timelines_are_followed() {
    let ground = Ground::new(PLAIN);
    push(&ground, (1..=5).map(Segment::number));
    backup(&ground, "20260101T000000", 1, "0/200028", "DONE");
    // The first timeline was left within segment 5.
    let second = |number| Segment { timeline: 2, ..Segment::number(number) };
    push_text(&ground, "00000002.history", "1\t0/580000\tno recovery target specified\n");
    push(&ground, [5, 6, 7].map(second));
    gaps(&ground).exits(0);
    // What the old timeline has does not stand for it.
    fs::remove_file(object(&ground, "disk", second(5))).unwrap();
    gaps(&ground).exits(1).says("missing: 000000020000000000000005\n");
    fs::remove_file(object(&ground, "disk", Segment::number(4))).unwrap();
    gaps(&ground).exits(1).says("missing: 000000010000000000000004\n");
    push(&ground, [Segment::number(4), second(5)]);
    let history = ground.path("disk/main/wals/00000002.history");
    fs::remove_file(history).unwrap();
    gaps(&ground).exits(1).says("missing: 00000002.history");
}

#[test]
fn a_server_tells_what_must_be_there() {
    let mut ground = Ground::new(PLAIN);
    let server = ground.archiving().initdb("--wal-segsize=1").start();
    ground.belong_to(&server);
    server.pgbench("bench", 1);
    load(&server, 2).wait().unwrap();
    let last = archive_all(&server);
    assert!(done(&server).len() > 4);
    let conninfo = format!(
        "host={} port={} user={} dbname=postgres",
        server.socket_dir().display(),
        server.port(),
        server.user()
    );
    ground.configure(&PLAIN.replace(
        "<name>main</name>",
        &format!("<name>main</name><conninfo>{conninfo}</conninfo><archiver>Y</archiver>"),
    ));
    gaps(&ground).exits(0).says(&format!("to {last}"));
    ground.wal(&["verify", "main"]).exits(0).says("all is good");
    let path = ground.path(format!("disk/main/wals/{}/{last}.zst", &last[..16]));
    fs::remove_file(path).unwrap();
    gaps(&ground).exits(1).says(&format!("missing: {last}\n"));
    ground.wal(&["verify", "main"]).exits(1).says(&format!("missing: {last}\n"));
}
