//! What can be typed, and what cannot.

use super::installation::Installation;

#[test]
fn a_wrong_command_line_is_answered_with_the_help_and_what_is_wrong() {
    let cases: [(&[&str], &str); 19] = [
        (&[], "At least one action must be specified."),
        (&["-b", "-q"], "At least one action must be specified."),
        (&["--"], "At least one action must be specified."),
        (&["--nosuch", "all"], "option --nosuch not recognized"),
        (&["-x", "all"], "option -x not recognized"),
        (&["-bx", "all"], "option -x not recognized"),
        (&["--ver", "all"], "option --ver not a unique prefix"),
        (&["--full=yes", "all"], "option --full must not have an argument"),
        (&["--config"], "option --config requires argument"),
        (&["-l"], "option -l requires argument"),
        (&["-c", "", "all"], "The config parameter must be a non-empty string."),
        (&["--logfile=", "all"], "The logfile parameter must be a non-empty string."),
        (&["-m", "9z", "all"], "invalid literal for int() with base 8: '9z'"),
        (&["-m", "-1", "all"], "Mode must be an octal integer >= 0"),
        (&["-o", "root", "all"], "Must specify user and group tuple for owner parameter."),
        (&["-o", "root:", "all"], "User and group tuple values must be non-empty strings."),
        (&["-o", ":adm", "all"], "User and group tuple values must be non-empty strings."),
        (&["-M", "-N", "all"], "The --managed and --managed-only options may not be combined."),
        (&["-h", "-m", "8"], "invalid literal for int() with base 8: '8'"),
    ];
    let installation = Installation::new();
    let before = installation.sandbox.names("");
    for (words, message) in cases {
        let output = installation.output(&mut installation.raw("cback3", words)).exits(2);
        assert_eq!(output.stdout, "", "{words:?}");
        assert!(output.stderr.contains(" Usage: cback3 [switches] action(s)"), "{output}");
        assert!(output.stderr.contains(&format!(" *** Error: {message}")), "{words:?}: {output}");
    }
    assert_eq!(installation.sandbox.names(""), before, "nothing was written");
}

#[test]
fn what_only_shows_something_needs_nothing_and_writes_nothing() {
    let installation = Installation::new();
    let before = installation.sandbox.names("");
    let run = |words: &[&str]| installation.output(&mut installation.raw("cback3", words)).exits(0);
    for words in [&["-h"][..], &["--help"], &["--he"], &["-V", "-h", "all"], &["-D", "-h"]] {
        let output = run(words);
        assert_eq!(output.stdout, "", "{words:?}");
        output.complains("Usage: cback3").complains("validate").complains("Examples:");
    }
    for words in [&["-V"][..], &["--version"], &["-DV"], &["-l", "log", "-V"]] {
        assert_eq!(run(words).says("Hayloft version").stderr, "", "{words:?}");
    }
    for words in [&["-D"][..], &["--diag"], &["-l", "log", "-D", "all"]] {
        let output = run(words);
        let facts = output.stdout.lines().filter(|it| it.contains("...: "));
        assert_eq!(facts.count(), 6, "{output}");
        output.says("Encoding").says("Interpreter").says("Locale");
        assert_eq!(output.says("Platform").says("Timestamp").says("Version").stderr, "");
    }
    assert_eq!(installation.sandbox.names(""), before, "nothing was written");
}

#[test]
fn switches_are_read_as_scripts_give_them() {
    let good: [&[&str]; 9] = [
        &["collect"],
        &["--", "collect"],
        &["-qf", "collect"],
        &["--qui", "--ful", "collect"],
        &["-m640", "-o", "nobody:nogroup", "collect"],
        &["--mode=0o640", "--owner=a:b:c", "collect"],
        &["-c", "nowhere", "--config", "c.conf", "collect"],
        &["--config", "c.conf", "-c", "nowhere", "collect"],
        &["-c", "nowhere", "-c", "c.conf", "collect"],
    ];
    for words in good {
        let installation = Installation::new();
        let output = installation.ends(words, 0);
        assert_eq!(output.stdout, "", "{words:?}");
        let name = installation.collected().into_iter().find(|it| it.ends_with(".tar.gz"));
        assert!(name.is_some(), "{words:?}");
        assert!(installation.sandbox.path("collect/cback.collect").exists());
    }
}

#[test]
fn behind_the_first_action_everything_is_an_action() {
    let installation = Installation::new();
    let output = installation.ends(&["validate", "--full"], 4);
    output.says("Action [--full] is not a valid action or extended action.");
}

#[test]
fn the_name_of_the_command_is_as_good_as_a_link() {
    let installation = Installation::new();
    let run = |words: &[&str]| installation.sandbox.run(words);
    let common = ["-c", "c.conf", "-l", "log", "collect"];
    let output = run(&[&["cback3"], &common[..]].concat()).exits(0);
    assert_eq!(output.stdout + &output.stderr, "");
    let dated = [&["--now", "2026-11-17T02:00:00", "cback3"], &common[..]].concat();
    run(&dated).exits(0);
    let times: Vec<_> = installation
        .log()
        .lines()
        .filter(|it| it.contains("Timestamp"))
        .map(|it| it.contains("Tue Nov 17 02:00:00 2026 UTC"))
        .collect();
    assert_eq!(times, [false, true]);
    run(&["-c", "c.conf", "cback3", "collect"]).exits(2).complains("behind its name");
    run(&["cback3", "--help"]).exits(0).complains("Usage: cback3");
    run(&["--help"]).exits(0).says("cback3");
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let installation = Installation::new();
    let man = installation.sandbox.dir("man");
    installation.sandbox.ok(&["man", man.to_str().unwrap()]);
    for (name, text) in [
        ("cback3", "managed\\-only"),
        ("cback3-span", "logfile"),
        ("cback3-amazons3-sync", "verifyOnly"),
    ] {
        let page = installation.sandbox.read(&format!("man/{name}.1"));
        assert!(page.contains(text), "{name}: {page}");
    }
    assert!(!installation.sandbox.path("man/hayloft-cback3.1").exists());
}
