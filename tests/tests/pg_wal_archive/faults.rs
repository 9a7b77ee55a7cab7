//! Archivers that are killed, storages that are away, several at once.

use std::{fs, path::PathBuf, process::Command, thread, time::Duration};

use hayloft_tests::chaos;
use rustix::process::{Pid, Signal, kill_process};

use super::setting::{Setting, server, wait_for};

/// How often archivers are killed.
const KILLS: usize = 40;

/// Demands that each segment is somewhere, whole, and returns how many are
/// archived.
fn nothing_is_lost(setting: &Setting, segments: &[PathBuf]) -> usize {
    let archived = setting.archived();
    let mut count = 0;
    for segment in segments {
        let name = segment.file_name().unwrap().to_str().unwrap();
        let waiting = setting.incoming().join(name);
        match archived.get(name) {
            Some(ours) => {
                assert!(fs::read(ours).unwrap() == fs::read(segment).unwrap(), "{name} differs");
                count += 1;
            }
            None => assert!(waiting.exists(), "{name} is nowhere"),
        }
    }
    count
}

#[test]
fn nothing_is_lost_whenever_an_archiver_is_killed() {
    let (_server, mut segments) = server(61);
    let last = segments.pop().unwrap();
    let setting = Setting::new();
    for segment in &segments {
        setting.bring(segment);
    }
    let mut interrupted = 0;
    // Other moments each time, and the same in each run; the first as soon as
    // something is archived, however fast this machine is.
    for (kill, moment) in chaos::noise(KILLS, 11).into_iter().enumerate() {
        let mut child = setting.spawn();
        if kill == 0 {
            while setting.archived().is_empty() && child.try_wait().unwrap().is_none() {
                thread::sleep(Duration::from_millis(1));
            }
        } else {
            thread::sleep(Duration::from_millis(100 + 2 * u64::from(moment)));
        }
        chaos::power_cut(&mut child);
        let archived = nothing_is_lost(&setting, &segments);
        interrupted += usize::from(archived > 0 && archived < segments.len());
        if archived == segments.len() {
            // All over again, over what is archived.
            for segment in &segments {
                setting.bring(segment);
            }
        }
    }
    assert!(interrupted > 0, "no kill hit an archiver at work");
    // What was left half stored goes with the next thing that is stored.
    setting.bring(&last);
    setting.archive(&[]).exits(0);
    segments.push(last);
    setting.has(&segments);
    assert_eq!(setting.left(), [""; 0]);
    assert_eq!(setting.errors(), [""; 0]);
    assert_eq!(setting.sandbox.names("archive/.hayloft-staging"), ["lock"]);
}

#[test]
fn a_storage_that_is_away_leaves_everything_where_it_is() {
    let (_server, segments) = server(3);
    let setting = Setting::new();
    for segment in &segments {
        setting.bring(segment);
    }
    let (archive, aside) = (setting.sandbox.path("archive"), setting.sandbox.path("aside"));
    fs::rename(&archive, &aside).unwrap();
    let output = setting.archive(&["--json"]).exits(1);
    let tally = &output.json()["servers"][0]["tally"];
    assert_eq!((&tally["stored"], &tally["waiting"]), (&0.into(), &3.into()));
    assert!(tally["failure"].as_str().unwrap().contains("disk"), "{tally}");
    assert_eq!(setting.left().len(), 3);
    fs::rename(&aside, &archive).unwrap();
    setting.archive(&[]).exits(0);
    setting.has(&segments);
}

/// V-04: Barman leaves a torn segment under its name, and then throws the good
/// one away.
#[test]
fn a_full_disk_leaves_no_torn_segment_and_keeps_what_waits() {
    let (_server, segments) = server(6);
    let setting = Setting::new();
    for segment in &segments {
        setting.bring(segment);
    }
    let archive = setting.sandbox.path("archive");
    let mount = |options: &str| {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", options, "hayloft-test"]).arg(&archive);
        assert!(command.status().unwrap().success(), "this test needs root");
    };
    mount("size=3500k");
    let full = setting.archive(&["--json"]);
    let archived = nothing_is_lost(&setting, &segments);
    mount("remount,size=20m");
    let again = setting.archive(&[]);
    let all = nothing_is_lost(&setting, &segments);
    let left = (setting.left(), setting.errors());
    assert!(Command::new("umount").arg(&archive).status().unwrap().success());
    let tally = &full.exits(1).json()["servers"][0]["tally"];
    assert!(tally["failure"].as_str().unwrap().contains("No space left"), "{tally}");
    assert!((1..=3).contains(&archived), "{archived}");
    again.exits(0);
    assert_eq!((all, left), (6, (vec![], vec![])));
}

#[test]
fn several_at_once_do_no_harm() {
    let (_server, segments) = server(30);
    let setting = Setting::new();
    for segment in &segments {
        setting.bring(segment);
    }
    let children: Vec<_> = (0..4).map(|_| setting.spawn()).collect();
    let outputs: Vec<_> = children.into_iter().map(|it| setting.sandbox.wait(it)).collect();
    let codes: Vec<i32> = outputs.iter().filter_map(|it| it.code).collect();
    assert!(codes.iter().all(|it| [0, 3].contains(it)) && codes.contains(&0), "{codes:?}");
    for output in outputs.iter().filter(|it| it.code == Some(3)) {
        output.says("is being archived already, by process ");
    }
    setting.archive(&[]).exits(0);
    setting.has(&segments);
    assert_eq!(setting.left(), [""; 0]);
}

#[test]
fn an_archiver_that_is_told_to_end_ends_and_leaves_the_rest() {
    let (_server, segments) = server(60);
    let setting = Setting::new();
    for segment in &segments {
        setting.bring(segment);
    }
    let child = setting.spawn();
    wait_for("the first one", || !setting.archived().is_empty());
    let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let output = setting.sandbox.wait(child);
    assert!([Some(0), Some(5)].contains(&output.code), "{output}");
    nothing_is_lost(&setting, &segments);
    setting.archive(&[]).exits(0);
    setting.has(&segments);
}
