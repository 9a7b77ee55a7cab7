//! The program stores staged days in a storage.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use hayloft_tests::Sandbox;
use serde_json::Value;

/// Staged days and a local storage.
fn sandbox(store: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.env("HAYLOFT_NOW", "2026-11-17T02:00:00");
    for directory in ["working", "staging", "objects"] {
        sandbox.dir(directory);
    }
    let text = format!(
        "<cb_config>
  <options>
    <starting_day>monday</starting_day><working_dir>$SANDBOX/working</working_dir>
    <backup_user>$USER</backup_user><backup_group>$GROUP</backup_group>
    <rcp_command>scp</rcp_command>
  </options>
  <store><source_dir>$SANDBOX/staging</source_dir>{store}</store>
  <storages>
    <storage><name>disk</name><type>local</type><root>$SANDBOX/objects</root></storage>
    <storage><name>other</name><type>local</type><root>$SANDBOX/others</root></storage>
  </storages>
</cb_config>\n"
    );
    sandbox.write("hayloft.xml", &text);
    sandbox
}

fn staged(sandbox: &Sandbox, day: &str, files: &[(&str, &str)]) {
    for (name, text) in files {
        sandbox.write(&format!("staging/{day}/box/{name}"), text);
    }
    sandbox.write(&format!("staging/{day}/cback.stage"), "");
}

fn manifest(sandbox: &Sandbox, day: &str) -> Value {
    serde_json::from_str(&sandbox.read(&format!("objects/{day}/manifest.json"))).unwrap()
}

fn is_stored(sandbox: &Sandbox, day: &str) -> bool {
    sandbox.path(format!("staging/{day}/cback.store")).exists()
}

const STORE: &[&str] = &["--config", "hayloft.xml", "run", "store"];
const TODAY: &str = "2026/11/17";

#[test]
fn every_day_that_is_not_stored_goes_into_the_storage_with_a_manifest() {
    let sandbox = sandbox("<storage>disk</storage>");
    staged(&sandbox, TODAY, &[("a.tar", "today")]);
    staged(&sandbox, "2026/11/02", &[("a.tar", "earlier"), ("cback.collect", "")]);

    sandbox.ok(STORE).says("2 days in disk: 2 files stored");

    assert_eq!(sandbox.read("objects/2026/11/02/box/a.tar"), "earlier");
    assert!(is_stored(&sandbox, TODAY) && is_stored(&sandbox, "2026/11/02"));
    let manifest = manifest(&sandbox, TODAY);
    assert_eq!(manifest["created"], "2026-11-17T02:00:00Z");
    assert_eq!(manifest["files"][0]["key"], "2026/11/17/box/a.tar");
    let file = sandbox.path("staging/2026/11/17/box/a.tar");
    let sum = Command::new("sha256sum").arg(file).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    assert_eq!(manifest["files"][0]["sha256"].as_str(), sum.split(' ').next());

    sandbox.run(STORE).exits(1).complains("nothing to store");
    let full = ["--config", "hayloft.xml", "run", "--full", "store"];
    sandbox.ok(&full).says("0 files stored, 1 there already");
}

#[test]
fn a_day_that_is_not_staged_well_is_not_stored() {
    let sandbox = sandbox("<storage>disk</storage>");
    sandbox.write("staging/2026/11/17/box/a.tar", "half");
    sandbox.run(STORE).exits(1).complains("it has no cback.stage");
    assert!(sandbox.names("objects").is_empty());
}

#[test]
fn a_storage_that_fails_keeps_the_day_unmarked_but_not_out_of_the_others() {
    let sandbox = sandbox("<storage>other</storage><storage>disk</storage>");
    // A file where the storage wants a directory.
    sandbox.write("others", "in the way");
    staged(&sandbox, TODAY, &[("a.tar", "today")]);

    sandbox.run(STORE).exits(1).complains("2026/11/17 was not stored in other");
    assert_eq!(sandbox.read("objects/2026/11/17/box/a.tar"), "today");
    assert!(!is_stored(&sandbox, TODAY));

    fs::remove_file(sandbox.path("others")).unwrap();
    sandbox.dir("others");
    sandbox.ok(STORE).says("1 file stored, 1 there already");
    assert!(is_stored(&sandbox, TODAY));
}

#[test]
fn a_storage_that_is_not_configured_is_named_with_its_place() {
    let sandbox = sandbox("<storage>tape</storage>");
    staged(&sandbox, TODAY, &[("a.tar", "today")]);
    let output = sandbox.run(STORE);
    assert!(output.code.is_some_and(|it| it != 0), "{output}");
    output.complains("tape");
    assert!(!is_stored(&sandbox, TODAY));
}

#[test]
fn a_drive_that_is_not_there_is_named() {
    let disc = "<media_type>cdrw-74</media_type><target_device>/dev/no-such</target_device>";
    let sandbox = sandbox(disc);
    staged(&sandbox, TODAY, &[("a.tar", "today")]);
    let output = sandbox.run(STORE);
    assert!(output.code.is_some_and(|it| it != 0), "{output}");
    output.complains("there is no device /dev/no-such");
    assert!(!is_stored(&sandbox, TODAY));
}

#[test]
fn compressed_objects_come_back_as_they_were() {
    let sandbox = sandbox("<storage>disk</storage><compressor>zstd</compressor>");
    let text = "hay ".repeat(100_000);
    staged(&sandbox, TODAY, &[("a.tar", &text)]);
    sandbox.ok(STORE);
    let object = sandbox.path("objects/2026/11/17/box/a.tar.zst");
    let plain = Command::new("zstd").arg("-dcq").arg(&object).output().unwrap().stdout;
    assert_eq!(String::from_utf8(plain).unwrap(), text);
    let entry = &manifest(&sandbox, TODAY)["files"][0];
    assert_eq!(
        (entry["size"].as_u64(), &entry["encoded"]["with"][0]),
        (Some(400_000), &"zstd".into())
    );
    assert_eq!(entry["encoded"]["size"].as_u64(), Some(fs::metadata(&object).unwrap().len()));
}

#[test]
fn names_of_any_bytes_are_stored_and_told_apart() {
    let sandbox = sandbox("<storage>disk</storage>");
    staged(&sandbox, TODAY, &[("a.tar", "plain")]);
    let directory = sandbox.path("staging/2026/11/17/box");
    let names: [(&[u8], &str); 3] = [
        (b"new\nline", "new%0Aline"),
        (b"latin \xe9", "latin %E9"),
        (b"new%0Aline", "new%250Aline"),
    ];
    for (name, key) in names {
        fs::write(directory.join(OsStr::from_bytes(name)), key).unwrap();
    }
    sandbox.ok(STORE).says("4 files stored");
    for (_, key) in names {
        assert_eq!(sandbox.read(&format!("objects/2026/11/17/box/{key}")), key);
    }
    assert_eq!(manifest(&sandbox, TODAY)["files"].as_array().unwrap().len(), 4);
}

#[test]
fn a_run_that_is_ended_leaves_the_day_pending_and_the_next_one_stores_it() {
    for signal in ["-INT", "-TERM", "-KILL"] {
        let sandbox = sandbox("<storage>disk</storage>");
        staged(&sandbox, "2026/11/16", &[("a.tar", "small")]);
        staged(&sandbox, TODAY, &[("b.tar", "small")]);
        // A file of holes is quick to make and long to store.
        let large = fs::File::create(sandbox.path("staging/2026/11/17/box/large")).unwrap();
        large.set_len(1 << 30).unwrap();
        let child = sandbox.spawn(STORE);
        let until = Instant::now() + Duration::from_mins(1);
        while !is_stored(&sandbox, "2026/11/16") {
            assert!(Instant::now() < until, "the first day is never stored");
            thread::sleep(Duration::from_millis(5));
        }
        let process = child.id().to_string();
        assert!(Command::new("kill").args([signal, &process]).status().unwrap().success());
        let output = sandbox.wait(child);
        match signal {
            "-KILL" => assert_eq!(output.code, None, "{output}"),
            _ => assert_eq!(output.code, Some(5), "{output}"),
        }
        assert!(!is_stored(&sandbox, TODAY));
        assert!(!sandbox.path("objects/2026/11/17/manifest.json").exists());
        large.set_len(1 << 20).unwrap();
        // A worker outlives its killed parent for a moment, and holds the lock.
        while sandbox.run(STORE).code != Some(0) {
            assert!(Instant::now() < until, "{}", sandbox.run(STORE));
            thread::sleep(Duration::from_millis(50));
        }
        assert!(is_stored(&sandbox, TODAY));
        let hidden = |it: &String| it.starts_with('.');
        assert!(!sandbox.names("objects/2026/11/17/box").iter().any(hidden));
    }
}
