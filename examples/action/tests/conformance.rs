//! The suite that every plugin must pass, run on the built library; and what
//! only this plugin does.

use example_action_facts::{Config, Facts};
use hayloft_plugin_api::{
    Action, Arguments, Command, ErrorKind,
    config::decode,
    conformance::{self, Section, TestHost},
};

fn facts(section: &Section) -> Facts {
    Action::new(decode::<Config>(section.node()).unwrap()).unwrap()
}

#[test]
fn it_keeps_to_the_contract() {
    conformance::suite!().run_actions().run().assert_passed();
}

#[test]
fn the_facts_are_in_the_collect_directory() {
    let test = TestHost::new().unwrap();
    let facts = facts(&Section::new("facts").set("program", "echo one two").set("program", "id"));
    let outcome = Action::run(&facts, &test.host(), &test.request("facts")).unwrap();
    let written = std::fs::read_to_string(test.collect_dir().join("facts.txt")).unwrap();
    assert!(written.starts_with("$ echo one two\none two\n$ id\n"));
    assert_eq!(outcome.values["bytes"], written.len().to_string());
    assert_eq!(test.progress().len(), 2);
}

#[test]
fn a_program_that_fails_leaves_no_file() {
    let test = TestHost::new().unwrap();
    let facts = facts(&Section::new("facts").set("program", "false"));
    let error = Action::run(&facts, &test.host(), &test.request("facts")).unwrap_err();
    assert_eq!(error.to_string(), "false failed with exit code 1");
    assert!(test.files().is_empty());
}

#[test]
fn the_command_prints_the_facts() {
    let test = TestHost::new().unwrap();
    let facts = facts(&Section::new("facts").set("program", "echo hay"));
    let arguments = Arguments::default();
    assert_eq!(Command::run(&facts, &test.host(), &test.request("facts"), &arguments).unwrap(), 0);
    assert_eq!(test.printed(), "$ echo hay\nhay\n");
}

#[test]
fn an_empty_program_is_refused() {
    let config = decode::<Config>(Section::new("facts").set("program", "a").node()).unwrap();
    assert!(<Facts as Action>::new(config).is_ok());
    let config = decode::<Config>(Section::new("facts").set("program", " ").node()).unwrap();
    let error = <Facts as Action>::new(config).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CONFIGURATION);
}
