//! `cback3-span` and `cback3-amazons3-sync`.

use std::{
    fs,
    io::{Read, Write},
    os::unix::fs::symlink,
    process::{Child, Command, Stdio},
};

use hayloft_tests::fixture;
use rustix::process::{Pid, Signal, kill_process};

use super::installation::{Installation, copy_program};

#[test]
fn each_command_has_switches_and_help_of_its_own() {
    let installation = Installation::new();
    let run = |name: &str, words: &[&str]| installation.output(&mut installation.raw(name, words));
    let help = run("cback3-span", &["--help"]).exits(0);
    help.complains("Usage: cback3-span [switches]");
    let help = run("cback3-amazons3-sync", &["-h"]).exits(0);
    help.complains("sourceDir s3BucketUrl").complains("--verifyOnly");
    run("cback3-span", &["-V"]).exits(0).says("cback3-span");
    run("cback3-amazons3-sync", &["-D"]).exits(0).says("Platform");
    for words in [&[][..], &["/a"], &["/a", "s3://b/c", "more"], &["-u", "/a"]] {
        let output = run("cback3-amazons3-sync", words).exits(2);
        output.complains(" *** Error: Source directory and S3 bucket URL are both required.");
    }
    let output = run("cback3-amazons3-sync", &["-c", "x", "/a", "s3://b/c"]).exits(2);
    output.complains("option -c not recognized");
    run("cback3-span", &["--nosuch"]).exits(2).complains("option --nosuch not recognized");
    run("cback3-span", &["-l", "no/log"]).exits(3).complains("Error setting up logging: ");
}

/// Copies the program to where no plugin is beside it.
fn alone(installation: &Installation, name: &str, words: &[&str]) -> Command {
    let program = installation.sandbox.path("alone/hayloft");
    if !program.exists() {
        fs::create_dir_all(installation.sandbox.path("alone")).unwrap();
        copy_program(&installation.sandbox, &program);
    }
    let link = installation.sandbox.path("alone").join(name);
    if !link.exists() {
        symlink(&program, &link).unwrap();
    }
    let known = installation.raw("cback3", words);
    let mut command = Command::new(link);
    command.args(known.get_args()).current_dir(installation.sandbox.path(""));
    command.env("TZ", "UTC").env("HAYLOFT_PLUGIN_PATH", "");
    command
}

#[test]
fn what_no_plugin_offers_is_said_so() {
    let installation = Installation::new();
    let run = |name: &str, words: &[&str]| {
        installation.output(&mut alone(&installation, name, &[&["-l", "log"], words].concat()))
    };
    let output = run("cback3-span", &["-c", "c.conf"]).exits(6);
    output.says("Error executing backup: no plugin offers the command `span`");
    let output = run("cback3-amazons3-sync", &["/tmp", "s3://b/c"]).exits(6);
    output.says("no plugin offers the command `amazons3-sync`");
    let output = run("cback3", &["-c", "c.conf", "rebuild"]).exits(4);
    output.says("the action [rebuild] cannot be run");
    let log = installation.log();
    assert!(log.contains("Cedar Backup 'span' utility run completed with status 6."), "{log}");
    assert!(log.contains("Cedar Backup Amazon S3 sync run completed with status 6."), "{log}");
}

#[test]
fn span_needs_a_configuration() {
    let installation = Installation::new();
    let mut command = installation.raw("cback3-span", &["-c", "nowhere", "-l", "log"]);
    let output = installation.output(&mut command).exits(4);
    output.says("Error reading or handling configuration: [Errno 2]");
    // Sections that it does not use count as well.
    installation.edit("retain_days>", "retain>");
    let mut command = installation.raw("cback3-span", &["-c", "c.conf", "-l", "log"]);
    let output = installation.output(&mut command).exits(4);
    output.says("Error reading or handling configuration: c.conf:").says("<retain_days>");
}

/// Starts a command that asks.
fn asking(installation: &Installation) -> Child {
    let plugins = installation.sandbox.dir("plugins");
    fs::copy(fixture::build("good"), plugins.join("libgood.so")).unwrap();
    let words = ["-c", "c.conf", "--plugin-dir", plugins.to_str().unwrap(), "hello", "?"];
    let mut command = installation.sandbox.command(&words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().unwrap()
}

#[test]
fn a_command_of_a_plugin_can_ask_until_the_input_ends() {
    let installation = Installation::new();
    let mut child = asking(&installation);
    child.stdin.take().unwrap().write_all(b"Ann\r\n\nBob \xff").unwrap();
    let output = child.wait_with_output().unwrap();
    let expected = "who are you? hello Ann\nwho are you? hello \nwho are you? hello Bob \u{fffd}\n\
                    who are you? nobody\n";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_signal_ends_a_command_that_waits_for_an_answer() {
    let installation = Installation::new();
    let mut child = asking(&installation);
    // Waiting would close the input, and its end is an answer as well.
    let _input = child.stdin.take();
    let mut question = [0; 13];
    child.stdout.as_mut().unwrap().read_exact(&mut question).unwrap();
    assert_eq!(&question, b"who are you? ");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5));
}
