//! Configurations that are wrong, or not there.

use std::{fs, os::unix::fs::PermissionsExt};

use super::installation::{Installation, Parts, extension};

/// Everything ends with exit code 4, a message on standard output, and the
/// closing line in the log.
fn refused(installation: &Installation, words: &[&str], message: &str) {
    let output = installation.ends(words, 4);
    let expected = format!("Error reading or handling configuration: {message}");
    assert!(output.stdout.contains(&expected), "{words:?}: {expected}\n{output}");
    let log = installation.log();
    let last = log.lines().last().unwrap();
    assert!(last.ends_with("--> [INFO   ] Cedar Backup run completed with status 4."), "{last}");
    assert!(installation.collected().is_empty(), "{words:?}: nothing was collected");
}

#[test]
fn a_configuration_that_cannot_be_read_is_named() {
    let missing = "[Errno 2] No such file or directory: 'nowhere.conf'";
    refused(&Installation::new(), &["-c", "nowhere.conf", "collect"], missing);
    refused(&Installation::new(), &["-c", ".", "collect"], "[Errno 21] Is a directory: '.'");
    let installation = Installation::new();
    let missing = "[Errno 20] Not a directory: 'c.conf/x'";
    refused(&installation, &["-c", "c.conf/x", "collect"], missing);
}

#[test]
fn a_configuration_without_permission_is_named() {
    let installation = Installation::new();
    let conf = installation.sandbox.path("c.conf");
    fs::set_permissions(conf, fs::Permissions::from_mode(0o0)).unwrap();
    let output = installation.output(&mut installation.ordinary(&["collect"])).exits(4);
    output.says("Error reading or handling configuration: [Errno 13] Permission denied: 'c.conf'");
}

#[test]
fn what_is_not_well_formed_is_shown_with_its_place() {
    for (from, to) in [("</options>", "</option>"), ("<cb_config>", ""), ("tuesday", "&nosuch;")] {
        let installation = Installation::new();
        installation.edit(from, to);
        refused(&installation, &["collect"], "Unable to parse XML document: ");
        refused(&installation, &["validate"], "Unable to parse XML document: ");
    }
    let installation = Installation::new();
    installation.edit("</options>", "</option>");
    refused(
        &installation,
        &["collect"],
        "Unable to parse XML document: </option> does not close <options>: line 11, column 4",
    );
}

#[test]
fn each_wrong_value_is_shown_where_it_stands() {
    let installation = Installation::new();
    installation.edit("tuesday", "tusday");
    installation.edit("<collect_mode>daily", "<collect_mode>dayly");
    refused(&installation, &["collect"], "c.conf:5:19: `tusday` is not a day of the week");
    let output = installation.ends(&["purge"], 4);
    assert_eq!(output.stdout.lines().count(), 2, "{output}");
    output.says("c.conf:15:19: `dayly`");
    let output = installation.ends(&["validate"], 4);
    output.says("c.conf:5:19").says("\nConfiguration is not valid.\n");
}

#[test]
fn the_root_element_and_the_sections_must_be_there() {
    let installation = Installation::new();
    installation.edit("cb_config>", "cback>");
    refused(&installation, &["collect"], "c.conf:1:");
    let installation = Installation::new();
    installation.sandbox.write("c.conf", "<cb_config></cb_config>");
    refused(&installation, &["collect"], "c.conf:1:");
    installation.sandbox.write("c.conf", "");
    refused(&installation, &["collect"], "Unable to parse XML document: ");
}

#[test]
fn unknown_actions_and_impossible_combinations_are_refused() {
    let cases: [(&[&str], &str); 8] = [
        (&["nosuch"], "Action [nosuch] is not a valid action or extended action."),
        (&["collect", "Purge"], "Action [Purge] is not a valid action or extended action."),
        (&["collect", ""], "Action [] is not a valid action or extended action."),
        (&["all", "all"], "Action [all] may not be combined with other actions."),
        (&["all", "collect"], "Action [all] may not be combined with other actions."),
        (&["validate", "purge"], "Action [validate] may not be combined with other actions."),
        (&["stage", "rebuild"], "Action [rebuild] may not be combined with other actions."),
        (&["initialize", "all"], "Action [initialize] may not be combined with other actions."),
    ];
    for (words, message) in cases {
        refused(&Installation::new(), words, message);
    }
}

fn with_extension(inner: &str) -> Installation {
    let extensions = format!("<extensions>{}</extensions>", extension("mine", inner, 50));
    Installation::with(Parts { extensions: &extensions, ..Parts::default() })
}

#[test]
fn an_extension_that_cannot_be_run_fails_where_it_is_asked_for() {
    let cases = [
        ("<module>nosuch.module</module><function>run</function>", "nosuch.module"),
        (
            "<module>CedarBackup3.extend.sysinfo</module><function>nofunc</function>",
            "module 'CedarBackup3.extend.sysinfo' has no attribute 'nofunc'",
        ),
        ("<module>CedarBackup3.extend.nosuch</module><function>executeAction</function>", "nosuch"),
        ("<plugin>nosuch</plugin>", "nosuch"),
    ];
    for (inner, message) in cases {
        let installation = with_extension(inner);
        for words in [&["mine"][..], &["collect", "mine"]] {
            refused(&installation, words, "");
            assert!(installation.log().contains(message), "{}", installation.log());
        }
        let output = installation.ends(&["validate"], 4);
        output.says(message).says("\nConfiguration is not valid.\n");
        installation.ends(&["collect"], 0);
    }
}

#[test]
fn names_of_built_in_actions_are_taken() {
    for name in ["all", "collect", "stage", "store", "purge", "rebuild", "validate", "initialize"] {
        let inner = "<module>CedarBackup3.extend.sysinfo</module>\
                     <function>executeAction</function>";
        let extensions = format!("<extensions>{}</extensions>", extension(name, inner, 50));
        let installation =
            Installation::with(Parts { extensions: &extensions, ..Parts::default() });
        refused(&installation, &["purge"], "c.conf:3:");
    }
}

#[test]
fn validate_looks_at_everything() {
    let installation = Installation::new();
    assert_eq!(installation.ends(&["validate"], 0).stdout, "Configuration is valid.\n");
    assert_eq!(installation.ends(&["-q", "validate"], 0).stdout, "");
    let log = installation.log();
    assert!(log.contains("--> [ERROR  ] Configuration is valid."), "{log}");
    assert!(log.contains("--> [INFO   ] Configuration is valid."), "{log}");

    let cases = [
        ("<reference><author>somebody</author></reference>", "", "reference"),
        ("$SANDBOX/source", "$SANDBOX/nothing", "$SANDBOX/nothing"),
        ("$SANDBOX/work", "$SANDBOX/nothing", "$SANDBOX/nothing"),
        ("$SANDBOX/old", "$SANDBOX/nothing", "$SANDBOX/nothing"),
    ];
    for (from, to, message) in cases {
        let installation = Installation::new();
        installation.edit(from, to);
        let output = installation.ends(&["validate"], 4);
        output.says(message).says("\nConfiguration is not valid.\n");
        assert_eq!(installation.ends(&["-q", "validate"], 4).stdout, "");
        let log = installation.log();
        assert!(log.contains("--> [INFO   ] Configuration is not valid."), "{log}");
    }
}

#[test]
fn validate_checks_the_sections_of_extensions_too() {
    let installation = Installation::new();
    let section = "<postgresql><compress_mode>none</compress_mode></postgresql>";
    installation.edit("<stage>", &format!("{section}<stage>"));
    let output = installation.ends(&["validate"], 4);
    output.says("<database>").says("\nConfiguration is not valid.\n");
    installation.ends(&["collect"], 0);
}

#[test]
fn an_extension_whose_section_is_wrong_says_where() {
    let installation = Installation::new();
    let action = "<extensions><action><name>db</name><module>CedarBackup3.extend.postgresql</module>\
                  <function>executeAction</function><index>99</index></action></extensions>\n\
                  <postgresql><compress_mode>none</compress_mode></postgresql>\n";
    installation.edit("<stage>", &format!("\n{action}<stage>"));
    let text = installation.sandbox.read("c.conf");
    let line = text.lines().position(|it| it.starts_with("<postgresql>")).unwrap() + 1;
    let output = installation.ends(&["db"], 6);
    output.says(&format!("Error executing backup: c.conf:{line}:2: no <database> is given"));
}

#[test]
fn directories_that_are_not_there_end_the_run() {
    let cases = [
        ("$SANDBOX/source", "collect"),
        ("$SANDBOX/old", "purge"),
        ("$SANDBOX/work", "purge"),
        ("<collect_dir>$SANDBOX/collect</collect_dir>\n    <collect_mode>", "collect"),
    ];
    for (from, action) in cases {
        let installation = Installation::new();
        installation.edit(from, &from.replace("$SANDBOX/", "$SANDBOX/nothing/"));
        let output = installation.ends(&[action, "stage"], 6);
        output.says("Error executing backup: ").says("$SANDBOX/nothing/");
        let log = installation.log();
        assert!(log.trim_end().ends_with("Cedar Backup run completed with status 6."), "{log}");
        assert_eq!(installation.executed(), [""; 0], "{action}");
    }
}

#[test]
fn an_action_without_its_section_says_which_one_is_missing() {
    for section in ["collect", "stage", "store", "purge"] {
        let installation = Installation::new();
        let text = installation.sandbox.read("c.conf");
        if let Some(from) = text.find(&format!("<{section}>")) {
            let end = format!("</{section}>");
            let to = text.rfind(&end).unwrap() + end.len();
            installation.sandbox.write("c.conf", &(text[..from].to_owned() + &text[to..]));
        }
        let output = installation.ends(&[section], 6);
        output.says(&format!("Error executing backup: the {section} section is missing\n"));
    }
}
