//! Actions on other machines.

use std::{fs, process::Command};

use super::installation::{Installation, Parts, hook};

const PEERS: &str = r#"<peers>
  <peer><name>alone</name><type>remote</type><collect_dir>/c</collect_dir></peer>
  <peer>
    <name>p1</name><type>remote</type><collect_dir>/c</collect_dir><managed>Y</managed>
    <rsh_command>$SANDBOX/bin/recorder -o "Two Words"</rsh_command>
    <cback_command>/usr/bin/cback3 -q</cback_command>
    <managed_actions>collect, purge, unheardof</managed_actions>
  </peer>
  <peer>
    <name>p2</name><type>remote</type><collect_dir>/c</collect_dir><managed>Y</managed>
    <backup_user>other</backup_user>
    <rsh_command>$SANDBOX/bin/recorder</rsh_command>
    <cback_command>cback3</cback_command>
    <managed_actions>collect</managed_actions>
  </peer>
</peers>"#;

/// Writes its arguments into a file, and fails for a peer that is named so.
const RECORDER: &str = "#!/bin/sh
for word; do printf '[%s]' \"$word\"; done >> $SANDBOX/recorded
echo >> $SANDBOX/recorded
case \"$*\" in *broken*) echo no route to host >&2; exit 255;; esac
";

fn installation(peers: &str, options: &str) -> Installation {
    let installation = Installation::with(Parts { options, peers, ..Parts::default() });
    installation.sandbox.script("bin/recorder", RECORDER);
    installation
}

fn recorded(installation: &Installation) -> Vec<String> {
    let path = installation.sandbox.path("recorded");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(ToOwned::to_owned).collect()
}

fn user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn each_action_is_run_on_each_peer_that_has_it_in_its_list() {
    let installation = installation(PEERS, "");
    installation.ends(&["-M", "--full", "purge", "stage", "collect"], 0);
    let user = user();
    let expected = [
        format!("[-o][Two Words][{user}@p1][/usr/bin/cback3 -q --full collect]"),
        "[other@p2][cback3 --full collect]".to_owned(),
        format!("[-o][Two Words][{user}@p1][/usr/bin/cback3 -q --full purge]"),
    ];
    assert_eq!(recorded(&installation), expected);
    let executed = ["collect", "collect@p1", "collect@p2", "stage", "purge", "purge@p1"];
    assert_eq!(installation.executed(), executed, "here first");
}

#[test]
fn managed_only_leaves_this_machine_alone_and_its_hooks() {
    let options = hook("pre", "collect", "/bin/false");
    let installation = installation(PEERS, &options);
    installation.ends(&["-N", "collect"], 0);
    let first = format!("[-o][Two Words][{}@p1][/usr/bin/cback3 -q collect]", user());
    assert_eq!(recorded(&installation), [&first, "[other@p2][cback3 collect]"]);
    assert!(installation.collected().is_empty());
    // Without a switch no peer is called.
    installation.ends(&["purge"], 0);
    assert_eq!(recorded(&installation).len(), 2);
}

#[test]
fn a_peer_that_fails_does_not_keep_the_others_from_running() {
    let peers = PEERS.replace(">p1<", ">broken<");
    let installation = installation(&peers, "");
    let output = installation.ends(&["--managed", "collect", "purge"], 6);
    let message = "Failed to execute action [collect] on managed client [broken].\n";
    output.says(message).says("no route to host");
    output.says("Failed to execute action [purge] on managed client [broken].\n");
    assert_eq!(recorded(&installation).len(), 3);
    assert_eq!(installation.executed(), ["collect", "collect@p2", "purge"]);
}

#[test]
fn a_remote_shell_that_is_not_there_is_named() {
    let peers = PEERS.replace("/bin/recorder", "/bin/nothing");
    let installation = installation(&peers, "");
    let output = installation.ends(&["-N", "collect"], 6);
    output.says("on managed client [p1].").says("on managed client [p2].");
}

#[test]
fn nothing_of_the_configuration_reaches_a_shell_as_more_than_a_word() {
    let peers = PEERS
        .replace(">p1<", ">p1; touch $SANDBOX/pwned<")
        .replace("/usr/bin/cback3 -q", "$(touch $SANDBOX/pwned) `touch $SANDBOX/pwned`");
    let installation = installation(&peers, "");
    installation.ends(&["-N", "purge"], 0);
    assert!(!installation.sandbox.path("pwned").exists());
    let [line] = &recorded(&installation)[..] else { panic!("it is called once") };
    assert!(line.contains("p1; touch"), "{line}");

    let peers = PEERS.replace(">other<", ">-oProxyCommand=x<");
    let installation = self::installation(&peers, "");
    installation.ends(&["-M", "collect"], 4).says("<backup_user> is not the name of a user");
    assert!(installation.collected().is_empty(), "it is seen before anything is run");
}

#[test]
fn hayloft_run_can_do_it_too() {
    let installation = installation(&PEERS.replace(">p2<", ">broken<"), "");
    let run =
        |words: &[&str]| installation.sandbox.run(&[&["-c", "c.conf", "run"], words].concat());
    let output = run(&["--managed", "--full", "collect"]).exits(1);
    output.says("collect@p1").says("collect@broken").complains("no route to host");
    assert_eq!(recorded(&installation).len(), 2);
    run(&["--managed-only", "purge"]).exits(0).says("purge@p1");
    run(&["--managed", "--managed-only", "purge"]).exits(2);
    let dry = run(&["--managed-only", "--dry-run", "purge"]).exits(0);
    dry.says("would run").says("bin/recorder");
    assert_eq!(recorded(&installation).len(), 3, "a dry run calls nobody");
}

#[test]
fn without_root_the_remote_shell_is_called_directly() {
    let installation = installation(PEERS, "");
    installation.edit("<backup_user>$USER<", "<backup_user>somebody<");
    let output = installation.output(&mut installation.ordinary(&["-N", "purge"])).exits(0);
    assert_eq!(output.stdout, "");
    let expected = "[-o][Two Words][somebody@p1][/usr/bin/cback3 -q purge]";
    assert_eq!(recorded(&installation), [expected]);
}

#[test]
fn root_becomes_the_backup_user_for_it() {
    if !rustix::process::geteuid().is_root() {
        // Only root can; anybody else is the test before.
        return;
    }
    let installation = installation(PEERS, "");
    let su = "#!/bin/sh\nfor word; do printf '[%s]' \"$word\"; done >> $SANDBOX/recorded\n";
    let su = installation.sandbox.script("bin/su", su);
    let other = "<override><command>su</command><abs_path>PATH</abs_path></override></options>";
    installation.edit("<backup_user>root<", "<backup_user>daemon<");
    installation.edit("</options>", &other.replace("PATH", su.to_str().unwrap()));
    installation.ends(&["-N", "-f", "purge"], 0);
    let expected = "[daemon][-c][$SANDBOX/bin/recorder -o \"Two Words\" daemon@p1 \
                    '/usr/bin/cback3 -q --full purge']";
    assert_eq!(recorded(&installation), [installation.sandbox.expand(expected)]);
}
