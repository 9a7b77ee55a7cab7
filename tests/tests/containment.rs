//! A plugin that misbehaves ends its own action, with a clear message and the
//! right exit code, and nothing else.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};

use hayloft_tests::{Sandbox, fixture};

/// A sandbox with the misbehaving plugin, and a tree to collect.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let plugins = sandbox.dir("plugins");
    let built = fixture::build("misbehaving");
    fs::copy(&built, plugins.join(built.file_name().unwrap())).unwrap();
    for dir in ["work", "collect", "source"] {
        sandbox.dir(dir);
    }
    sandbox.write("source/file.txt", "hay\n");
    sandbox.write("hayloft.conf", CONFIGURATION);
    sandbox
}

const CONFIGURATION: &str = "\
<cb_config>
  <plugins><dir>$SANDBOX/plugins</dir></plugins>
  <options>
    <starting_day>tuesday</starting_day>
    <working_dir>$SANDBOX/work</working_dir>
    <backup_user>$USER</backup_user>
    <backup_group>$GROUP</backup_group>
    <rcp_command>/usr/bin/scp -B</rcp_command>
  </options>
  <collect>
    <collect_dir>$SANDBOX/collect</collect_dir>
    <collect_mode>daily</collect_mode>
    <archive_mode>tarzst</archive_mode>
    <ignore_file>.cbignore</ignore_file>
    <dir><abs_path>$SANDBOX/source</abs_path></dir>
  </collect>
  <misbehaving/>
</cb_config>
";

/// The rest of the run is intact: `collect` did its work.
fn collected(sandbox: &Sandbox) {
    let names = sandbox.names("collect");
    assert!(names.iter().any(|it| it == "cback.collect"), "{names:?}");
    assert!(names.iter().any(|it| it.ends_with(".tar.zst")), "{names:?}");
}

#[test]
fn a_plugin_that_fails_in_any_way_ends_its_action_only() {
    let sandbox = sandbox();
    let cases = [
        ("panics", "the plugin panicked"),
        ("aborts", "plugin fixture-misbehaving 0.0.1 crashed with SIGABRT in action aborts"),
        ("segfaults", "plugin fixture-misbehaving 0.0.1 crashed with SIGSEGV in action segfaults"),
        ("exits", "ended the process with exit code 0 before its work was done in action exits"),
    ];
    for (action, complaint) in cases {
        for name in sandbox.names("collect") {
            fs::remove_file(sandbox.path("collect").join(name)).unwrap();
        }
        let output = sandbox.run(&["-c", "hayloft.conf", "run", action, "collect"]).exits(1);
        output.complains(complaint).says("collect        ok");
        collected(&sandbox);
    }
}

#[test]
fn a_plugin_that_hangs_is_ended_when_its_time_is_over() {
    let sandbox = sandbox();
    let started = Instant::now();
    let arguments = ["-c", "hayloft.conf", "run", "--timeout", "2", "loops", "collect"];
    let output = sandbox.run(&arguments).exits(1);
    output.complains("did not end within 2 s in action loops").complains("hint: give it more time");
    assert!(started.elapsed() < Duration::from_mins(1));
    collected(&sandbox);
}

#[test]
fn a_plugin_that_hangs_can_be_interrupted() {
    let sandbox = sandbox();
    let child = sandbox.spawn(&["-c", "hayloft.conf", "run", "loops"]);
    std::thread::sleep(Duration::from_secs(1));
    let process = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    let output = sandbox.wait(child).exits(5);
    output.complains("interrupted");
}

#[test]
fn threads_that_are_left_behind_end_with_the_action() {
    let sandbox = sandbox();
    let started = Instant::now();
    sandbox.ok(&["-c", "hayloft.conf", "run", "leaks-threads", "collect"]);
    assert!(started.elapsed() < Duration::from_secs(30));
    collected(&sandbox);
}

#[test]
fn what_a_plugin_writes_to_standard_output_goes_to_the_log() {
    let sandbox = sandbox();
    let output = sandbox.ok(&["-c", "hayloft.conf", "run", "--json", "writes-stdout"]);
    let record = output.json();
    assert_eq!(record["actions"][0]["status"], "ok");
    let output = sandbox.ok(&["-v", "-c", "hayloft.conf", "run", "writes-stdout"]);
    output.complains("output: ");
}

#[test]
fn impossible_counts_of_a_compressor_are_an_error() {
    let sandbox = sandbox();
    let text = sandbox.read("hayloft.conf").replace("tarzst", "tarnonsense");
    fs::write(sandbox.path("hayloft.conf"), text).unwrap();
    let output = sandbox.run(&["-c", "hayloft.conf", "run", "collect"]).exits(1);
    output.complains("impossible counts");
    assert_eq!(sandbox.names("collect"), [""; 0]);
}

/// A broken file beside good ones is a warning of `plugin list`, an error of
/// `plugin check`, and no obstacle to a run that does not need it.
fn broken(name: &str, content: impl FnOnce(&Path) -> Vec<u8>, complaint: &str) {
    let sandbox = sandbox();
    let good = sandbox.program().plugin("compressor_gzip");
    let file = format!("plugins/{name}.so");
    fs::write(sandbox.path(&file), content(&good)).unwrap();

    sandbox.ok(&["-c", "hayloft.conf", "plugin", "list"]).complains(complaint);
    sandbox.run(&["plugin", "check", &file]).exits(1).complains(complaint);
    sandbox.ok(&["-c", "hayloft.conf", "run", "collect"]);
    collected(&sandbox);
}

#[test]
fn a_text_file_is_no_plugin() {
    broken("text", |_| b"#!/bin/sh\necho hello\n".to_vec(), "text");
}

#[test]
fn a_file_for_another_machine_is_refused() {
    let other = |good: &Path| {
        let mut bytes = fs::read(good).unwrap();
        bytes[18] = 8;
        bytes[19] = 0;
        bytes
    };
    broken("other", other, "MIPS");
}

#[test]
fn a_file_cut_short_is_refused() {
    broken("short", |good| fs::read(good).unwrap()[..300].to_vec(), "short.so");
}

#[test]
fn a_file_that_others_can_write_to_is_refused() {
    let sandbox = sandbox();
    let plugin = sandbox.path("plugins/libfixture_misbehaving.so");
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o666)).unwrap();
    let output = sandbox.run(&["-c", "hayloft.conf", "run", "panics", "collect"]).exits(1);
    output.complains("chmod go-w");
    collected(&sandbox);
}

#[test]
fn a_file_with_another_checksum_than_the_pinned_one_is_refused() {
    let sandbox = sandbox();
    let pinned = format!(
        "<plugin><file>$SANDBOX/plugins/libfixture_misbehaving.so</file><sha256>{}</sha256></plugin>",
        "0".repeat(64)
    );
    let text = sandbox.read("hayloft.conf").replace("<plugins>", &format!("<plugins>{pinned}"));
    sandbox.write("hayloft.conf", &text);
    let output = sandbox.run(&["-c", "hayloft.conf", "run", "panics", "collect"]).exits(1);
    output.complains("SHA-256");
    collected(&sandbox);
}

#[test]
fn two_plugins_of_one_name_are_a_conflict_for_those_who_need_it() {
    let sandbox = sandbox();
    let copy = sandbox.path("plugins/copy.so");
    fs::copy(sandbox.path("plugins/libfixture_misbehaving.so"), copy).unwrap();
    let output = sandbox.run(&["-c", "hayloft.conf", "run", "writes-stdout", "collect"]);
    output.complains("offered by several plugins");
}
