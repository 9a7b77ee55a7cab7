//! Which actions run, how often, and in which order.

use std::{fs, os::unix::fs::PermissionsExt};

use super::installation::{Installation, Parts, extension};

fn with(extensions: &str) -> Installation {
    let extensions = format!("<extensions>{extensions}</extensions>");
    Installation::with(Parts { extensions: &extensions, ..Parts::default() })
}

/// An action that does what `purge` does, which is nothing here.
fn harmless(name: &str, index: u32) -> String {
    extension(name, "<plugin>purge</plugin>", index)
}

#[test]
fn actions_run_in_the_order_of_their_index() {
    let installation = with(&[harmless("early", 99), harmless("late", 450)].concat());
    installation.ends(&["late", "purge", "stage", "early", "collect"], 0);
    assert_eq!(installation.executed(), ["early", "collect", "stage", "purge", "late"]);
}

#[test]
fn actions_of_one_index_keep_the_order_of_the_command_line() {
    let installation = with(&[harmless("one", 100), harmless("two", 100)].concat());
    installation.ends(&["two", "collect", "one"], 0);
    assert_eq!(installation.executed(), ["two", "collect", "one"]);
}

#[test]
fn an_action_that_is_named_twice_runs_twice() {
    let installation = Installation::new();
    installation.ends(&["purge", "collect", "purge"], 0);
    assert_eq!(installation.executed(), ["collect", "purge", "purge"]);
}

#[test]
fn dependencies_decide_where_they_are_used() {
    let action = |name: &str, depends: &str| {
        let inner = "<plugin>purge</plugin>";
        format!("<action><name>{name}</name>{inner}<depends>{depends}</depends></action>")
    };
    let mode = "<order_mode>dependency</order_mode>".to_owned();
    let first = action("first", "<run_before>collect</run_before>");
    let last = action("last", "<run_after>purge</run_after>");
    let installation = with(&(mode.clone() + &last + &first));
    installation.ends(&["last", "purge", "collect", "first"], 0);
    assert_eq!(installation.executed(), ["first", "collect", "purge", "last"]);
    assert!(installation.log().contains("will use 'dependency' order mode."));
    for depends in ["<run_before>nosuch</run_before>", "<run_after>x</run_after>"] {
        let installation = with(&(mode.clone() + &action("x", depends)));
        installation.ends(&["collect"], 4).says("Error reading or handling configuration: ");
    }
}

#[test]
fn all_is_the_four_of_them_and_ends_at_the_first_that_fails() {
    let installation = with(&harmless("extra", 50));
    let output = installation.ends(&["all"], 6);
    // There is no <store> in this configuration.
    output.says("Error executing backup: ");
    assert_eq!(installation.executed(), ["collect", "stage"]);
}

#[test]
fn data_that_was_left_out_is_a_failure_but_the_run_goes_on() {
    let installation = Installation::new();
    let secret = installation.sandbox.write("source/secret", "x");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o0)).unwrap();
    let run = |words: &[&str]| installation.output(&mut installation.ordinary(words)).exits(6);
    let output = run(&["collect", "stage", "purge"]);
    assert_eq!(output.stdout.lines().count(), 1, "{output}");
    output.says("cannot read $SANDBOX/source/secret: ");
    assert_eq!(installation.executed(), ["collect", "stage", "purge"]);
    assert_eq!(run(&["-q", "collect"]).stdout, "");
}

#[test]
fn a_peer_that_is_not_ready_is_a_failure_but_the_run_goes_on() {
    let installation = Installation::new();
    let output = installation.ends(&["stage", "purge"], 6);
    output.says("box");
    assert_eq!(installation.executed(), ["purge"]);
    let log = installation.log();
    assert!(log.trim_end().ends_with("Cedar Backup run completed with status 6."), "{log}");
}
