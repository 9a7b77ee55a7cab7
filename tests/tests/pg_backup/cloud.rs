//! A backup whose bucket fails at each single request, and one that is killed
//! at each.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ground::{Ended, Ground},
    outages::{Bucket, Outage},
};

/// WAL goes elsewhere, so that what is struck is the backup's own.
const APART: &str = "
  <storages>
    <storage><name>cloud</name>$BUCKET</storage>
    <storage><name>disk</name><type>local</type><root>$DIR/disk</root><create>Y</create></storage>
  </storages>
  <postgres_servers>
    <server><name>main</name><conninfo>$CONNINFO</conninfo><storage>cloud</storage>
      <wal><storage><name>disk</name></storage></wal>
      <backup><part_size>1MB</part_size></backup></server>
  </postgres_servers>";
/// More requests than a backup of so little makes.
const MOST: u64 = 500;

struct Struck {
    bucket: Bucket,
    ground: Ground,
    /// The backup that is there before.
    previous: String,
    objects: BTreeMap<String, Vec<u8>>,
}

impl Struck {
    fn new() -> Self {
        let bucket = Bucket::start();
        let configuration = APART.replace("$BUCKET", &bucket.elements());
        let ground = Ground::with(&configuration, |it| it.initdb("--wal-segsize=1"));
        let previous = ground.backup(&[]);
        ground
            .sql("CREATE TABLE t AS SELECT a, md5(a::text) AS b FROM generate_series(1, 30000) a");
        let mut it = Self { bucket, ground, previous, objects: BTreeMap::new() };
        it.objects = it.objects_of(&it.previous);
        assert!(it.objects.len() > 2);
        it
    }

    fn objects_of(&self, id: &str) -> BTreeMap<String, Vec<u8>> {
        let base = format!("main/base/{id}/");
        let objects = self.bucket.server.objects();
        let found = objects.iter().filter_map(|(key, it)| Some((key.strip_prefix(&base)?, it)));
        found.map(|(name, it)| (name.to_owned(), it.content.to_vec())).collect()
    }

    fn ids(&self) -> BTreeSet<String> {
        let objects = self.bucket.server.objects();
        let ids = objects.keys().filter_map(|it| it.strip_prefix("main/base/")?.get(..15));
        ids.map(ToOwned::to_owned).collect()
    }

    /// Backups other than the first one, with what is said of them.
    fn others(&self) -> Vec<(String, BTreeMap<String, Vec<u8>>, String)> {
        let described = |id: String| {
            let objects = self.objects_of(&id);
            let info = objects.get("backup.info").cloned().unwrap_or_default();
            (id, objects, String::from_utf8(info).unwrap())
        };
        self.ids().into_iter().filter(|it| *it != self.previous).map(described).collect()
    }

    /// Strikes one backup; tells how it ended, and whether it was struck.
    fn strike(&self, outage: Outage, at: u64) -> (Ended, bool) {
        let words = ["backup", "main", "--fast", "--incremental", "--json"];
        let (output, hit) = self.bucket.strike(&mut self.ground.command(&words), (outage, at));
        (Ended::of(&output), hit)
    }

    /// What is said to be whole, is; and nothing of the previous one has
    /// changed.
    fn is_right(&self, about: &str) {
        assert!(self.objects_of(&self.previous) == self.objects, "{about}");
        for (id, objects, info) in self.others() {
            if info.contains("status=DONE") || info.contains("status=WAITING") {
                assert!(objects.contains_key("manifest.zst"), "{about}: {id}\n{info}");
                self.ground.pg(&["verify", "main", "--backup", &id]).exits(0);
            }
        }
    }

    /// The next backup works, and nothing of the one before it is left but
    /// what is said of it.
    fn next_one_works(&self, about: &str) {
        let id = self.ground.backup(&["--incremental"]);
        self.is_right(about);
        for (other, objects, info) in self.others() {
            let left: Vec<&str> = objects.keys().map(String::as_str).collect();
            if info.contains("status=FAILED") {
                assert_ne!(other, id, "{about}");
                assert_eq!(left, ["backup.info"], "{about}: {other}");
            } else {
                assert!(info.contains("status=DONE"), "{about}: {other}: {left:?}\n{info}");
            }
        }
        assert!(self.ids().contains(&id), "{about}");
        assert_eq!(self.bucket.server.uploads(), [""; 0], "{about}");
    }
}

/// Strikes every `step`-th request from `first` on.
fn each_request(outage: Outage, (first, step): (u64, usize)) {
    let it = Struck::new();
    let mut struck = 0;
    for at in (first..MOST).step_by(step) {
        let about = format!("{outage:?} at request {at}");
        let (ended, hit) = it.strike(outage, at);
        it.is_right(&about);
        if !hit || outage == Outage::Lost {
            assert_eq!(ended.code, Some(0), "{about}: {}", ended.stderr);
        }
        if ended.code == Some(0) {
            let id = ended.json()["id"].as_str().unwrap().to_owned();
            let others = it.others();
            let (.., info) = others.iter().find(|it| it.0 == id).unwrap();
            assert!(info.contains("status=DONE"), "{about}\n{info}");
        }
        if !hit {
            break;
        }
        struck += 1;
        it.next_one_works(&about);
        for (id, ..) in it.others() {
            it.bucket.server.clear(&format!("main/base/{id}/"));
        }
    }
    // A lease, lists, descriptions, parts and a manifest.
    assert!(struck * step > 20, "{struck}");
    it.ground.pg(&["verify", "main"]).exits(0);
}

#[test]
fn refused_at_any_request_a_backup_leaves_nothing_that_looks_good() {
    each_request(Outage::Refused, (1, 2));
}

#[test]
fn with_nobody_there_from_any_request_on_a_backup_leaves_nothing_that_looks_good() {
    each_request(Outage::Away, (2, 3));
}

#[test]
fn any_answer_to_a_backup_may_be_lost() {
    each_request(Outage::Lost, (1, 3));
}

#[test]
fn any_answer_to_a_backup_may_be_cut_off() {
    each_request(Outage::Cut, (2, 3));
}

#[test]
fn killed_at_any_request_a_backup_leaves_nothing_that_looks_good() {
    each_request(Outage::Killed, (1, 3));
}

#[test]
fn killed_behind_any_request_a_backup_leaves_nothing_that_looks_good() {
    each_request(Outage::KilledBehind, (3, 3));
}
