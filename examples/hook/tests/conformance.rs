//! The suite that every plugin must pass, run on the built library; and what
//! only this plugin does.

use example_hook_journal::{Config, Journal};
use hayloft_plugin_api::{
    Event, Hook, Verdict,
    config::decode,
    conformance::{self, Section},
};

#[test]
fn it_keeps_to_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    conformance::check!("file" = directory.path().join("journal").display());
}

#[test]
fn it_writes_a_line_for_each_event_and_vetoes_as_configured() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("journal");
    let section = Section::new("hook")
        .set("file", file.display())
        .set("veto", "it is Sunday")
        .set("veto@event", "pre_action");
    let journal = Journal::new(decode::<Config>(section.node()).unwrap()).unwrap();
    let before = Event::new("pre_action").field("action", "store");
    assert_eq!(journal.on_event(&before).unwrap(), Verdict::Veto("it is Sunday".to_owned()));
    assert_eq!(journal.on_event(&Event::new("post_action")).unwrap(), Verdict::Continue);
    let written = std::fs::read_to_string(file).unwrap();
    let events: Vec<Event> =
        written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events, [before, Event::new("post_action")]);
}

#[test]
fn a_file_that_cannot_be_written_is_an_error() {
    let section = Section::new("hook").set("file", "/nonexistent/journal");
    let journal = Journal::new(decode(section.node()).unwrap()).unwrap();
    let error = journal.on_event(&Event::new("post_action")).unwrap_err();
    assert!(error.to_string().starts_with("cannot write the journal /nonexistent/journal: "));
}
