//! An expiry that is struck at each single change that it makes: killed,
//! without room, or with an error of the disk.

use std::{fs, os::unix::process::ExitStatusExt};

use hayloft_tests::faults::{Fault, Faults};

use super::setting::{Backup, Setting};

/// More changes than it makes.
const MOST: u64 = 2000;
/// What is kept: the newest two full ones, and what refers to one of them.
const KEPT: [&str; 3] = ["20260103T010000", "20260104T010000", "20260105T010000"];

/// A catalogue in which the first two go, one of which refers to the other.
fn fill(setting: &Setting) {
    for day in 1..=5 {
        let id = format!("2026010{day}T010000");
        let parent = format!("2026010{}T010000", day - 1);
        let parent = [2, 4].contains(&day).then_some(parent.as_str());
        setting.store("disk", &Backup { parent, ..Backup::done(&id, (day, day)) });
    }
}

/// What is said to be whole, is, and so is what it refers to.
fn is_right(setting: &Setting, about: &str) {
    let json = setting.json(&["list", "main"]);
    let backups = json["servers"][0]["backups"].as_array().unwrap();
    let done = backups.iter().filter(|it| it["status"] == "DONE");
    let whole: Vec<&str> = done.clone().map(|it| it["id"].as_str().unwrap()).collect();
    for it in done {
        let place = format!("disk/main/base/{}", it["id"].as_str().unwrap());
        assert_eq!(setting.sandbox.names(&format!("{place}/data")).len(), 3, "{about}: {it}");
        assert!(setting.sandbox.path(format!("{place}/manifest.zst")).exists(), "{about}: {it}");
        let parent = &it["parent"];
        assert!(parent.is_null() || whole.iter().any(|it| parent == *it), "{about}: {it}");
    }
    assert!(KEPT.iter().all(|it| whole.contains(it)), "{about}: {whole:?}");
}

/// Strikes each change once; the next one ends what it had begun.
fn each_change(fault: Fault) {
    let setting = Setting::new("<retention_policy>REDUNDANCY 2</retention_policy>");
    let faults = Faults::new();
    let under = ["disk", "work"].map(|it| setting.sandbox.path(it));
    let mut struck = 0;
    for at in 1..MOST {
        let about = format!("{fault:?} at change {at}");
        fill(&setting);
        let words = ["--config", "hayloft.xml", "pg", "expire", "main"];
        let mut command = setting.sandbox.command(&words);
        let output = faults.strike(&mut command, &under, (fault, at)).output().unwrap();
        let hit = faults.changes() >= at;
        if hit && fault == Fault::Kill {
            assert_eq!(output.status.signal(), Some(9), "{about}");
        }
        is_right(&setting, &about);
        // What ends well has done all of it.
        if output.status.success() {
            assert_eq!(setting.stored("disk"), KEPT, "{about}");
        }
        setting.pg(&["expire", "main"]).exits(0);
        is_right(&setting, &about);
        assert_eq!(setting.stored("disk"), KEPT, "{about}");
        let staging = fs::read_dir(setting.sandbox.path("disk/.hayloft-staging"));
        let left = staging.into_iter().flatten().map(|it| it.unwrap().file_name());
        let left: Vec<_> = left.filter(|it| it != "lock").collect();
        assert!(left.is_empty(), "{about}: {left:?}");
        if !hit {
            break;
        }
        struck += 1;
    }
    // Two backups of five objects, and a mark on each.
    assert!(struck > 12, "{struck}");
}

#[test]
fn killed_at_any_change_the_next_one_ends_it() {
    each_change(Fault::Kill);
}

#[test]
fn without_room_at_any_change_the_next_one_ends_it() {
    each_change(Fault::Full);
}

#[test]
fn with_an_error_at_any_change_the_next_one_ends_it() {
    each_change(Fault::Io);
}
