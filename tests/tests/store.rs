//! The program stores staged days in a storage.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{fs, process::Command};

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
fn a_drive_without_a_storage_says_what_is_missing() {
    let disc = "<media_type>cdrw-74</media_type><target_device>/dev/cdrw</target_device>";
    let sandbox = sandbox(disc);
    staged(&sandbox, TODAY, &[("a.tar", "today")]);
    let output = sandbox.run(STORE);
    assert!(output.code.is_some_and(|it| it != 0), "{output}");
    output.complains("needs a plugin for discs");
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
