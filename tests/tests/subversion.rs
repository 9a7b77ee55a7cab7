//! Dumps of real Subversion repositories by the whole program, loaded and
//! compared.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code fails by panicking")]

#[path = "side_by_side/cedar.rs"]
#[expect(dead_code, reason = "another test looks into archives")]
mod cedar;
#[path = "subversion/setting.rs"]
mod setting;

#[path = "subversion/failures.rs"]
mod failures;
#[path = "subversion/interrupted.rs"]
mod interrupted;
#[path = "subversion/names.rs"]
mod names;
#[path = "subversion/state.rs"]
mod state;
#[path = "subversion/switched.rs"]
mod switched;

use std::{fs, os::unix::fs::PermissionsExt};

use setting::{Setting, THURSDAY, TUESDAY, WEDNESDAY};

#[test]
fn full_dumps_and_increments_make_the_same_repository_again() {
    let setting = Setting::of_one("incr", "gzip");
    let one = setting.repository("one");
    one.mucc(&["mkdir", "trunk", "mkdir", "branches"]);
    one.commit("trunk/a file", b"Revision-number: 7\n\nContent-length: 9\n\nnot a record\n");
    one.commit("trunk/a file", b"changed\n");
    setting.ok(TUESDAY);
    assert_eq!(setting.dumps(), ["svndump-0:3-one.txt.gz"]);
    let mode = fs::metadata(setting.dump("svndump-0:3-one.txt.gz")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    one.mucc(&["cp", "3", "trunk", "branches/b", "rm", "trunk/a file"]);
    one.mucc(&["propset", "svn:ignore", "*.o", "branches/b"]);
    setting.ok(WEDNESDAY);
    setting.ok(WEDNESDAY);
    one.commit("branches/b/größe", &vec![0xff; 300_000]);
    setting.ok(THURSDAY);
    let dumps = ["svndump-0:3-one.txt.gz", "svndump-4:5-one.txt.gz", "svndump-6:6-one.txt.gz"];
    assert_eq!(setting.dumps(), dumps);
    setting.restores(&dumps.map(|it| setting.decoded(it)), &one);
}

#[test]
fn every_compressor_can_be_used() {
    let cases = [("none", ""), ("gzip", ".gz"), ("bzip2", ".bz2"), ("zstd", ".zst"), ("xz", ".xz")];
    for (compress, suffix) in cases {
        let setting = Setting::of_one("daily", compress);
        let one = setting.repository("one");
        one.commit("a", &vec![b'x'; 100_000]);
        setting.ok(WEDNESDAY);
        let name = format!("svndump-0:1-one.txt{suffix}");
        assert_eq!(setting.dumps(), [name.as_str()]);
        setting.restores(&[setting.decoded(&name)], &one);
    }
}

#[test]
fn each_mode_has_its_days() {
    let setting = Setting::new(
        "<collect_mode>incr</collect_mode><compress_mode>none</compress_mode>\
         <repository><abs_path>$SANDBOX/svn/i</abs_path></repository>\
         <repository><abs_path>$SANDBOX/svn/d</abs_path><collect_mode>daily</collect_mode></repository>\
         <repository><abs_path>$SANDBOX/svn/w</abs_path><collect_mode>weekly</collect_mode>\
         <compress_mode>gzip</compress_mode></repository>",
    );
    let all = ["i", "d", "w"].map(|it| setting.repository(it));
    let commit = || all.iter().for_each(|it| it.commit("a", b"1"));
    commit();
    setting.ok(WEDNESDAY);
    assert_eq!(setting.dumps(), ["svndump-0:1-d.txt", "svndump-0:1-i.txt"]);
    commit();
    setting.ok(THURSDAY);
    // Daily ones are in the newer one, and never staged.
    assert_eq!(setting.dumps(), ["svndump-0:1-i.txt", "svndump-0:2-d.txt", "svndump-2:2-i.txt"]);
    commit();
    setting.run_with(THURSDAY, &["run", "--full", "subversion"]).exits(0);
    let full = ["svndump-0:3-d.txt", "svndump-0:3-i.txt", "svndump-0:3-w.txt.gz"];
    assert_eq!(setting.dumps(), full);
    setting.ok(TUESDAY);
    assert_eq!(setting.dumps(), full);
    setting.restores(&[setting.decoded(full[1])], &all[0]);
}

#[test]
fn a_repository_without_commits_is_dumped_once() {
    let setting = Setting::of_one("incr", "none");
    let one = setting.repository("one");
    setting.ok(WEDNESDAY).says("1 repository");
    assert_eq!(setting.dumps(), ["svndump-0:0-one.txt"]);
    setting.ok(THURSDAY).says("nothing new");
    assert_eq!(setting.dumps(), ["svndump-0:0-one.txt"]);
    one.commit("a", b"1");
    setting.ok(THURSDAY);
    let dumps = ["svndump-0:0-one.txt", "svndump-1:1-one.txt"];
    assert_eq!(setting.dumps(), dumps);
    setting.restores(&dumps.map(|it| setting.decoded(it)), &one);
}

#[test]
fn what_was_staged_does_not_stay() {
    let setting = Setting::of_one("incr", "none");
    let one = setting.repository("one");
    one.commit("a", b"1");
    setting.ok(TUESDAY);
    let staged = || {
        for name in ["cback.collect", "cback.stage"] {
            fs::write(setting.sandbox.path("collect").join(name), "").unwrap();
        }
    };
    staged();
    setting.ok(WEDNESDAY);
    assert_eq!(setting.dumps(), [""; 0], "there is nothing new, and it is staged");
    one.commit("a", b"2");
    setting.ok(WEDNESDAY);
    one.commit("a", b"3");
    setting.ok(THURSDAY);
    let dumps = ["svndump-2:2-one.txt", "svndump-3:3-one.txt"];
    assert_eq!(setting.dumps(), dumps, "the first was not staged when the second was made");
    staged();
    setting.ok(THURSDAY);
    assert_eq!(setting.dumps(), [""; 0]);
}

#[test]
fn commits_go_on_while_it_is_dumped() {
    let setting = Setting::of_one("incr", "zstd");
    let one = setting.repository("one");
    for i in 0..20_u8 {
        one.commit(&format!("f{i}"), &vec![i; 200_000]);
    }
    let stop = std::sync::atomic::AtomicBool::new(false);
    let dumps = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut i = 0_u32;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                one.commit("hot", i.to_string().as_bytes());
                i += 1;
            }
        });
        let mut runs = 0;
        while runs < 4 {
            setting.ok(WEDNESDAY);
            runs += 1;
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        runs
    });
    setting.ok(WEDNESDAY);
    let mut names = setting.dumps();
    assert!((2..=dumps + 1).contains(&names.len()), "{names:?}");
    let first = |it: &String| -> u64 {
        it.trim_start_matches("svndump-").split(':').next().unwrap().parse().unwrap()
    };
    names.sort_by_key(first);
    let dumps: Vec<_> = names.iter().map(|it| setting.decoded(it)).collect();
    setting.restores(&dumps, &one);
}

#[test]
fn a_dry_run_says_what_it_would_dump_and_changes_nothing() {
    let setting = Setting::of_one("incr", "gzip");
    setting.repository("one").commit("a", b"1");
    let output = setting.run_with(WEDNESDAY, &["run", "--dry-run", "subversion"]).exits(0);
    output.says("would make 1 dumps");
    assert_eq!(setting.dumps(), [""; 0]);
    assert!(!setting.sandbox.path("work/hayloft/state/subversion").exists());
}
