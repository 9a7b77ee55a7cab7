//! Plugins that panic or lie do no harm to the process that they are in.

use abi_stable::{
    sabi_trait::TD_Opaque,
    std_types::{RResult, RSlice, RStr, RString},
};
use hayloft_plugin_api::{
    Error, ErrorKind, LocalTime, Node, Op, Position, Request, Result, StreamOptions, Transform,
    Weekday,
    abi::{ActionBox, Fallible, ProcessBox, PutBox, RawHost, RawHost_TO, StorageBox, TransformBox},
    shim::client::{plain, to_json},
};

use crate::lab::{Shelf, misbehaving, section};

/// A host that can do nothing.
struct Nothing;

fn unsupported<T>() -> Fallible<T> {
    RResult::RErr(Error::new(ErrorKind::UNSUPPORTED, "this host can do nothing").into())
}

impl RawHost for Nothing {
    fn document(&self) -> Node {
        Node::empty("cb_config", Position::default())
    }
    fn cancelled(&self) -> bool {
        false
    }
    fn progress(&self, _: RStr<'_>, _: u64, _: u64) {}
    fn print(&self, _: RSlice<'_, u8>) -> Fallible<()> {
        unsupported()
    }
    fn transform(&self, _: RStr<'_>, _: RStr<'_>) -> Fallible<TransformBox> {
        unsupported()
    }
    fn storage(&self, _: RStr<'_>) -> Fallible<StorageBox> {
        unsupported()
    }
    fn output(&self, _: RSlice<'_, u8>, _: RStr<'_>) -> Fallible<PutBox> {
        unsupported()
    }
    fn spawn(&self, _: RStr<'_>) -> Fallible<ProcessBox> {
        unsupported()
    }
    fn call(&self, _: RStr<'_>, _: RStr<'_>) -> Fallible<RString> {
        unsupported()
    }
}

/// Runs an action with a host that can do nothing.
pub(crate) fn run(action: &ActionBox) -> Result<String> {
    let now = LocalTime {
        year: 2026,
        month: 1,
        day: 2,
        hour: 3,
        minute: 4,
        second: 5,
        weekday: Weekday::Friday,
        unix_seconds: 1_767_323_045,
        nanoseconds: 0,
    };
    let request = Request {
        action: "world".to_owned(),
        full: false,
        start_of_week: false,
        dry_run: false,
        now,
        run_id: "1".to_owned(),
        failed: Vec::new(),
    };
    let host = RawHost_TO::from_value(Nothing, TD_Opaque);
    plain(action.run(host, to_json(&request)?.as_str().into())).map(String::from)
}

fn compressor(name: &str) -> Result<Transform> {
    let shelf = Shelf::new();
    shelf.add("misbehaving.so", &misbehaving());
    let raw = shelf.registry().compressor(name, &section(&[]))?;
    Ok(Transform::from_raw(name, "", raw))
}

#[test]
fn a_panic_in_the_constructor_is_an_error_with_its_place() {
    let error = compressor("panics-in-new").err().unwrap();
    assert_eq!(error.kind(), ErrorKind::PANIC);
    let text = error.to_string();
    assert!(text.starts_with("the plugin panicked: in new at "), "{text}");
    assert!(text.contains("src/codecs.rs:"), "{text}");
}

#[test]
fn a_codec_that_panicked_stays_unusable() {
    let mut codec =
        compressor("panics-in-step").unwrap().encoder(StreamOptions::default()).unwrap();
    let mut output = [0; 8];
    for _ in 0..2 {
        codec.step(b"x", &mut output, Op::RUN).unwrap();
    }
    let error = codec.step(b"x", &mut output, Op::RUN).unwrap_err();
    assert!(error.to_string().starts_with("the plugin panicked: the third step at "), "{error}");
    let again = codec.step(b"x", &mut output, Op::RUN).unwrap_err();
    assert_eq!(again.to_string(), "the plugin is unusable after a panic");
}

#[test]
fn a_panic_while_something_is_given_up_is_contained() {
    let codec = compressor("panics-in-drop").unwrap().encoder(StreamOptions::default()).unwrap();
    drop(codec);
}

#[test]
fn impossible_counts_are_not_believed() {
    let mut codec = compressor("nonsense").unwrap().encoder(StreamOptions::default()).unwrap();
    let error = codec.step(b"x", &mut [0; 8], Op::RUN).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PANIC);
    assert_eq!(error.to_string(), "the plugin reported impossible counts");
}

#[test]
fn a_panic_in_an_action_is_its_error() {
    let shelf = Shelf::new();
    shelf.add("misbehaving.so", &misbehaving());
    let action = shelf.registry().action("panics", &section(&[])).unwrap();
    let error = run(&action).unwrap_err().to_string();
    assert!(error.contains("index out of bounds"), "{error}");
    assert!(run(&action).is_err());
}
