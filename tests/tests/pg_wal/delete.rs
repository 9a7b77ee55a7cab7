//! What is deleted, and above all what is not.

use std::fs;

use super::{
    ground::{Ground, PLAIN},
    segments::Segment,
};

/// Puts segments of that size into the archive, as they are.
fn archive(ground: &Ground, numbers: std::ops::Range<u64>, size: u32) {
    for number in numbers {
        let segment = Segment { size, ..Segment::number(number) };
        let name = segment.name();
        let directory = ground.path(format!("disk/main/wals/{}", &name[..16]));
        fs::create_dir_all(&directory).unwrap();
        // The header tells the size; the rest does not matter here.
        fs::write(directory.join(&name), &segment.bytes()[..8192]).unwrap();
    }
}

fn names(ground: &Ground) -> Vec<String> {
    let stored = ground.stored("disk").into_iter();
    let names = stored.filter_map(|it| Some(it.strip_prefix("main/wals/")?.to_owned()));
    names.map(|it| it.rsplit('/').next().unwrap().to_owned()).collect()
}

fn delete(ground: &Ground, before: &str) -> super::ground::Ended {
    ground.wal(&["delete", "main", "--before", before])
}

#[test]
fn a_directory_with_hundreds_of_segments_loses_only_those_that_are_meant() {
    // V-05: Barman removes the whole directory, 44 segments that are needed too.
    let ground = Ground::new(PLAIN);
    archive(&ground, 0..300, 1 << 20);
    let directory = ground.path("disk/main/wals/0000000100000000");
    fs::write(directory.join("000000010000000000000005.00000028.backup"), "x").unwrap();
    fs::write(directory.join("000000010000000000000101.00000028.backup"), "x").unwrap();
    fs::write(directory.join("000000010000000000000006.partial.zst"), "x").unwrap();
    fs::write(ground.path("disk/main/wals/00000002.history"), "x").unwrap();
    fs::write(directory.join("notes.txt"), "not ours").unwrap();
    ground.wal(&["delete", "main", "--dry-run", "--before", "000000010000000000000100"]).exits(0);
    assert_eq!(names(&ground).len(), 305);
    delete(&ground, "000000010000000000000100").exits(0);
    let left = names(&ground);
    assert_eq!(left.len(), 44 + 3, "{left:?}");
    assert!(left.contains(&"000000010000000000000100".to_owned()));
    assert!(left.contains(&"000000010000000000000101.00000028.backup".to_owned()));
    assert!(
        left.contains(&"00000002.history".to_owned()) && left.contains(&"notes.txt".to_owned())
    );
}

#[test]
fn what_a_backup_needs_stays_whatever_is_asked_for() {
    let ground = Ground::new(PLAIN);
    archive(&ground, 0..20, 16 << 20);
    let info = |id: &str, begin: &str| {
        let directory = ground.path("disk/main/base").join(id);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("backup.info"), format!("begin_xlog={begin}\nmode=x\n")).unwrap();
    };
    info("20261101T000000", "0/A000028");
    info("20261102T000000", "0/5000028");
    info("20261103T000000", "None");
    delete(&ground, "000000010000000000000012").exits(0);
    assert_eq!(names(&ground).first().unwrap(), "000000010000000000000005");
    info("20261104T000000", "nonsense");
    delete(&ground, "000000010000000000000012").exits(1).complains("begin_xlog: `nonsense`");
    assert_eq!(names(&ground).len(), 15);
    delete(&ground, "00000002.history").exits(1).complains("no name of a segment");
    delete(&ground, "000000010000000000000FFF").exits(1);
    assert_eq!(names(&ground).len(), 15);
}

#[test]
fn hooks_are_asked_before_each_file_and_one_that_says_no_ends_it() {
    let hooks = "<hooks><hook><on>pre_wal_delete</on><command>$DIR/guard</command></hook>\
                 <hook><on>post_wal_delete</on><command>$DIR/guard</command></hook></hooks>";
    let ground = Ground::new(&format!("{PLAIN}{hooks}"));
    let script = ground.expand(
        "#!/bin/sh\necho $BARMAN_PHASE $BARMAN_HOOK $BARMAN_SEGMENT $BARMAN_FILE >> $DIR/told\n\
         case $BARMAN_SEGMENT in *3) exit 63;; esac\n",
    );
    fs::write(ground.path("guard"), script).unwrap();
    fs::set_permissions(ground.path("guard"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    archive(&ground, 1..6, 16 << 20);
    delete(&ground, "000000010000000000000005").exits(1).complains("guard");
    let left = names(&ground);
    assert_eq!(left.first().unwrap(), "000000010000000000000003", "{left:?}");
    let told = fs::read_to_string(ground.path("told")).unwrap();
    let lines: Vec<&str> = told.lines().collect();
    let path = ground.path("disk/main/wals/0000000100000000/000000010000000000000001");
    let first = format!("pre wal_delete_script 000000010000000000000001 {}", path.display());
    assert_eq!(lines[0], first);
    assert!(lines[1].starts_with("post wal_delete_script 000000010000000000000001"), "{told}");
    assert_eq!(lines.len(), 5, "{told}");
}
