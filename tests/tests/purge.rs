//! The program purges what is old enough.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    fs::{self, File},
    path::Path,
    time::{Duration, SystemTime},
};

use hayloft_tests::Sandbox;

/// A staging and a collect directory that are purged after two days.
fn sandbox(more: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    for directory in ["working", "staging", "collect", "objects"] {
        sandbox.dir(directory);
    }
    let dir = |name: &str| {
        format!("<dir><abs_path>$SANDBOX/{name}</abs_path><retain_days>2</retain_days>{more}</dir>")
    };
    let text = format!(
        "<cb_config>
  <options>
    <starting_day>monday</starting_day><working_dir>$SANDBOX/working</working_dir>
    <backup_user>$USER</backup_user><backup_group>$GROUP</backup_group>
    <rcp_command>scp</rcp_command>
  </options>
  <peers><peer><type>local</type><name>box</name><collect_dir>$SANDBOX/collect</collect_dir></peer></peers>
  <stage><staging_dir>$SANDBOX/staging</staging_dir></stage>
  <store><source_dir>$SANDBOX/staging</source_dir><storage>disk</storage></store>
  <purge>{}{}{}</purge>
  <storages><storage><name>disk</name><type>local</type><root>$SANDBOX/objects</root></storage></storages>
</cb_config>\n",
        dir("staging"),
        dir("MISSING"),
        dir("collect"),
    );
    sandbox.write("hayloft.xml", &text.replace(&dir("MISSING"), ""));
    sandbox.write("missing.xml", &text);
    sandbox
}

/// Writes a file that was last changed so many days ago.
fn old(sandbox: &Sandbox, days: u64, name: &str) {
    age(&sandbox.write(name, "12345"), days);
}

fn age(path: &Path, days: u64) {
    let then = SystemTime::now() - Duration::from_secs(days * 86_400 + 60);
    File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
}

const PURGE: &[&str] = &["--config", "hayloft.xml", "run", "purge"];

fn stored_day(sandbox: &Sandbox, day: &str, days: u64) {
    for name in ["box/a.tar", "box/cback.collect", "cback.stage", "cback.store"] {
        old(sandbox, days, &format!("staging/{day}/{name}"));
    }
}

#[test]
fn whole_days_go_in_one_run_and_younger_ones_stay() {
    let sandbox = sandbox("");
    stored_day(&sandbox, "2020/01/30", 3);
    stored_day(&sandbox, "2020/02/01", 1);

    let dry = sandbox.ok(&["--config", "hayloft.xml", "run", "--dry-run", "purge"]);
    dry.says("would remove 4 files, 3 directories, 20 bytes");
    assert!(sandbox.path("staging/2020/01/30/box/a.tar").exists());

    sandbox.ok(PURGE).says("removed 4 files, 3 directories, 20 bytes");
    assert_eq!(sandbox.names("staging/2020"), ["02"]);
    assert_eq!(sandbox.names("staging/2020/02/01"), ["box", "cback.stage", "cback.store"]);

    sandbox.ok(PURGE).says("removed 0 files, 0 directories, 0 bytes");
}

#[test]
fn what_is_not_stored_or_staged_is_kept_with_a_warning_until_told_otherwise() {
    let days = |sandbox: &Sandbox| {
        old(sandbox, 9, "staging/2020/01/30/box/a.tar");
        old(sandbox, 9, "staging/2020/01/30/cback.stage");
        old(sandbox, 9, "collect/b.tar");
        old(sandbox, 9, "collect/cback.collect");
    };
    let careful = sandbox("");
    days(&careful);
    let output = careful.run(PURGE).exits(7);
    output.complains("staging/2020/01/30, 2 of its files due: staged, but has no cback.store yet");
    output.complains("collect, 2 of its files due: collected, but not staged yet");
    assert!(careful.path("staging/2020/01/30/box/a.tar").exists());
    assert!(careful.path("collect/b.tar").exists());

    let told = sandbox("<unstored>Y</unstored>");
    days(&told);
    told.ok(PURGE).says("removed 4 files, 4 directories");
    assert!(told.names("staging").is_empty() && told.names("collect").is_empty());
}

#[test]
fn a_missing_directory_is_an_error_after_the_others_were_purged() {
    let sandbox = sandbox("");
    old(&sandbox, 9, "collect/b.tar");
    let output = sandbox.run(&["--config", "missing.xml", "run", "purge"]).exits(1);
    output.complains("cannot purge $SANDBOX/MISSING");
    assert!(sandbox.names("collect").is_empty(), "the one after it is purged");
}

#[test]
fn links_go_by_their_own_age_and_lead_nowhere() {
    let sandbox = sandbox("");
    old(&sandbox, 9, "precious/file");
    std::os::unix::fs::symlink(sandbox.path("precious"), sandbox.path("collect/link")).unwrap();
    sandbox.ok(PURGE).says("removed 0 files");
    assert!(fs::symlink_metadata(sandbox.path("collect/link")).unwrap().is_symlink());
    assert!(sandbox.path("precious/file").exists());
}
