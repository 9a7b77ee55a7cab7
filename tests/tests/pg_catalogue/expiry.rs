//! `pg expire`, and the action `postgresexpire`.

use std::{collections::BTreeSet, fs};

use super::setting::{Backup, Setting};

#[test]
fn what_is_too_old_goes_with_its_wal_and_the_rest_stays() {
    let setting = Setting::new("<retention_policy>REDUNDANCY 2</retention_policy>");
    let segments = setting.archive(12);
    let at = |n: usize| segments[n];
    for storage in ["disk", "shelf"] {
        setting.store(storage, &Backup::done("20260101T010000", (at(0), at(1))));
        setting.store(storage, &Backup::done("20260102T010000", (at(3), at(4))));
        setting.store(
            storage,
            &Backup { status: "FAILED", ..Backup::done("20260103T010000", (at(5), at(5))) },
        );
        setting.store(storage, &Backup::done("20260104T010000", (at(6), at(7))));
    }
    setting.store("disk", &Backup::done("20260105T010000", (at(9), at(10))));
    setting.pg(&["keep", "main", "20260102T010000", "--target", "standalone"]).exits(0);
    let all: BTreeSet<u64> = segments.iter().copied().collect();

    // On the shelf the newest one is not; what it has are the last two.
    let dry = setting.json(&["expire", "main", "--dry-run"]);
    let steps = |storage: usize| -> Vec<(String, String)> {
        let backups = dry["servers"][0]["storages"][storage]["backups"].as_array().unwrap();
        let text = |it: &serde_json::Value| it.as_str().unwrap().to_owned();
        backups.iter().map(|it| (text(&it["retention"]), text(&it["step"]))).collect()
    };
    let step = |verdict: &str, step: &str| (verdict.to_owned(), step.to_owned());
    let expected = [
        step("OBSOLETE", "deleted"),
        step("KEEP:STANDALONE", "stays"),
        step("-", "deleted"),
        step("VALID", "stays"),
        step("VALID", "stays"),
    ];
    assert_eq!(steps(0), expected);
    assert_eq!(steps(1)[..2], [step("OBSOLETE", "deleted"), step("KEEP:STANDALONE", "stays")]);
    assert_eq!((setting.stored("disk").len(), setting.segments("disk")), (5, all.clone()));
    let wal = &dry["servers"][0]["wal"];
    assert_eq!(wal["ranges"].as_array().unwrap().len(), 2, "{wal}");

    let output = setting.pg(&["expire", "main"]).exits(0);
    output.says("there are 2 newer ones").says("deleted").says("it failed, and is older");
    assert_eq!(setting.stored("disk"), ["20260102T010000", "20260104T010000", "20260105T010000"]);
    // On the shelf the older one is within the policy, and needs what comes since.
    let kept: BTreeSet<u64> = all.iter().copied().filter(|it| *it >= at(3)).collect();
    for storage in ["disk", "shelf"] {
        assert_eq!(setting.segments(storage), kept, "{storage}");
    }
    // Nothing is left to do.
    let again = setting.json(&["expire", "main"]);
    assert_eq!(again["servers"][0]["wal"]["files"], 0);
}

#[test]
fn wal_stays_exactly_as_far_as_it_is_needed() {
    let setting = Setting::new("<retention_policy>REDUNDANCY 1</retention_policy>");
    let segments = setting.archive(10);
    let at = |n: usize| segments[n];
    setting.store("disk", &Backup::done("20260101T010000", (at(1), at(2))));
    setting.store("disk", &Backup::done("20260102T010000", (at(4), at(4))));
    setting.store("disk", &Backup::done("20260103T010000", (at(7), at(8))));
    setting.pg(&["keep", "main", "first", "--target", "standalone"]).exits(0);
    setting.pg(&["expire", "main"]).exits(0);
    let kept: BTreeSet<u64> = segments
        .iter()
        .enumerate()
        .filter(|(i, _)| [1, 2].contains(i) || *i >= 7)
        .map(|it| *it.1)
        .collect();
    assert_eq!(setting.segments("disk"), kept);
    assert_eq!(setting.segments("shelf"), kept);
}

#[test]
fn nothing_goes_without_a_policy_or_with_a_storage_that_is_away() {
    let setting = Setting::new("");
    let segments = setting.archive(4);
    setting.store("disk", &Backup::done("20260101T010000", (segments[2], segments[3])));
    setting.pg(&["expire", "main"]).exits(0).says("no retention policy");
    assert_eq!(setting.segments("disk").len(), segments.len());

    let setting = Setting::new("<retention_policy>REDUNDANCY 1</retention_policy>");
    let segments = setting.archive(4);
    setting.store("disk", &Backup::done("20260101T010000", (segments[0], segments[0])));
    setting.store("disk", &Backup::done("20260102T010000", (segments[2], segments[3])));
    fs::rename(setting.sandbox.path("shelf"), setting.sandbox.path("aside")).unwrap();
    let output = setting.pg(&["expire", "main", "--dry-run"]).exits(1);
    output.complains("storage shelf could not be asked").says("would be deleted");
    output.says("what the backups in storage shelf need is not known");
    // The other one is not held up by it.
    setting.pg(&["expire", "main"]).exits(1);
    assert_eq!(setting.stored("disk"), ["20260102T010000"]);
    assert_eq!(setting.segments("disk").len(), segments.len());
}

#[test]
fn a_damaged_description_holds_the_wal_and_lets_other_backups_go() {
    let setting = Setting::new("<retention_policy>REDUNDANCY 1</retention_policy>");
    let segments = setting.archive(6);
    let at = |n: usize| segments[n];
    setting.store("disk", &Backup::done("20260101T010000", (at(0), at(1))));
    setting.sandbox.write("disk/main/base/20260102T010000/backup.info", "begin_xlog=far\n");
    setting.store("disk", &Backup::done("20260103T010000", (at(4), at(5))));
    let output = setting.pg(&["expire", "main"]).exits(0);
    output.says("what backup 20260102T010000 needs is not known");
    assert_eq!(setting.stored("disk"), ["20260102T010000", "20260103T010000"]);
    assert_eq!(setting.segments("disk").len(), segments.len());
    setting.pg(&["delete", "main", "20260102T010000"]).exits(0);
    setting.pg(&["expire", "main"]).exits(0);
    assert!(!setting.segments("disk").contains(&at(3)));
}

#[test]
fn it_is_an_action_of_a_run_too() {
    let extensions = "<extensions><action><name>postgresexpire</name>\
                      <plugin>postgresexpire</plugin><index>90</index></action></extensions>\
                      <collect><collect_dir>$SANDBOX/collect</collect_dir>\
                      <collect_mode>daily</collect_mode><archive_mode>tar</archive_mode>\
                      <ignore_file>.cbignore</ignore_file>\
                      <dir><abs_path>$SANDBOX/collect</abs_path></dir></collect>";
    let policy = "<retention_policy>REDUNDANCY 1</retention_policy>";
    let setting = Setting::with(policy, extensions);
    setting.store("disk", &Backup::done("20260101T010000", (1, 2)));
    setting.store("disk", &Backup::done("20260102T010000", (3, 4)));
    let run = |more: &[&str]| {
        let all = [&["--config", "hayloft.xml", "run", "postgresexpire"], more].concat();
        setting.sandbox.run(&all).exits(0)
    };
    run(&["--dry-run"]);
    assert_eq!(setting.stored("disk").len(), 2);
    run(&[]);
    assert_eq!(setting.stored("disk"), ["20260102T010000"]);
}

#[test]
fn policies_that_make_no_sense_are_refused_with_their_place() {
    for policy in ["KEEP 3", "RECOVERY WINDOW OF 1 YEAR", "GFS 7"] {
        let setting = Setting::new(&format!("<retention_policy>{policy}</retention_policy>"));
        let output = setting.pg(&["expire", "main"]).exits(4);
        output.complains("hayloft.xml:").complains("is no retention policy: REDUNDANCY 3");
    }
}

/// Base backups may have a storage of their own, in which there is no WAL.
#[test]
fn backups_in_a_storage_of_their_own_are_listed_expire_and_keep_their_wal() {
    let setting = Setting::new(
        "<retention_policy>REDUNDANCY 1</retention_policy>
         <backup><storage><name>shelf</name></storage></backup>",
    );
    let configuration = setting.sandbox.read("hayloft.xml");
    let element = "<storage>shelf</storage>";
    assert!(configuration.contains(element));
    setting.sandbox.write("hayloft.xml", &configuration.replace(element, ""));
    let segments = setting.archive(6);
    let at = |n: usize| segments[n];
    setting.store("shelf", &Backup::done("20260101T010000", (at(0), at(1))));
    setting.store("shelf", &Backup::done("20260102T010000", (at(3), at(4))));
    let listed = setting.pg(&["list", "main"]).exits(0);
    listed.says("20260101T010000").says("20260102T010000");

    // Nobody takes away by hand what they need.
    let last = format!("0000000100000000{:08X}", at(5));
    setting.pg(&["wal", "delete", "main", "--before", &last]).exits(0);
    assert!(setting.segments("disk").contains(&at(0)));
    setting.pg(&["expire", "main"]).exits(0);
    assert_eq!(setting.stored("shelf"), ["20260102T010000"]);
    let kept: BTreeSet<u64> = segments.iter().copied().filter(|it| *it >= at(3)).collect();
    assert_eq!(setting.segments("disk"), kept);
}
