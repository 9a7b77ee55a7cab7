//! Actions on managed peers, through a real SSH server.
//!
//! Root does it through `su` and a user without rights, everybody else as
//! himself.

use std::fs;

use hayloft_tests::{Sandbox, ssh::Sshd};

/// What a managed peer runs: it writes down what it was called with, and collects.
const CLIENT: &str = "#!/bin/sh
echo \"$(id -un) $*\" >> $SANDBOX/client/calls
case $* in
  *collect) echo archive > $SANDBOX/client/collect/etc.tar; touch $SANDBOX/client/collect/cback.collect ;;
  *purge) echo 'cannot purge' >&2; exit 6 ;;
esac
";

fn pool() -> (Sandbox, Sshd) {
    let mut sandbox = Sandbox::new();
    sandbox.env("HAYLOFT_NOW", "2026-11-17T02:00:00");
    let sshd = Sshd::start();
    sshd.admit(&sandbox, &["working", "staging", "own", "client", "client/collect"]);
    sandbox.script("client/my cback", CLIENT);
    sandbox.write("own/file", "x");
    let text = format!(
        "<cb_config>
  <options>
    <starting_day>monday</starting_day><working_dir>$SANDBOX/working</working_dir>
    <backup_user>{}</backup_user><backup_group>{}</backup_group>
    <rcp_command>{}</rcp_command><rsh_command>{}</rsh_command>
    <cback_command>\"$SANDBOX/client/my cback\"</cback_command>
    <managed_actions>collect, purge</managed_actions>
  </options>
  <peers><peer><type>remote</type><name>127.0.0.2</name><managed>Y</managed>
    <collect_dir>$SANDBOX/client/collect</collect_dir></peer></peers>
  <stage><staging_dir>$SANDBOX/staging</staging_dir></stage>
  <purge><dir><abs_path>$SANDBOX/own</abs_path><retain_days>9</retain_days></dir></purge>
</cb_config>\n",
        sshd.user(),
        sshd.group(),
        sshd.scp("-O"),
        sshd.ssh(),
    );
    sandbox.write("hayloft.xml", &text);
    (sandbox, sshd)
}

fn calls(sandbox: &Sandbox) -> Vec<String> {
    let text = fs::read_to_string(sandbox.path("client/calls")).unwrap_or_default();
    text.lines().map(ToOwned::to_owned).collect()
}

#[test]
fn a_managed_peer_collects_and_is_staged() {
    let (sandbox, sshd) = pool();
    sandbox.ok(&["-c", "hayloft.xml", "run", "--managed-only", "--full", "collect"]);
    assert_eq!(calls(&sandbox), [format!("{} --full collect", sshd.user())]);
    sandbox.ok(&["-c", "hayloft.xml", "run", "stage"]).says("1 of 1 peers, 2 files");
    assert_eq!(sandbox.names("staging/2026/11/17/127.0.0.2"), ["cback.collect", "etc.tar"]);
    assert_eq!(sandbox.names("client/collect"), ["cback.collect", "cback.stage", "etc.tar"]);
}

#[test]
fn a_filter_over_there_sees_the_known_command() {
    let (sandbox, sshd) = pool();
    let text = sandbox.read("hayloft.xml");
    let client = sandbox.script("client/cback3", CLIENT);
    let client = client.to_str().unwrap();
    let text = text.replace(&sandbox.expand("\"$SANDBOX/client/my cback\""), client);
    sandbox.write("hayloft.xml", &text);
    sshd.allow_only(&[format!("{client} collect")]);
    sandbox.ok(&["-c", "hayloft.xml", "run", "--managed-only", "collect"]);
    let output = sandbox.run(&["-c", "hayloft.xml", "run", "--managed-only", "--full", "collect"]);
    output.exits(1).complains("refused");
    assert_eq!(sshd.requests(), [format!("{client} collect"), format!("{client} --full collect")]);
}

#[test]
fn what_fails_over_there_or_cannot_be_reached_is_a_failure_of_the_run() {
    let (sandbox, mut sshd) = pool();
    let purge = ["-c", "hayloft.xml", "run", "--managed", "purge"];
    let output = sandbox.run(&purge).exits(1);
    output.complains("failed to execute action [purge] on managed client [127.0.0.2]");
    output.complains("cannot purge");
    output.says("purge          ok");
    sshd.stop();
    let output = sandbox.run(&purge).exits(1);
    output.complains("Connection refused");
    assert_eq!(calls(&sandbox).len(), 1);
}
