//! What is there, as it is.

use std::{fs, time::Instant};

use super::setting::{Backup, Setting};

#[test]
fn all_backups_are_listed_as_what_they_are_and_none_blocks_the_others() {
    let setting = Setting::new("<retention_policy>REDUNDANCY 1</retention_policy>");
    setting.pg(&["list"]).exits(0).says("Server main: 0 backups, REDUNDANCY 1");
    setting.store("disk", &Backup::done("20260101T010000", (1, 2)));
    setting
        .store("disk", &Backup { name: Some("weekly"), ..Backup::done("20260102T010000", (3, 4)) });
    setting.store("shelf", &Backup::done("20260102T010000", (3, 4)));
    setting.store("disk", &Backup { status: "FAILED", ..Backup::done("20260103T010000", (5, 6)) });
    setting.store("disk", &Backup { status: "STARTED", ..Backup::done("20260104T010000", (7, 8)) });
    // Half ones: no manifest, no description, a damaged description.
    setting.store("disk", &Backup::done("20260105T010000", (9, 9)));
    let base = setting.sandbox.path("disk/main/base");
    fs::remove_file(base.join("20260105T010000/manifest.zst")).unwrap();
    setting.store("disk", &Backup::done("20260106T010000", (9, 9)));
    fs::remove_file(base.join("20260106T010000/backup.info")).unwrap();
    setting
        .sandbox
        .write("disk/main/base/20260107T010000/backup.info", "status=DONE\nsize=large\n");
    setting.sandbox.write("disk/main/base/not-a-backup/file", "x");

    let json = setting.json(&["list", "main"]);
    let backups = json["servers"][0]["backups"].as_array().unwrap();
    let found: Vec<(&str, &str)> = backups
        .iter()
        .map(|it| (it["id"].as_str().unwrap(), it["status"].as_str().unwrap()))
        .collect();
    let expected = [
        ("20260107T010000", "BROKEN"),
        ("20260106T010000", "BROKEN"),
        ("20260105T010000", "BROKEN"),
        ("20260104T010000", "STARTED"),
        ("20260103T010000", "FAILED"),
        ("20260102T010000", "DONE"),
        ("20260101T010000", "DONE"),
    ];
    assert_eq!(found, expected);
    let weekly = &backups[5];
    assert_eq!((&weekly["name"], &weekly["retention"]), (&"weekly".into(), &"VALID".into()));
    assert_eq!(weekly["copies"].as_array().unwrap().len(), 2);
    assert_eq!(backups[6]["retention"], "OBSOLETE");
    let why = backups[0]["copies"][0]["why"].as_str().unwrap();
    assert!(why.contains("line 2 makes no sense: size: `large`"), "{why}");

    let text = setting.pg(&["list"]).exits(0);
    text.says("Server main: 7 backups").says("weekly").says("disk, shelf");
    for (word, id) in [
        ("latest", "20260102T010000"),
        ("first", "20260101T010000"),
        ("last-failed", "20260103T010000"),
        ("weekly", "20260102T010000"),
        ("20260107T010000", "20260107T010000"),
    ] {
        assert_eq!(setting.json(&["show", "main", word])["id"], id, "{word}");
    }
    let shown = setting.json(&["show", "main", "latest"]);
    assert_eq!(shown["info"]["mode"], "hayloft-local");
    assert_eq!(shown["info"]["end_xlog"], "0/400100");
    setting.pg(&["show", "main", "latest"]).exits(0).says("in storage").says("hayloft-local");
    setting.pg(&["show", "main", "monthly"]).exits(1).complains("no backup called `monthly`");
    setting.pg(&["list", "other"]).exits(1).complains("no server `other` is configured");
}

#[test]
fn a_storage_that_is_away_is_said_and_the_other_one_listed() {
    let setting = Setting::new("");
    setting.store("disk", &Backup::done("20260101T010000", (1, 2)));
    fs::remove_dir(setting.sandbox.path("shelf")).unwrap();
    let output = setting.pg(&["list", "--json"]).exits(7);
    output.complains("storage shelf could not be asked");
    let json = output.json();
    assert_eq!(json["servers"][0]["backups"][0]["id"], "20260101T010000");
    assert_eq!(json["servers"][0]["unread"][0]["storage"], "shelf");
    // A mark must be in every storage.
    let keep = ["keep", "main", "latest", "--target", "full"];
    setting.pg(&keep).exits(1).complains("cannot look into storage shelf");
}

#[test]
fn a_thousand_backups_are_listed_and_no_manifest_is_read() {
    let setting = Setting::new("<retention_policy>RECOVERY WINDOW OF 1 WEEK</retention_policy>");
    let first = "20000101T010000";
    setting.store("disk", &Backup::done(first, (1, 1)));
    let base = setting.sandbox.path("disk/main/base");
    let info = fs::read(base.join(first).join("backup.info")).unwrap();
    for number in 1..1000 {
        let (year, month, day) = (number / 336, number / 28 % 12 + 1, number % 28 + 1);
        let backup = base.join(format!("20{year:02}{month:02}{day:02}T010000"));
        fs::create_dir_all(backup.join("data")).unwrap();
        fs::write(backup.join("backup.info"), &info).unwrap();
        fs::write(backup.join("data/000001"), "frames").unwrap();
        // Whoever read it would say that it is none.
        fs::write(backup.join("manifest.zst"), "what it contains").unwrap();
    }
    let began = Instant::now();
    let json = setting.json(&["list", "main"]);
    let took = began.elapsed();
    assert_eq!(json["servers"][0]["backups"].as_array().unwrap().len(), 1000);
    // The figure itself is measured by itself; this is for what grows with the square.
    assert!(took.as_secs() < 20, "{took:?}");
}

#[test]
fn marks_keep_backups() {
    let setting = Setting::new("");
    setting.store("disk", &Backup::done("20260101T010000", (1, 2)));
    setting.store("shelf", &Backup::done("20260101T010000", (1, 2)));
    setting.store("disk", &Backup { status: "FAILED", ..Backup::done("20260102T010000", (3, 4)) });
    let keep = |more: &[&str]| setting.pg(&[&["keep", "main", "first"], more].concat());
    keep(&[]).exits(0).says("as long as the policy says");
    keep(&["--target", "standalone"]).exits(0).says("is kept: standalone");
    for storage in ["disk", "shelf"] {
        let mark = format!("{storage}/main/base/20260101T010000/annotations/keep");
        assert_eq!(setting.sandbox.read(&mark), "standalone");
    }
    assert_eq!(setting.json(&["list"])["servers"][0]["backups"][1]["keep"], "standalone");
    keep(&["--target", "full"]).exits(0);
    // What is left in one storage counts for all.
    fs::remove_file(setting.sandbox.path("disk/main/base/20260101T010000/annotations/keep"))
        .unwrap();
    assert_eq!(setting.json(&["keep", "main", "first"])["keep"], "full");
    setting.pg(&["delete", "main", "first"]).exits(1).complains("is marked: keep full");
    keep(&["--release"]).exits(0);
    assert_eq!(setting.json(&["keep", "main", "first"])["keep"], serde_json::Value::Null);
    keep(&["--release", "--target", "full"]).exits(1).complains("either kept or released");
    let failed = ["keep", "main", "last-failed", "--target", "full"];
    setting.pg(&failed).exits(1).complains("is FAILED");
}
