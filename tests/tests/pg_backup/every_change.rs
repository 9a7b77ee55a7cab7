//! A backup that is struck at each single change that it makes: killed, without
//! room, or with an error of the disk.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
};

use hayloft_tests::faults::{Fault, Faults};

use super::ground::{Ended, Ground};

/// WAL goes elsewhere, so that what is struck is the backup's own.
const APART: &str = "
  <storages>
    <storage><name>disk</name><type>local</type><root>$DIR/disk</root><create>Y</create></storage>
    <storage><name>wal</name><type>local</type><root>$DIR/wal</root><create>Y</create></storage>
  </storages>
  <postgres_servers>
    <server><name>main</name><conninfo>$CONNINFO</conninfo><storage>disk</storage>
      <wal><storage><name>wal</name></storage></wal>
      <backup><part_size>1MB</part_size></backup></server>
  </postgres_servers>";
/// More changes than a backup of so little makes.
const MOST: u64 = 2000;
/// How often the previous backup is also read by `verify`; its files are
/// compared each time.
const VERIFIED: u64 = 16;

/// What stays on this machine.
const STAYS: [&str; 6] =
    ["lock", "backup.lock", "backup.token", "catalogue.lock", "catalogue.token", "verified.json"];

struct Struck {
    ground: Ground,
    faults: Faults,
    /// The backup that is there before.
    previous: String,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Struck {
    fn new() -> Self {
        let ground = Ground::with(APART, |it| it.initdb("--wal-segsize=1"));
        let previous = ground.backup(&[]);
        ground
            .sql("CREATE TABLE t AS SELECT a, md5(a::text) AS b FROM generate_series(1, 30000) a");
        let files = files(&ground.path(format!("disk/main/base/{previous}")));
        assert!(files.len() > 2);
        Self { ground, faults: Faults::new(), previous, files }
    }

    /// Strikes one backup; tells how it ended, and whether it was struck.
    fn strike(&self, fault: Fault, at: u64) -> (Ended, bool) {
        let words = ["backup", "main", "--fast", "--incremental", "--json"];
        let mut command = self.ground.command(&words);
        let under = [self.ground.path("disk"), self.ground.path("work")];
        let output = self.faults.strike(&mut command, &under, (fault, at)).output().unwrap();
        let struck = self.faults.changes() >= at;
        if struck && fault == Fault::Kill {
            assert_eq!(output.status.signal(), Some(9), "{output:?}");
        }
        (Ended::of(&output), struck)
    }

    /// What is said to be whole, is; and nothing of the previous one has
    /// changed.
    fn is_right(&self, about: &str) {
        let base = self.ground.path("disk/main/base");
        assert!(files(&base.join(&self.previous)) == self.files, "{about}");
        for id in self.ground.ids("disk") {
            let info = self.ground.info("disk", &id);
            if info.contains("status=DONE") || info.contains("status=WAITING") {
                assert!(base.join(&id).join("manifest.zst").exists(), "{about}: {id}\n{info}");
            }
        }
    }

    /// The next backup works, and nothing of the one before it is left but
    /// what is said of it.
    fn next_one_works(&self, about: &str) {
        let id = self.ground.backup(&["--incremental"]);
        self.is_right(about);
        let base = self.ground.path("disk/main/base");
        for other in self.ground.ids("disk") {
            let info = self.ground.info("disk", &other);
            let left: Vec<_> = files(&base.join(&other)).into_keys().collect();
            if info.contains("status=FAILED") {
                assert_eq!(left, [PathBuf::from("backup.info")], "{about}: {other}");
            } else if !left.is_empty() {
                // A directory without a file is nothing to a storage.
                assert!(info.contains("status=DONE"), "{about}: {other}\n{info}");
            }
        }
        assert!(self.ground.info("disk", &id).contains("status=DONE"), "{about}");
        self.nothing_is_left(about);
    }

    /// No staging files, and no notes of what is under way.
    fn nothing_is_left(&self, about: &str) {
        for place in ["disk/.hayloft-staging", "work/postgres/main"] {
            let left = fs::read_dir(self.ground.path(place)).into_iter().flatten();
            let left = left.map(|it| it.unwrap().file_name().into_string().unwrap());
            let left: Vec<String> = left.filter(|it| !STAYS.contains(&&**it)).collect();
            assert!(left.is_empty(), "{about}: {left:?} in {place}");
        }
    }

    /// Removes all backups but the first.
    fn again(&self) {
        for id in self.ground.ids("disk").into_iter().filter(|it| *it != self.previous) {
            fs::remove_dir_all(self.ground.path(format!("disk/main/base/{id}"))).unwrap();
        }
    }
}

/// The files below a directory, and what is in them.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(directory).unwrap().to_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Strikes every `step`-th change from one on.
fn each_change(fault: Fault, (first, step): (u64, usize)) {
    let it = Struck::new();
    let mut struck = 0;
    for at in (first..MOST).step_by(step) {
        let about = format!("{fault:?} at change {at}");
        let (ended, hit) = it.strike(fault, at);
        it.is_right(&about);
        if ended.code == Some(0) {
            // An error that it got over, or none.
            let id = ended.json()["id"].as_str().unwrap().to_owned();
            assert!(it.ground.info("disk", &id).contains("status=DONE"), "{about}");
            it.ground.pg(&["verify", "main", "--backup", &id]).exits(0);
        }
        if !hit {
            ended.exits(0);
            break;
        }
        struck += 1;
        it.next_one_works(&about);
        if at % VERIFIED == first {
            it.ground.pg(&["verify", "main"]).exits(0);
        }
        it.again();
    }
    // Descriptions, a part, a manifest, and each of them made durable.
    assert!(struck * step > 30, "{struck}");
    it.ground.pg(&["verify", "main"]).exits(0);
}

// All changes, in two halves: each takes its time.

#[test]
fn killed_at_any_odd_change_a_backup_leaves_nothing_that_looks_good() {
    each_change(Fault::Kill, (1, 2));
}

#[test]
fn killed_at_any_even_change_a_backup_leaves_nothing_that_looks_good() {
    each_change(Fault::Kill, (2, 2));
}

// One that fails is less than one that was killed, so not each is struck.

#[test]
fn without_room_at_any_change_a_backup_leaves_nothing_that_looks_good() {
    each_change(Fault::Full, (1, 3));
}

#[test]
fn with_an_error_at_any_change_a_backup_leaves_nothing_that_looks_good() {
    each_change(Fault::Io, (2, 3));
}
