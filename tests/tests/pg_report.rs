//! `hayloft report`, looked at by a browser.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "test code fails by panicking")]

#[expect(dead_code, reason = "it is for the tests of the catalogue")]
#[path = "pg_catalogue/setting.rs"]
mod setting;

use std::{
    fs,
    process::{Command, Stdio},
};

use self::setting::{Backup, Setting};

/// A server with backups of every kind.
fn setting() -> Setting {
    let days = "<stage><staging_dir>$SANDBOX/stage</staging_dir></stage>\
                <peers><peer><name>ann</name><type>local</type>\
                <collect_dir>$SANDBOX/collect</collect_dir></peer></peers>";
    let setting = Setting::with(
        "<description>orders &amp; more</description>\
         <retention_policy>RECOVERY WINDOW OF 4 WEEKS</retention_policy>\
         <last_backup_maximum_age>1 DAY</last_backup_maximum_age>",
        days,
    );
    stage(&setting);
    drills(&setting);
    for day in 1..=9 {
        let id = format!("2026010{day}T010000");
        let parent = (day % 3 != 1).then(|| format!("2026010{}T010000", day - 1));
        let parent = parent.as_deref();
        setting.store("disk", &Backup { parent, ..Backup::done(&id, (day, day)) });
    }
    let failed = Backup { status: "FAILED", ..Backup::done("20260110T010000", (9, 9)) };
    setting.store("disk", &failed);
    setting
}

/// Days that are stored, only staged, and not even that.
fn stage(setting: &Setting) {
    for (day, indicators) in
        [("01", &["cback.stage", "cback.store"] as &[&str]), ("02", &["cback.stage"]), ("03", &[])]
    {
        let place = format!("stage/2026/01/{day}");
        setting.sandbox.write(&format!("{place}/ann/etc.tar.gz"), "what was collected");
        for it in indicators {
            setting.sandbox.write(&format!("{place}/{it}"), "");
        }
    }
}

/// One that proved something, and a later one that did not.
fn drills(setting: &Setting) {
    for (day, proven, problem) in [("05", true, None), ("09", false, Some("there is a gap"))] {
        let report = serde_json::json!({
            "format": 1, "server": "main", "began": format!("2026-01-{day}T05:00:00Z"),
            "proven": proven, "problem": problem, "backup": null, "storage": null,
            "target": "end", "restored_bytes": 1, "wal_files": 1, "replayed_to": null,
            "last_transaction": null, "recovery_seconds": 90.0, "data_loss_seconds": 6.0,
            "durations": { "restore": 1.0, "replay": 1.0, "checks": 1.0 },
            "checks": [], "isolation": [], "warnings": [],
        });
        let place = format!("work/postgres/main/drills/2026-01-{day}.json");
        setting.sandbox.write(&place, &report.to_string());
    }
}

#[test]
fn a_page_shows_what_there_is_and_what_is_wrong() {
    let setting = setting();
    let segments = setting.archive(5);
    let log = format!("disk/main/wals/0000000100000000/{:024X}", 0);
    let gap = log.replace(&format!("{:024X}", 0), &format!("0000000100000000{:08X}", segments[2]));
    fs::remove_file(setting.sandbox.path(gap)).unwrap();
    let report = |more: &[&str]| {
        let all = [&["--config", "hayloft.xml", "report"], more].concat();
        setting.sandbox.run(&all)
    };
    report(&[]).exits(1).complains("--html FILE");
    report(&["--html", "nowhere/page.html"]).exits(1).complains("cannot write");
    report(&["--html", "page.html"]).exits(7);
    let html = setting.sandbox.read("page.html");
    for part in [
        "orders &amp; more",
        "overdue: the newest backup is",
        "WAL of timeline 1 has 1 gaps in storage disk",
        "1 backup failed or broken",
        "RECOVERY WINDOW OF 4 WEEKS",
        "the last drill failed: there is a gap",
        "last proven restorable 2026-01-05 05:00 UTC: 1.5 min to recover, 0.1 min would",
        "overdue: the newest staged day is",
        "1 day is staged and not stored",
        "1 day is not staged",
    ] {
        assert!(html.contains(part), "{part}");
    }
    let json = report(&["--json"]).exits(7).json();
    let server = &json["servers"][0];
    assert_eq!(server["backups"].as_array().unwrap().len(), 10);
    assert_eq!(server["wal"][0]["gaps"][0][0], segments[2]);
    assert_eq!(server["drills"].as_array().unwrap().len(), 2);
    let days = json["pool"]["days"].as_array().unwrap();
    for (day, (staged, stored)) in days.iter().zip([(true, true), (true, false), (false, false)]) {
        assert_eq!((&day["staged"], &day["stored"]), (&staged.into(), &stored.into()), "{day}");
    }
    assert_eq!(days.len(), 3);
    assert_eq!(days[0]["peers"][0], "ann");

    // What a browser makes of it: all of the drawings, and not one complaint.
    let seen = browse(&setting, &["--dump-dom"]);
    assert_eq!(seen.matches("<svg").count(), 5, "{seen}");
    assert!(seen.contains("</table>") && seen.contains("</html>"));
    let picture = setting.sandbox.path("page.png");
    browse(&setting, &[&format!("--screenshot={}", picture.display()), "--window-size=1100,1400"]);
    assert!(fs::metadata(&picture).unwrap().len() > 20_000, "there is little to see");
    if let Ok(keep) = std::env::var("HAYLOFT_TEST_PICTURE") {
        fs::copy(picture, keep).unwrap();
    }
}

/// Opens the page in a browser without a window, and returns what it prints.
fn browse(setting: &Setting, more: &[&str]) -> String {
    let page = format!("file://{}", setting.sandbox.path("page.html").display());
    let profile = setting.sandbox.dir("profile");
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--enable-logging=stderr", "--v=0"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(more)
        .arg(page)
        .env("HOME", setting.sandbox.path(""))
        .stdin(Stdio::null())
        .output()
        .expect("chromium is installed");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(!told.contains("CONSOLE"), "{told}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
