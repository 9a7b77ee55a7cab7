//! Kills, and others at the same time.

use std::{thread, time::Duration};

use hayloft_tests::chaos;

use super::setting::{Backup, Setting};

/// How often it is killed.
const KILLS: usize = 16;

/// A catalogue in which all but the last two go.
fn fill(setting: &Setting) {
    for day in 1..=9 {
        let id = format!("2026010{day}T010000");
        let parent = format!("2026010{}T010000", day - 1);
        let parent = [2, 3, 5].contains(&day).then_some(parent.as_str());
        setting.store("disk", &Backup { parent, ..Backup::done(&id, (day, day)) });
    }
}

/// What is said to be whole, is.
fn all_is_well(setting: &Setting) -> usize {
    let json = setting.json(&["list", "main"]);
    let backups = json["servers"][0]["backups"].as_array().unwrap();
    let whole: Vec<&str> = backups
        .iter()
        .filter(|it| it["status"] == "DONE")
        .map(|it| it["id"].as_str().unwrap())
        .collect();
    for id in &whole {
        let place = format!("disk/main/base/{id}");
        assert_eq!(setting.sandbox.names(&format!("{place}/data")).len(), 3, "{id}");
        assert!(setting.sandbox.path(format!("{place}/manifest.zst")).exists(), "{id}");
        let parent = backups.iter().find(|it| it["id"] == **id).unwrap()["parent"].clone();
        assert!(parent.is_null() || whole.iter().any(|it| parent == *it), "{id} needs {parent}");
    }
    assert!(whole.contains(&"20260108T010000") && whole.contains(&"20260109T010000"));
    backups.len()
}

#[test]
fn whenever_it_is_killed_the_next_one_ends_it() {
    let setting = Setting::new("<retention_policy>REDUNDANCY 2</retention_policy>");
    fill(&setting);
    let mut interrupted = 0;
    for moment in chaos::noise(KILLS, 7) {
        let mut child = setting.sandbox.spawn(&["--config", "hayloft.xml", "pg", "expire", "main"]);
        thread::sleep(Duration::from_millis(40 + 2 * u64::from(moment)));
        chaos::power_cut(&mut child);
        let left = all_is_well(&setting);
        interrupted += usize::from(left > 2 && left < 9);
        if left == 2 {
            fill(&setting);
        }
    }
    // It is chance whether one hits; what counts is that nothing was lost.
    println!("{interrupted} of {KILLS} kills hit it at work");
    setting.pg(&["expire", "main"]).exits(0);
    assert_eq!(all_is_well(&setting), 2);
    assert_eq!(setting.stored("disk"), ["20260108T010000", "20260109T010000"]);
}

#[test]
fn what_was_begun_is_ended_at_every_step() {
    let steps: [&[&str]; 5] = [
        &[],
        &["manifest.zst"],
        &["manifest.zst", "backup.info"],
        &["manifest.zst", "backup.info", "data/000001"],
        &["manifest.zst", "backup.info", "data/000001", "data/000002", "data/000003"],
    ];
    for gone in steps {
        let setting = Setting::new("");
        setting.store("disk", &Backup::done("20260101T010000", (1, 2)));
        setting.store("disk", &Backup::done("20260102T010000", (3, 4)));
        let base = "disk/main/base/20260101T010000";
        setting.sandbox.write(&format!("{base}/annotations/delete_this"), "hayloft");
        for name in gone {
            std::fs::remove_file(setting.sandbox.path(format!("{base}/{name}"))).unwrap();
        }
        let json = setting.json(&["list"]);
        assert_eq!(json["servers"][0]["backups"][1]["status"], "DELETING", "{gone:?}");
        setting.pg(&["expire", "main"]).exits(0).says("its deletion was interrupted");
        assert_eq!(setting.stored("disk"), ["20260102T010000"], "{gone:?}");
    }
}

#[test]
fn of_several_at_once_one_works_and_the_others_say_who_does() {
    let setting = Setting::new("<retention_policy>REDUNDANCY 2</retention_policy>");
    fill(&setting);
    let expire: &[&str] = &["--config", "hayloft.xml", "pg", "expire", "main"];
    let children: Vec<_> = (0..4).map(|_| setting.sandbox.spawn(expire)).collect();
    let outputs: Vec<_> = children.into_iter().map(|it| setting.sandbox.wait(it)).collect();
    for output in &outputs {
        match output.code {
            Some(0) => {}
            Some(3) => drop(output.says("its catalogue is in use: process ")),
            _ => panic!("{output}"),
        }
    }
    assert!(outputs.iter().any(|it| it.code == Some(0)));
    assert_eq!(setting.stored("disk"), ["20260108T010000", "20260109T010000"]);
}
