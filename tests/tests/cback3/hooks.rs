//! Programs that run before and after actions.

use super::installation::{Installation, Parts, hook};

fn with(options: &str) -> Installation {
    Installation::with(Parts { options, ..Parts::default() })
}

/// A hook that writes a word into a file.
fn note(kind: &str, action: &str, word: &str) -> String {
    hook(kind, action, &format!("/bin/sh -c \"echo {word} &gt;&gt; $SANDBOX/notes\""))
}

#[test]
fn hooks_run_around_their_action_in_the_order_of_the_file() {
    let options = [
        note("post", "collect", "post1"),
        note("pre", "collect", "pre1"),
        note("pre", "purge", "purge"),
        note("pre", "all", "never"),
        note("pre", "collect", "pre2"),
        note("post", "collect", "post2"),
    ];
    let installation = with(&options.concat());
    installation.ends(&["collect", "purge"], 0);
    let notes = installation.sandbox.read("notes");
    assert_eq!(notes.lines().collect::<Vec<_>>(), ["pre1", "pre2", "post1", "post2", "purge"]);
}

#[test]
fn a_hook_that_fails_before_keeps_everything_from_running() {
    let lines = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo line $i; done; exit 3";
    let options = hook("pre", "collect", &format!("/bin/sh -c \"{lines}\""));
    let installation = with(&(options + &note("pre", "collect", "second")));
    let output = installation.ends(&["collect", "stage", "purge"], 6);
    let shown: Vec<&str> = output.stdout.lines().collect();
    assert_eq!(shown[0], "Hook failed, tail is:");
    assert_eq!(shown[1..11], (3..=12).map(|i| format!("   line {i}")).collect::<Vec<_>>());
    assert!(shown[11].starts_with("Error executing backup: "), "{output}");
    assert!(shown[11].contains("exit code 3"), "{output}");
    assert_eq!(shown.len(), 12, "{output}");
    assert!(installation.collected().is_empty());
    assert!(!installation.sandbox.path("notes").exists(), "the second hook did not run");
    assert_eq!(installation.executed(), [""; 0]);
}

#[test]
fn a_hook_that_fails_behind_ends_the_run_after_its_action() {
    let options = hook("post", "collect", "/bin/false") + &note("post", "collect", "second");
    let installation = with(&options);
    let output = installation.ends(&["collect", "stage"], 6);
    output.says("Hook failed, tail is:\n   <empty>\nError executing backup: ");
    assert!(installation.sandbox.path("collect/cback.collect").exists());
    assert_eq!(installation.sandbox.names("stage"), [""; 0], "stage did not run");
    assert!(!installation.sandbox.path("notes").exists(), "the second hook did not run");
}

#[test]
fn behind_an_action_that_failed_no_hook_runs() {
    let installation = with(&note("post", "collect", "never"));
    installation.edit("$SANDBOX/source", "$SANDBOX/nothing");
    installation.ends(&["collect"], 6);
    assert!(!installation.sandbox.path("notes").exists());
}

#[test]
fn a_hook_that_cannot_be_run_fails() {
    for (command, message) in [("/no/such/program", "/no/such/program"), ("\"\"", "no program")] {
        let installation = with(&hook("pre", "collect", command));
        installation.ends(&["collect"], 6).says(message);
        assert!(installation.collected().is_empty());
    }
    let nothing = "<pre_action_hook><action>collect</action></pre_action_hook>";
    with(nothing).ends(&["collect"], 6).says("<command> is missing");
}

#[test]
fn what_a_hook_writes_may_be_in_any_encoding() {
    let command = "/usr/bin/printf caf\\\\351\\\\n".replace("\\\\", "\\");
    let installation = with(&hook("pre", "collect", &command));
    assert_eq!(installation.ends(&["-O", "collect"], 0).stdout, "");
    assert!(installation.log().lines().any(|it| it == "caf\u{fffd}"), "{}", installation.log());

    let command = "/bin/sh -c \"printf 'caf\\351\\033[31m'; exit 1\"";
    let installation = with(&hook("pre", "collect", command));
    let output = installation.ends(&["collect"], 6);
    output.says("Hook failed, tail is:\n   caf\u{fffd}\\u{1b}[31m\n");
}
