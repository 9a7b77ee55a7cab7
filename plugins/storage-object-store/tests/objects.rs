//! What a bucket keeps, through the plugin and a real server.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "objects/keys.rs"]
mod keys;
#[path = "objects/moving.rs"]
mod moving;
#[path = "objects/trouble.rs"]
mod trouble;

use hayloft_plugin_api::{ErrorKind, Guarantee, Storage, Sweep, conformance::Section};
use hayloft_storage_object_store::S3;
use hayloft_test_servers::{ACCESS_KEY, BUCKET, Behaviour, S3Server, SECRET_KEY};

use crate::moving::{MIB, NEW, OVER, get, noise, put};

/// A section for the server at that endpoint.
fn section(endpoint: &str) -> Section {
    Section::new("storage")
        .set("bucket", BUCKET)
        .set("endpoint", endpoint)
        .set("access_key_id", ACCESS_KEY)
        .set("password", SECRET_KEY)
        .set("part_size", "5 MB")
}

fn open(section: &Section) -> S3 {
    moving::open(section)
}

#[test]
fn small_objects_take_one_request_and_large_ones_go_in_parts() {
    let server = S3Server::start();
    let storage = open(&section(&server.endpoint()).set("prefix", "hosts/box"));
    let before = server.requests();
    put(&storage, "small", b"hay", OVER).unwrap();
    assert_eq!(server.requests() - before, 1);
    let before = server.requests();
    assert_eq!(get(&storage, "small").unwrap(), b"hay");
    assert_eq!(server.requests() - before, 1);

    let content = noise(17 * MIB + 5);
    assert_eq!(put(&storage, "large", &content, OVER).unwrap(), content.len() as u64);
    assert!(get(&storage, "large").unwrap() == content);
    let objects = server.objects();
    assert_eq!(objects.keys().collect::<Vec<_>>(), ["hosts/box/large", "hosts/box/small"]);
    assert!(objects["hosts/box/large"].content == content);
    assert!(server.uploads().is_empty());
}

#[test]
fn what_is_configured_is_kept_with_objects() {
    let server = S3Server::start();
    let section = section(&server.endpoint())
        .set("storage_class", "STANDARD_IA")
        .set("encryption", "AES256")
        .set("tags.tag.name", "made by")
        .set("tags.tag.value", "hay&loft");
    let storage = open(&section);
    put(&storage, "small", b"hay", NEW).unwrap();
    put(&storage, "large", &noise(6 * MIB), OVER).unwrap();
    for (key, object) in server.objects() {
        assert_eq!(object.storage_class.as_deref(), Some("STANDARD_IA"), "{key}");
        assert_eq!(object.encryption.as_deref(), Some("AES256"), "{key}");
        assert_eq!(object.tags.as_deref(), Some("made+by=hay%26loft"), "{key}");
        assert_eq!(object.metadata["haylofttoken"].len(), 32);
    }
}

#[test]
fn every_checksum_works_with_small_and_large_objects() {
    let server = S3Server::start();
    for checksum in ["crc64nvme", "sha256", "none"] {
        let storage = open(&section(&server.endpoint()).set("checksum", checksum));
        for (key, content) in [("small", noise(1000)), ("large", noise(11 * MIB))] {
            put(&storage, key, &content, OVER).unwrap();
            assert!(get(&storage, key).unwrap() == content, "{checksum} {key}");
        }
    }
}

#[test]
fn an_object_that_is_damaged_in_the_store_is_not_read_as_good() {
    let server = S3Server::start();
    let storage = open(&section(&server.endpoint()).set("retries", 1));
    for (key, length) in [("small", 1000), ("large", 12 * MIB)] {
        put(&storage, key, &noise(length), OVER).unwrap();
        server.damage(key);
        let error = get(&storage, key).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CORRUPT, "{key}: {error}");
        assert!(error.to_string().contains("checksum differs"), "{error}");
    }
}

#[test]
fn the_second_to_create_is_told_so_and_the_first_is_kept() {
    for kept in [true, false] {
        let behaviour =
            Behaviour { conditional_put: kept, conditional_complete: kept, ..Behaviour::default() };
        let server = S3Server::with(behaviour);
        let storage = open(&section(&server.endpoint()));
        for length in [10, 6 * MIB] {
            let key = format!("object-{length}");
            put(&storage, &key, &noise(length), NEW).unwrap();
            let error = put(&storage, &key, b"other", NEW).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ALREADY_EXISTS, "{error}");
            let error = put(&storage, &key, &noise(7 * MIB), NEW).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ALREADY_EXISTS, "{error}");
            assert!(server.objects()[&key].content == noise(length));
        }
        assert_eq!(server.objects().len(), 2);
        assert!(server.uploads().is_empty());
        let create = storage.capabilities().unwrap().create;
        assert_eq!(create, if kept { Guarantee::Atomic } else { Guarantee::Checked });
    }
}

#[test]
fn a_store_that_overwrites_all_the_same_is_never_trusted() {
    let cases = [(true, true), (true, false), (false, false)];
    for (put_kept, complete_kept) in cases {
        let server = S3Server::with(Behaviour {
            conditional_put: put_kept,
            conditional_complete: complete_kept,
            ..Behaviour::default()
        });
        let storage = open(&section(&server.endpoint()));
        let can = storage.capabilities().unwrap();
        let replace = if put_kept { Guarantee::Atomic } else { Guarantee::Missing };
        assert_eq!(can.replace, replace);
        let replace = |key: &str, etag: &str, length| {
            let mut stream = storage.replace(key, etag, OVER)?;
            stream.write(&noise(length))?;
            stream.commit()
        };
        for (length, kept) in [(10, put_kept), (6 * MIB, complete_kept)] {
            let key = format!("object-{length}");
            put(&storage, &key, b"first", OVER).unwrap();
            let etag = storage.stat(&key).unwrap().unwrap().etag;
            if !kept {
                let error = replace(&key, &etag, length).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::UNSUPPORTED, "{error}");
                assert_eq!(get(&storage, &key).unwrap(), b"first");
                continue;
            }
            let second = replace(&key, &etag, length).unwrap();
            assert_ne!(second.etag, etag);
            let error = replace(&key, &etag, length).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CHANGED, "{error}");
            assert!(get(&storage, &key).unwrap() == noise(length));
            let error = replace("none", &etag, length).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CHANGED, "{error}");
        }
        assert!(server.uploads().is_empty());
        // Only once in a process.
        let before = server.requests();
        storage.capabilities().unwrap();
        assert_eq!(server.requests(), before);
    }
}

#[test]
fn many_objects_are_removed_with_few_requests() {
    let server = S3Server::start();
    let storage = open(&section(&server.endpoint()).set("prefix", "p"));
    let keys: Vec<String> = (0..2500).map(|it| format!("a/{it:05} & more")).collect();
    for key in &keys {
        server.place(&format!("p/{key}"), "x");
    }
    server.place("other", "x");
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let before = server.requests();
    assert!(storage.delete_many(&keys).unwrap().is_empty());
    assert!(server.requests() - before <= 5);
    assert_eq!(server.objects().keys().collect::<Vec<_>>(), ["other"]);
}

#[test]
fn what_was_left_half_sent_goes_and_what_is_new_stays() {
    let server = S3Server::start();
    let section = section(&server.endpoint()).set("prefix", "mine");
    let storage = open(&section);
    let mut going_on = storage.put("new", OVER).unwrap();
    going_on.write(&noise(6 * MIB)).unwrap();
    // As a run leaves them that ended early.
    server.abandon("mine/old", 7200);
    server.abandon("theirs/old", 7200);
    let old = Sweep { older_than_s: 3600, dry_run: true };
    let names = |request: &Sweep| -> Vec<String> {
        storage.sweep(request).unwrap().into_iter().map(|it| it.name).collect()
    };
    assert_eq!(names(&old), ["old"]);
    assert_eq!(server.uploads().len(), 3);
    assert_eq!(names(&Sweep { dry_run: false, ..old }), ["old"]);
    assert_eq!(server.uploads(), ["mine/new", "theirs/old"]);
    going_on.commit().unwrap();
    assert_eq!(server.uploads(), ["theirs/old"]);
    // More than are told at once, and those that are old come last.
    for number in 0..1200 {
        server.abandon(&format!("mine/a/{number:04}"), 60);
        server.abandon(&format!("mine/b/{}", number % 3), 7200);
    }
    assert_eq!(names(&Sweep { dry_run: false, ..old }).len(), 1200);
    assert_eq!(server.uploads().len(), 1201);
}
