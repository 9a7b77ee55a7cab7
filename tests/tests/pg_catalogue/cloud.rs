//! An expiry whose bucket fails at each single request, and one that is
//! killed at each.

use std::collections::BTreeSet;

use hayloft_tests::Sandbox;

use super::outages::{Bucket, Outage};

/// More requests than an expiry of so little makes.
const MOST: u64 = 500;
/// What is kept: the newest two full ones, and what refers to one of them.
const KEPT: [&str; 3] = ["20260103T010000", "20260104T010000", "20260105T010000"];

/// What refers to what.
const PARENTS: [(&str, &str); 2] =
    [("20260102T010000", "20260101T010000"), ("20260104T010000", "20260103T010000")];

struct Struck {
    bucket: Bucket,
    sandbox: Sandbox,
}

impl Struck {
    fn new() -> Self {
        let (bucket, mut sandbox) = (Bucket::start(), Sandbox::new());
        sandbox.env("HOME", sandbox.path("home").to_str().unwrap());
        for directory in ["work", "home"] {
            sandbox.dir(directory);
        }
        let text = format!(
            "<cb_config>
  <options>
    <starting_day>monday</starting_day><working_dir>$SANDBOX/work</working_dir>
    <backup_user>$USER</backup_user><backup_group>$GROUP</backup_group>
    <rcp_command>scp</rcp_command>
  </options>
  <storages><storage><name>cloud</name>{}</storage></storages>
  <postgres_servers>
    <server><name>main</name><storage>cloud</storage>
      <retention_policy>REDUNDANCY 2</retention_policy></server>
  </postgres_servers>
</cb_config>
",
            bucket.elements()
        );
        sandbox.write("hayloft.xml", &text);
        Self { bucket, sandbox }
    }

    /// A catalogue in which the first two go, one of which refers to the other.
    fn fill(&self) {
        self.bucket.server.clear("main/base/");
        for day in 1..=5 {
            let id = format!("2026010{day}T010000");
            let parent = PARENTS.into_iter().find(|it| it.0 == id).map_or("None", |it| it.1);
            let base = format!("main/base/{id}");
            let info = format!(
                "begin_time=2026-01-0{day} 01:00:00+00:00\nbegin_xlog=0/{day}000028\n\
                 deduplicated_size=1024\nend_time=2026-01-0{day} 02:00:00+00:00\n\
                 end_xlog=0/{day}000100\nmode=hayloft-local\nparent_backup_id={parent}\n\
                 size=1048576\nstatus=DONE\ntimeline=1\nversion=150020\n\
                 xlog_segment_size=16777216\n"
            );
            let place = |name: &str, content: String| {
                self.bucket.server.place(&format!("{base}/{name}"), content);
            };
            for part in 1..=3 {
                place(&format!("data/00000{part}"), "frames".to_owned());
            }
            place("manifest.zst", "what it contains".to_owned());
            place("backup.info", info);
        }
    }

    fn pg(&self, words: &[&str]) -> hayloft_tests::Output {
        self.sandbox.run(&[&["--config", "hayloft.xml", "pg"], words].concat())
    }

    /// The backups of which the bucket has anything.
    fn stored(&self) -> BTreeSet<String> {
        let objects = self.bucket.server.objects();
        let ids = objects.keys().filter_map(|it| it.strip_prefix("main/base/")?.get(..15));
        ids.map(ToOwned::to_owned).collect()
    }

    /// What is said to be whole, is, and so is what it refers to.
    fn is_right(&self, about: &str) {
        let objects = self.bucket.server.objects();
        let has = |id: &str, name: &str| objects.contains_key(&format!("main/base/{id}/{name}"));
        let is_whole = |id: &str| {
            let names = ["data/000001", "data/000002", "data/000003", "manifest.zst"];
            has(id, "backup.info") && names.into_iter().all(|it| has(id, it))
        };
        for id in self.stored() {
            // One that is marked is no backup any more, and nothing refers to it
            // that is not.
            let is_said = has(&id, "backup.info") && !has(&id, "annotations/delete_this");
            assert!(!is_said || is_whole(&id), "{about}: {id}");
            let parent = PARENTS.into_iter().find(|it| it.0 == id);
            assert!(!is_said || parent.is_none_or(|it| is_whole(it.1)), "{about}: {id}");
        }
        for id in KEPT {
            assert!(is_whole(id) && !has(id, "annotations/delete_this"), "{about}: {id}");
        }
    }
}

/// Strikes every `step`-th request from `first` on; the next expiry ends what
/// was begun.
fn each_request(outage: Outage, (first, step): (u64, usize)) {
    let it = Struck::new();
    let kept = KEPT.map(ToOwned::to_owned).into();
    let mut struck = 0;
    for at in (first..MOST).step_by(step) {
        let about = format!("{outage:?} at request {at}");
        it.fill();
        let words = ["--config", "hayloft.xml", "pg", "expire", "main"];
        let mut command = it.sandbox.command(&words);
        let (output, hit) = it.bucket.strike(&mut command, (outage, at));
        it.is_right(&about);
        // What ends well has done all of it.
        if output.status.success() {
            assert_eq!(it.stored(), kept, "{about}");
        } else {
            assert!(hit && outage != Outage::Lost, "{about}: {output:?}");
        }
        it.pg(&["expire", "main"]).exits(0);
        assert_eq!(it.stored(), kept, "{about}");
        it.is_right(&about);
        assert_eq!(it.bucket.server.uploads(), [""; 0], "{about}");
        if !hit {
            break;
        }
        struck += 1;
    }
    // A lease, a list, five descriptions, and two backups that go.
    assert!(struck * step > 12, "{struck}");
}

#[test]
fn refused_at_any_request_the_next_one_ends_it() {
    each_request(Outage::Refused, (1, 1));
}

#[test]
fn with_nobody_there_from_any_request_on_the_next_one_ends_it() {
    each_request(Outage::Away, (1, 2));
}

#[test]
fn any_answer_may_be_lost() {
    each_request(Outage::Lost, (1, 2));
}

#[test]
fn any_answer_may_be_cut_off() {
    each_request(Outage::Cut, (2, 2));
}

// Killed at one, and behind the next one.

#[test]
fn killed_at_any_request_the_next_one_ends_it() {
    each_request(Outage::Killed, (1, 2));
}

#[test]
fn killed_behind_any_request_the_next_one_ends_it() {
    each_request(Outage::KilledBehind, (2, 2));
}
