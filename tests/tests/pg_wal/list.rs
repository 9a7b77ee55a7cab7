//! `hayloft pg wal list` and `show`.

use std::fs;

use super::{
    gaps::{TWO, push, push_text},
    ground::{Ground, PLAIN},
    segments::Segment,
};

#[test]
fn files_are_listed_with_their_storages() {
    let ground = Ground::new(TWO);
    push(&ground, [1, 2].map(Segment::number));
    push(&ground, [Segment { timeline: 2, ..Segment::number(3) }]);
    push_text(&ground, "00000002.history", "1\t0/300000\tx\n");
    let list = |words: &[&str]| {
        let ended = ground.wal(&[&["list", "main"], words].concat()).exits(0);
        let lines = ended.stdout.lines();
        let words = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(ToOwned::to_owned).collect();
            format!("{} {}", words[0], words[1])
        };
        lines.map(words).collect::<Vec<_>>()
    };
    let all = list(&[]);
    assert_eq!(all.len(), 8);
    assert_eq!(all[0], "000000010000000000000001 disk");
    assert!(all.contains(&"00000002.history shelf".to_owned()), "{all:?}");
    assert_eq!(list(&["--storage", "shelf"]).len(), 4);
    assert_eq!(list(&["--timeline", "2"]).len(), 4);
    let second = ["000000010000000000000002 disk", "000000010000000000000002 shelf"];
    assert_eq!(list(&["--from", "0/200028", "--to", "000000010000000000000002"]), second);
    assert!(list(&["--timeline", "3"]).is_empty());
    let document = ground.wal(&["list", "main", "--json"]).exits(0).json();
    let first = &document["files"][0];
    assert_eq!(first["suffix"], ".zst");
    assert_eq!(first["kind"], "segment");
    assert_eq!(first["key"], "main/wals/0000000100000000/000000010000000000000001.zst");
    assert_eq!(document["files"].as_array().unwrap().len(), 8);
    let empty = ground.wal(&["list", "main", "--timeline", "3", "--json"]).exits(0).json();
    assert_eq!(empty["files"], serde_json::json!([]));
    for (words, complaint) in [
        (["--from", "yesterday"], "neither a segment nor a position"),
        (["--timeline", "0"], "no timeline"),
        (["--storage", "attic"], "disk, shelf"),
    ] {
        ground.wal(&[&["list", "main"], words.as_slice()].concat()).exits(1).complains(complaint);
    }
}

#[test]
fn a_large_archive_is_listed_piece_by_piece() {
    let ground = Ground::new(PLAIN);
    let mut names = Vec::new();
    for log in 0..40 {
        let directory = ground.path(format!("disk/main/wals/00000001{log:08X}"));
        fs::create_dir_all(&directory).unwrap();
        for within in 0..250 {
            let name = format!("00000001{log:08X}{within:08X}");
            fs::write(directory.join(&name), "").unwrap();
            names.push(name);
        }
    }
    let ended = ground.wal(&["list", "main"]).exits(0);
    let listed: Vec<&str> = ended.stdout.lines().map(|it| &it[..24]).collect();
    assert_eq!(listed, names);
}

#[test]
fn one_file_is_shown_with_all_its_copies() {
    let ground = Ground::new(TWO);
    let segment = Segment::number(5);
    push(&ground, [segment]);
    let show = |name: &str| ground.wal(&["show", "main", name]);
    let ended = show(&segment.name()).exits(0);
    for text in [
        "PostgreSQL 15, system 7318349394477056789, begins on timeline 1",
        "from 0/500000 to 0/600000",
        "storage disk\n  main/wals/0000000100000000/000000010000000000000005.zst\n",
        "good: 1.0 MB, 128 records",
    ] {
        ended.says(text);
    }
    let document = ground.wal(&["show", "main", &segment.name(), "--json"]).exits(0).json();
    assert_eq!(document["same"], true);
    assert_eq!(document["copies"][1]["header"]["start"], "0/500000");
    assert_eq!(document["copies"][1]["verdict"], "good");
    // Another content, a damaged one, none.
    let object = ground.path(format!("shelf/main/wals/0000000100000000/{}.zst", segment.name()));
    let whole = fs::read(&object).unwrap();
    fs::write(&object, Segment { seed: 9, ..segment }.bytes()).unwrap();
    show(&segment.name()).exits(1).says("the copies differ");
    fs::write(&object, &whole[..whole.len() / 2]).unwrap();
    show(&segment.name()).exits(1).says("storage shelf").says("damaged: ");
    fs::remove_file(&object).unwrap();
    show(&segment.name()).exits(0);
    show("000000010000000000000006").exits(1).complains("is in no storage");
    show("junk").exits(1).complains("no name of a file of WAL");
    push_text(&ground, "00000002.history", "1\t0/300000\tbefore the accident\n");
    show("00000002.history").exits(0).says("before the accident");
}
