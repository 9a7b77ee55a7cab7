//! Plugins that speak the C header, compiled as C and as C++.

use std::io::{Read, Write};

use hayloft_plugin_api::{
    ByteRange, DecodeReader, EncodeWriter, ErrorKind, Event, Guarantee, Op, PutOptions,
    StorageHandle, StreamOptions, Sweep, Transform, Verdict,
    shim::client::{from_json, plain, to_json},
};

use crate::lab::{Shelf, compile, section};

/// The same source in both languages.
const COMPILERS: [(&str, &str); 2] = [("cc", "-std=c99"), ("c++", "-std=c++11")];

fn with_each_language(test: impl Fn(&hayloft::plugins::Registry)) {
    for (compiler, standard) in COMPILERS {
        let shelf = Shelf::new();
        compile(compiler, "complete.c", &shelf.path().join("complete.so"), &[standard]);
        let registry = shelf.registry();
        assert_eq!(registry.rejected(), []);
        test(&registry);
    }
}

#[test]
fn a_compressor_in_c_is_a_compressor() {
    with_each_language(|registry| {
        let raw = registry.compressor("c-xor", &section(&[("key", "1")])).unwrap();
        let xor = Transform::from_raw("c-xor", ".xor", raw);
        let encoder = xor.encoder(StreamOptions::default()).unwrap();
        let mut writer = EncodeWriter::new(encoder, Vec::new());
        writer.write_all(b"HAL").unwrap();
        let packed = writer.finish().unwrap();
        assert_eq!(packed, b"I@M");
        let mut unpacked = String::new();
        DecodeReader::new(xor.decoder().unwrap(), &*packed).read_to_string(&mut unpacked).unwrap();
        assert_eq!(unpacked, "HAL");
    });
}

#[test]
fn what_is_wrong_with_the_configuration_is_said_with_a_remedy() {
    with_each_language(|registry| {
        let found = registry.check("compressor", "c-xor", &section(&[]));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].to_string(), "3:5: <key> is missing (section)");
        assert_eq!(found[0].help.as_deref(), Some("write <key>7</key>"));
        assert_eq!(registry.check("compressor", "c-xor", &section(&[("key", "1")])), []);

        let raw = registry.compressor("c-xor", &section(&[])).unwrap();
        let xor = Transform::from_raw("c-xor", ".xor", raw);
        let error = xor.encoder(StreamOptions::default()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::CONFIGURATION);
        assert_eq!(error.remedy(), Some("write <key>7</key>"));
    });
}

#[test]
fn impossible_counts_of_c_are_not_believed() {
    with_each_language(|registry| {
        let raw = registry.compressor("c-nonsense", &section(&[("key", "1")])).unwrap();
        let nonsense = Transform::from_raw("c-nonsense", "", raw);
        let mut codec = nonsense.encoder(StreamOptions::default()).unwrap();
        let error = codec.step(b"x", &mut [0; 4], Op::RUN).unwrap_err();
        assert_eq!(error.to_string(), "the plugin reported impossible counts");
    });
}

#[test]
fn a_storage_in_c_is_a_storage() {
    with_each_language(|registry| {
        let storage = registry.storage("c-memory", &section(&[])).unwrap();
        let storage = StorageHandle::from_raw(storage);
        assert_eq!(storage.stat("a/b").unwrap(), None);
        let mut put = storage.put("a/b", PutOptions::default()).unwrap();
        put.write(b"hello ").unwrap();
        put.write(b"world").unwrap();
        let object = put.commit().unwrap();
        assert_eq!((object.key.as_str(), object.size, object.etag.as_str()), ("a/b", 11, "104"));

        let create = PutOptions { create_only: true, size_hint: None };
        let taken = storage.put("a/b", create).err().unwrap();
        assert_eq!(taken.kind(), ErrorKind::ALREADY_EXISTS);
        let mut put = storage.put("c", PutOptions::default()).unwrap();
        assert_eq!(put.write(&[0; 65]).unwrap_err().kind(), ErrorKind::FULL);
        put.abort().unwrap();

        let mut text = String::new();
        let range = ByteRange { offset: 6, length: Some(3) };
        storage.get("a/b", range).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "wor");
        assert_eq!(storage.list("a/", "", 10).unwrap()[0], object);
        assert_eq!(storage.list("a/", "a/b", 10).unwrap(), []);
        storage.delete("a/b").unwrap();
        let gone = storage.get("a/b", ByteRange::ALL).err().unwrap();
        assert_eq!(gone.to_string(), "there is no a/b");
    });
}

#[test]
fn a_storage_in_c_replaces_what_is_as_it_was() {
    with_each_language(|registry| {
        let storage = registry.storage("c-memory", &section(&[])).unwrap();
        let storage = StorageHandle::from_raw(storage);
        let put = |etag: Option<&str>, content: &[u8]| {
            let options = PutOptions::default();
            let mut put = match etag {
                Some(etag) => storage.replace("a", etag, options)?,
                None => storage.put("a", options)?,
            };
            put.write(content)?;
            put.commit()
        };
        let first = put(None, b"1").unwrap();
        let second = put(Some(&first.etag), b"2").unwrap();
        let stale = put(Some(&first.etag), b"3").unwrap_err();
        assert_eq!((stale.kind(), stale.message()), (ErrorKind::CHANGED, "a is not what it was"));
        assert_eq!(storage.stat("a").unwrap(), Some(second));
        let known = storage.capabilities().unwrap();
        assert_eq!((known.create, known.replace), (Guarantee::Unknown, Guarantee::Atomic));
        assert!(storage.delete_many(&["a", "b"]).unwrap().is_empty());
        assert_eq!(storage.stat("a").unwrap(), None);
    });
}

#[test]
fn a_storage_built_against_the_first_header_does_what_it_did() {
    let shelf = Shelf::new();
    let flags = ["-std=c99", "-DFIXTURE_FIRST"];
    compile("cc", "complete.c", &shelf.path().join("complete.so"), &flags);
    let storage = shelf.registry().storage("c-memory", &section(&[])).unwrap();
    let storage = StorageHandle::from_raw(storage);
    storage.put("a", PutOptions::default()).unwrap().commit().unwrap();
    let refused = storage.replace("a", "0", PutOptions::default()).err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::UNSUPPORTED);
    let known = storage.capabilities().unwrap();
    assert_eq!((known.create, known.replace), (Guarantee::Unknown, Guarantee::Missing));
    assert_eq!(storage.protection("a").unwrap(), None);
    assert!(storage.sweep(&Sweep::default()).unwrap().is_empty());
    assert!(storage.delete_many(&["a"]).unwrap().is_empty());
    assert_eq!(storage.stat("a").unwrap(), None);
}

#[test]
fn what_was_opened_in_a_storage_keeps_it_open() {
    with_each_language(|registry| {
        let storage = registry.storage("c-memory", &section(&[])).unwrap();
        let storage = StorageHandle::from_raw(storage);
        let mut put = storage.put("a", PutOptions::default()).unwrap();
        drop(storage);
        put.write(b"x").unwrap();
        assert_eq!(put.commit().unwrap().size, 1);
    });
}

#[test]
fn a_hook_in_c_is_a_hook() {
    with_each_language(|registry| {
        let hook = registry.hook("c-guard", &section(&[])).unwrap();
        let ask = |action: &str| -> hayloft_plugin_api::Result<Verdict> {
            let event = to_json(&Event::new("pre_action").field("action", action))?;
            from_json(&plain(hook.on_event(event.as_str().into()))?)
        };
        assert_eq!(ask("store").unwrap(), Verdict::Continue);
        assert_eq!(ask("forbidden").unwrap(), Verdict::Veto("forbidden".to_owned()));
        assert!(ask("broken").unwrap_err().is_transient());
    });
}

#[test]
fn what_c_cannot_offer_is_not_there() {
    with_each_language(|registry| {
        assert_eq!(registry.names("action"), Vec::<&str>::new());
        assert!(registry.action("c-xor", &section(&[])).is_err());
    });
}
