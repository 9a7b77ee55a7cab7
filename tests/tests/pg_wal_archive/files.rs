//! What becomes of each kind of file.

use std::{fs, time::Duration};

use super::setting::{Setting, age, server};

#[test]
fn what_waits_is_archived_and_removed() {
    let (_server, segments) = server(4);
    let setting = Setting::new();
    for segment in &segments {
        setting.bring(segment);
    }
    setting.archive(&[]).exits(0).says("main: archived 4 files");
    setting.has(&segments);
    assert_eq!(setting.left(), [""; 0]);
    assert_eq!(setting.errors(), [""; 0]);
    setting.archive(&[]).exits(0).says("archived 0 files");
    let tally = setting.tally(0);
    assert_eq!((tally["stored"].as_u64(), tally["failure"].is_null()), (Some(0), true));
}

#[test]
fn a_batch_of_one_archives_one_whatever_else_lies_there() {
    let (_server, segments) = server(3);
    let one = "<archiver_batch_size>1</archiver_batch_size>\
               <streaming_archiver_batch_size>1</streaming_archiver_batch_size>";
    let setting = Setting::with(one, "");
    // Left behind by somebody, and before everything else in the order.
    fs::write(setting.incoming().join("000000010000000000000000.tmp"), "half").unwrap();
    for segment in &segments {
        setting.bring(segment);
    }
    for left in [2, 1, 0] {
        let tally = setting.tally(0);
        assert_eq!((&tally["stored"], &tally["waiting"]), (&1.into(), &left.into()));
    }
    setting.has(&segments);

    // What was streamed: the newest stays, and one of the others goes.
    let setting = Setting::with(one, "");
    fs::create_dir_all(setting.streaming()).unwrap();
    for segment in &segments {
        fs::copy(segment, setting.streaming().join(segment.file_name().unwrap())).unwrap();
    }
    for (stored, waiting) in [(1, 1), (1, 0), (0, 0)] {
        let tally = setting.tally(0);
        assert_eq!((&tally["stored"], &tally["waiting"]), (&stored.into(), &waiting.into()));
    }
    setting.has(&segments[..2]);
    let last = segments[2].file_name().unwrap();
    assert!(setting.streaming().join(last).exists());
    assert!(!setting.archived().contains_key(last.to_str().unwrap()));
}

#[test]
fn what_is_no_wal_goes_into_the_errors() {
    let (_server, segments) = server(1);
    let setting = Setting::new();
    setting.bring(&segments[0]);
    fs::write(setting.incoming().join("junk"), "x").unwrap();
    fs::create_dir(setting.incoming().join("directory")).unwrap();
    fs::write(setting.incoming().join("junk.tmp"), "x").unwrap();
    fs::write(setting.incoming().join(".000000010000000000000009.Xy12"), "rsync").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", setting.incoming().join("00000001000000000000000A"))
        .unwrap();
    let tally = setting.tally(7);
    assert_eq!((&tally["stored"], &tally["unknown"]), (&1.into(), &3.into()));
    assert_eq!(setting.left(), ["junk.tmp"]);
    let errors = setting.errors();
    assert_eq!(errors.len(), 3, "{errors:?}");
    for (name, error) in ["00000001000000000000000A", "directory", "junk"].iter().zip(&errors) {
        assert!(error.starts_with(&format!("{name}.2")) && error.ends_with("Z.unknown"), "{error}");
    }
    // Once more of the same name: it has a name of its own.
    fs::write(setting.incoming().join("junk"), "y").unwrap();
    age(&setting.incoming().join("junk.tmp"), Duration::from_hours(25));
    setting.archive(&[]).exits(7);
    assert_eq!(setting.errors().len(), 5);
    setting.archive(&[]).exits(0);
}

#[test]
fn the_same_once_more_is_fine_and_other_content_is_not() {
    let (_server, segments) = server(3);
    let setting = Setting::new();
    setting.bring(&segments[0]);
    setting.archive(&[]).exits(0);
    setting.bring(&segments[0]);
    let tally = setting.tally(0);
    assert_eq!((&tally["stored"], &tally["known"]), (&0.into(), &1.into()));
    assert_eq!(setting.left(), [""; 0]);

    // The same name, of another content that is WAL all the same.
    let path = setting.bring(&segments[0]);
    let mut other = fs::read(&segments[0]).unwrap();
    other[500_000] ^= 1;
    fs::write(&path, &other).unwrap();
    setting.bring(&segments[1]);
    let tally = setting.tally(1);
    assert_eq!((&tally["stored"], &tally["conflicts"]), (&1.into(), &1.into()));
    setting.has(&segments[..2]);
    let errors = setting.errors();
    assert!(matches!(&errors[..], [one] if one.ends_with(".duplicate")), "{errors:?}");
    let kept = setting.sandbox.path("work/postgres/main/errors").join(&errors[0]);
    assert!(fs::read(kept).unwrap() == other);
    setting.archive(&[]).exits(0);
}

#[test]
fn a_segment_that_is_not_whole_never_gets_into_the_archive() {
    let (_server, segments) = server(2);
    let setting = Setting::new();
    let path = setting.bring(&segments[0]);
    let whole = fs::read(&segments[0]).unwrap();
    fs::write(&path, &whole[..400_000]).unwrap();
    // Somebody may be writing it.
    let tally = setting.tally(0);
    assert_eq!((&tally["growing"], &tally["stored"]), (&1.into(), &0.into()));
    assert_eq!(setting.left().len(), 1);
    fs::write(&path, &whole).unwrap();
    setting.archive(&[]).exits(0);
    setting.has(&segments[..1]);
    // Nobody is.
    let path = setting.bring(&segments[1]);
    fs::write(&path, &fs::read(&segments[1]).unwrap()[..400_000]).unwrap();
    age(&path, Duration::from_mins(10));
    let tally = setting.tally(7);
    assert_eq!(tally["damaged"], 1);
    assert!(setting.errors()[0].ends_with(".damaged"), "{:?}", setting.errors());
    assert_eq!(setting.archived().len(), 1);
    // The one under another's name is not taken either.
    fs::copy(&segments[0], setting.incoming().join("0000000100000000000000FF")).unwrap();
    age(&setting.incoming().join("0000000100000000000000FF"), Duration::from_mins(10));
    assert_eq!(setting.tally(7)["damaged"], 1);
}

#[test]
fn what_is_left_of_a_timeline_is_archived_as_such() {
    let (_server, segments) = server(2);
    let setting = Setting::new();
    fs::create_dir_all(setting.streaming()).unwrap();
    let name = |at: usize| segments[at].file_name().unwrap().to_str().unwrap().to_owned();
    let left = setting.streaming().join(format!("{}.partial", name(0)));
    fs::copy(&segments[0], left).unwrap();
    let blank = setting.streaming().join(format!("{}.partial", name(1)));
    fs::write(&blank, vec![0; 1 << 20]).unwrap();
    let newest = format!("00000002{}.partial", &name(1)[8..]);
    fs::write(setting.streaming().join(&newest), "").unwrap();
    fs::write(setting.streaming().join("00000002.history"), "1\t0/2000000\twhy\n").unwrap();
    assert_eq!(setting.tally(0)["stored"], 2);
    let archived: Vec<String> = setting.archived().into_keys().collect();
    assert_eq!(archived, [format!("{}.partial", name(0)), "00000002.history".to_owned()]);
    assert_eq!(super::setting::visible(&setting.streaming()), [newest]);
}

#[test]
fn directories_can_be_elsewhere() {
    let (_server, segments) = server(1);
    let elements = "<incoming_wals_directory>$SANDBOX/in</incoming_wals_directory>\
                    <errors_directory>$SANDBOX/bad</errors_directory>";
    let setting = Setting::with(elements, "");
    let incoming = setting.sandbox.dir("in");
    fs::copy(&segments[0], incoming.join(segments[0].file_name().unwrap())).unwrap();
    fs::write(incoming.join("junk"), "").unwrap();
    setting.archive(&[]).exits(7);
    setting.has(&segments);
    assert_eq!(super::setting::visible(&setting.sandbox.path("bad")).len(), 1);

    let setting = Setting::with("<errors_directory>bad</errors_directory>", "");
    setting.archive(&[]).exits(4).complains("absolute");
}
