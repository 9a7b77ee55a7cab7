//! A plugin as it should be: found without being run, loaded when needed.

use std::io::{Read, Write};

use hayloft::plugins::Claimed;
use hayloft_plugin_api::{
    ByteRange, DecodeReader, EncodeWriter, ErrorKind, Event, Outcome, PutOptions, StorageHandle,
    StreamOptions, Transform, Verdict,
    shim::client::{from_json, plain, to_json},
};

use crate::lab::{Shelf, good, section};

fn shelf() -> Shelf {
    let shelf = Shelf::new();
    shelf.add("good.so", &good());
    shelf
}

#[test]
fn what_a_plugin_offers_is_known_without_loading_it() {
    let shelf = shelf();
    let registry = shelf.registry();
    let entry = registry.find_id("fixture-good").unwrap();
    assert_eq!(entry.problems(), []);
    assert_eq!(entry.notes(), []);
    assert_eq!(entry.metadata().version, "1.2.3");
    assert_eq!(entry.metadata().api, (1, 0));
    assert_eq!(entry.metadata().description, "Offers one of each kind");
    assert_eq!(entry.path(), Some(shelf.path().join("good.so").as_path()));

    assert_eq!(registry.names("compressor"), ["none", "shifted"]);
    assert_eq!(registry.suffix("compressor", "shifted"), Some(".shifted"));
    assert_eq!(registry.suffix("compressor", "none"), Some(""));
    assert_eq!(registry.by_magic(b"shift"), Some(("compressor", "shifted")));
    assert_eq!(registry.by_magic(b"sh"), None);
    assert_eq!(registry.by_suffix("a.tar.open"), Some(("encryptor", "open")));
    assert_eq!(registry.by_suffix(".open"), None);
    assert_eq!(registry.phase("greet"), Some("collect"));
    let claimed: Vec<_> = registry.sections().collect();
    let greet = |kind, name| Claimed { section: "greet", kind, name };
    assert_eq!(claimed, [greet("action", "greet"), greet("command", "hello")]);
    assert!(!entry.is_loaded());
}

#[test]
fn compressors_and_encryptors_are_opened_and_loaded_then() {
    let shelf = shelf();
    let registry = shelf.registry();
    let raw = registry.compressor("shifted", &section(&[])).unwrap();
    assert!(registry.find_id("fixture-good").unwrap().is_loaded());
    let shifted = Transform::from_raw("shifted", ".shifted", raw);

    let encoder = shifted.encoder(StreamOptions::default()).unwrap();
    let mut writer = EncodeWriter::new(encoder, Vec::new());
    writer.write_all(b"HAL").unwrap();
    let packed = writer.finish().unwrap();
    assert_eq!(packed, b"IBM");
    let mut unpacked = String::new();
    DecodeReader::new(shifted.decoder().unwrap(), &*packed).read_to_string(&mut unpacked).unwrap();
    assert_eq!(unpacked, "HAL");

    let raw = registry.encryptor("open", &section(&[])).unwrap();
    let error = Transform::from_raw("open", ".open", raw).decoder().err().unwrap();
    assert_eq!((error.kind(), error.remedy()), (ErrorKind::NOT_FOUND, Some("give a key")));
}

#[test]
fn none_is_a_compressor_and_an_encryptor_that_is_always_there() {
    let registry = hayloft::plugins::Registry::new();
    let plain = vec![7; 700_000];
    for raw in [
        registry.compressor("none", &section(&[])).unwrap(),
        registry.encryptor("none", &section(&[])).unwrap(),
    ] {
        let none = Transform::from_raw("none", "", raw);
        let mut writer = EncodeWriter::new(none.encoder(StreamOptions::default()).unwrap(), vec![]);
        writer.write_all(&plain).unwrap();
        let packed = writer.finish().unwrap();
        let mut unpacked = Vec::new();
        DecodeReader::new(none.decoder().unwrap(), &*packed).read_to_end(&mut unpacked).unwrap();
        assert!(unpacked == plain);
    }
}

#[test]
fn a_storage_keeps_objects() {
    let shelf = shelf();
    let registry = shelf.registry();
    let keep = StorageHandle::from_raw(registry.storage("keep", &section(&[])).unwrap());
    let mut put = keep.put("a/b", PutOptions { create_only: true, size_hint: None }).unwrap();
    put.write(b"hello ").unwrap();
    put.write_owned(b"world".to_vec().into()).unwrap();
    assert_eq!(keep.stat("a/b").unwrap(), None);
    assert_eq!(put.commit().unwrap().size, 11);
    let mut part = String::new();
    let range = ByteRange { offset: 6, length: Some(3) };
    keep.get("a/b", range).unwrap().read_to_string(&mut part).unwrap();
    assert_eq!(part, "wor");
    assert_eq!(keep.list("a/", "", 10).unwrap()[0].key, "a/b");
    keep.delete("a/b").unwrap();
    let gone = keep.get("a/b", ByteRange::ALL).err().unwrap();
    assert_eq!(gone.kind(), ErrorKind::NOT_FOUND);
}

#[test]
fn hooks_and_actions_and_commands_are_called() {
    let shelf = shelf();
    let registry = shelf.registry();
    let hook = registry.hook("guard", &section(&[])).unwrap();
    let ask = |action: &str| -> Verdict {
        let event = to_json(&Event::new("pre_action").field("action", action)).unwrap();
        from_json(&plain(hook.on_event(event.as_str().into())).unwrap()).unwrap()
    };
    assert_eq!(ask("store"), Verdict::Continue);
    assert_eq!(ask("forbidden"), Verdict::Veto("it is forbidden".to_owned()));

    let action = registry.action("greet", &section(&[])).unwrap();
    let outcome: Outcome = from_json(&crate::containment::run(&action).unwrap()).unwrap();
    assert_eq!(outcome.summary, "greeted");

    let spec = registry.command_spec("hello").unwrap();
    assert_eq!((spec.about.as_str(), spec.arguments.len()), ("Says hello", 1));
    assert_eq!(registry.check("action", "greet", &section(&[])), []);
}

#[test]
fn a_plugin_is_used_from_many_threads_and_loaded_once() {
    let shelf = shelf();
    let registry = shelf.registry();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let raw = registry.compressor("shifted", &section(&[])).unwrap();
                let transform = Transform::from_raw("shifted", "", raw);
                transform.encoder(StreamOptions::default()).unwrap();
            });
        }
    });
}

#[test]
fn what_is_not_there_is_an_error_where_it_is_needed() {
    let registry = shelf().registry();
    let error = registry.compressor("shiftet", &section(&[])).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NOT_FOUND);
    assert_eq!(
        error.to_string(),
        "there is no compressor named `shiftet`; did you mean `shifted`? (there are: none, shifted)"
    );
    let found = registry.check("storage", "kept", &section(&[]));
    assert!(found[0].is_error());
    assert_eq!(found[0].position.line, 3);
}
