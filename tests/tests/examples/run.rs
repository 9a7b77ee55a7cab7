//! All examples at work in one run, and nothing of ours where they can do it.

use std::fs;

use hayloft_tests::Sandbox;

use super::build::{build_c, build_crate, example};

const EXAMPLES: [(&str, &str); 5] = [
    ("compressor", "example_compressor_rle"),
    ("encryptor", "example_encryptor_frames"),
    ("storage", "example_storage_flat"),
    ("hook", "example_hook_journal"),
    ("action", "example_action_facts"),
];

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
  <peers>
    <peer>
      <name>here</name>
      <type>local</type>
      <collect_dir>$SANDBOX/collect</collect_dir>
    </peer>
  </peers>
  <facts><program>echo made of hay</program></facts>
  <collect>
    <collect_dir>$SANDBOX/collect</collect_dir>
    <collect_mode>daily</collect_mode>
    <archive_mode>tar</archive_mode>
    <ignore_file>.cbignore</ignore_file>
    <dir>
      <abs_path>$SANDBOX/source</abs_path>
      <archive_mode>tarrle</archive_mode>
    </dir>
    <dir>
      <abs_path>$SANDBOX/other</abs_path>
      <archive_mode>tarcrle</archive_mode>
    </dir>
  </collect>
  <stage><staging_dir>$SANDBOX/staging</staging_dir></stage>
  <store>
    <storage>place</storage>
    <encryptor>frames</encryptor>
  </store>
  <storages>
    <storage>
      <name>place</name>
      <type>flat</type>
      <root>$SANDBOX/place</root>
    </storage>
  </storages>
  <encryptors>
    <encryptor>
      <name>frames</name>
      <key_file>$SANDBOX/key</key_file>
    </encryptor>
  </encryptors>
  <hooks>
    <hook>
      <on>pre_action</on>
      <on>post_action</on>
      <type>journal</type>
      <file>$SANDBOX/journal</file>
      <veto event=\"pre_action_that_never_comes\">never</veto>
    </hook>
  </hooks>
</cb_config>
";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    for name in ["plugins", "work", "collect", "staging", "place"] {
        sandbox.dir(name);
    }
    for (name, library) in EXAMPLES {
        build_crate(&example(name), library, &sandbox.path("plugins"));
    }
    build_c(&sandbox.path("plugins"));
    sandbox.write("source/hay.txt", &"hay ".repeat(50_000));
    sandbox.write("other/zeros", &"0".repeat(50_000));
    let key = sandbox.write("key", &"0123456789abcdef".repeat(4));
    fs::set_permissions(key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    sandbox.write("hayloft.conf", CONFIGURATION);
    sandbox
}

#[test]
fn a_run_with_plugins_of_a_third_party_only_where_they_can_do_it() {
    let sandbox = sandbox();
    let config = sandbox.path("hayloft.conf");
    let hayloft =
        |arguments: &[&str]| sandbox.ok(&[&["-c", config.to_str().unwrap()], arguments].concat());
    let checked = hayloft(&["config", "check"]);
    assert_eq!(checked.stderr, "", "{checked}");
    hayloft(&["run", "facts", "collect", "stage", "store"]);
    let facts = sandbox.read("collect/facts.txt");
    assert_eq!(facts, "$ echo made of hay\nmade of hay\n");
    let collected = sandbox.names("collect");
    assert!(collected.iter().any(|it| it.ends_with(".tar.rle")), "{collected:?}");
    assert!(collected.iter().any(|it| it.ends_with(".tar.crle")), "{collected:?}");
    let stored = sandbox.names("place");
    assert!(stored.iter().any(|it| it.ends_with("%2Ffacts.txt.hxc")), "{stored:?}");
    assert!(stored.iter().any(|it| it.ends_with(".tar.rle.hxc")), "{stored:?}");
    let journal = sandbox.read("journal");
    for action in ["facts", "collect", "stage", "store"] {
        let of = |event: &str| {
            let is_of = |line: &&str| line.contains(event) && line.contains(action);
            journal.lines().filter(is_of).count()
        };
        assert!(of("pre_action") >= 1 && of("post_action") >= 1, "{action}: {journal}");
    }
    hayloft(&["facts"]).says("made of hay");
}

#[test]
fn a_hook_of_a_third_party_vetoes() {
    let sandbox = sandbox();
    let vetoing = CONFIGURATION.replace("pre_action_that_never_comes", "pre_action");
    sandbox.write("hayloft.conf", &vetoing.replace(">never<", ">the tape robot is asleep<"));
    let config = sandbox.path("hayloft.conf");
    let output = sandbox.run(&["-c", config.to_str().unwrap(), "run", "facts"]);
    output.exits(1).complains("the tape robot is asleep");
    assert!(!sandbox.path("collect/facts.txt").exists());
}

#[test]
fn what_the_examples_compressed_is_restored() {
    let sandbox = sandbox();
    let config = sandbox.path("hayloft.conf");
    let config = config.to_str().unwrap();
    sandbox.ok(&["-c", config, "run", "collect"]);
    let back = sandbox.dir("back");
    for name in ["source/hay.txt", "other/zeros"] {
        let path = sandbox.path(name);
        let path = path.to_str().unwrap();
        sandbox.ok(&["-c", config, "restore", "--to", back.to_str().unwrap(), path]);
        let restored = back.join(path.trim_start_matches('/'));
        assert_eq!(fs::read(restored).unwrap(), fs::read(path).unwrap());
    }
}

#[test]
fn the_ready_configurations_are_good() {
    let sandbox = Sandbox::new();
    let mut checked = 0;
    for entry in fs::read_dir(example("configs")).unwrap() {
        let path = entry.unwrap().path();
        let is_xml = path.extension().is_some_and(|it| it == "xml");
        // That of the quick start has names to be filled in.
        if is_xml && !fs::read_to_string(&path).unwrap().contains("@ROOT@") {
            let output = sandbox.ok(&["-c", path.to_str().unwrap(), "config", "check"]);
            assert_eq!(output.stderr, "", "{output}");
            checked += 1;
        }
    }
    assert!(checked >= 5, "only {checked} were found");
}
