//! Networks and stores that fail.

use std::{io::Read, time::Duration};

use hayloft_plugin_api::{
    ByteRange, ErrorKind, PutOptions, Storage, Sweep, config::decode, conformance::Section,
};
use hayloft_storage_object_store::S3;
use hayloft_test_servers::{Call, Fault, Proxy, S3Server};
use http::Method;

use crate::{
    moving::{MIB, NEW, OVER, get, noise, put},
    open, section,
};

const FAULTS: [Fault; 8] = [
    Fault::Delay(Duration::from_millis(20)),
    Fault::Status(500, "InternalError"),
    Fault::Status(503, "SlowDown"),
    Fault::Status(400, "RequestTimeout"),
    Fault::Status(429, ""),
    Fault::Drop,
    Fault::LoseAnswer,
    Fault::FlipRequest,
];
const DAMAGED_ANSWERS: [Fault; 3] = [Fault::CutAnswer, Fault::ShortenAnswer, Fault::FlipAnswer];

/// Whether a fault of that kind makes sense for a call: a bit of a list or of
/// an empty body is somebody else's business.
fn fits(fault: Fault, call: &Call) -> bool {
    let content = call.method == Method::GET && call.path.contains("/object");
    match fault {
        Fault::FlipAnswer | Fault::ShortenAnswer => content,
        Fault::FlipRequest => call.method == Method::PUT && call.length > 0,
        _ => true,
    }
}

#[test]
fn whatever_happens_to_every_third_request_nothing_is_lost() {
    for fault in FAULTS {
        let server = S3Server::start();
        let proxy = Proxy::start(server.address());
        let storage = open(&section(&proxy.endpoint()).set("retries", 8));
        // The keys are right, as a first request shows.
        put(&storage, "object-0", b"hay", OVER).unwrap();
        proxy.plan(move |call| {
            let hit = call.number % 3 == 2 && fits(fault, call);
            if hit { fault } else { Fault::None }
        });
        for (name, options) in [("over", OVER), ("new", NEW)] {
            for length in [0, 1000, 12 * MIB] {
                let key = format!("object-{name}-{length}");
                let content = noise(length);
                put(&storage, &key, &content, options)
                    .unwrap_or_else(|error| panic!("{fault:?}: put {key}: {error}"));
                assert!(server.objects()[&key].content == content, "{fault:?} {key}");
                let read = get(&storage, &key);
                let read = read.unwrap_or_else(|error| panic!("{fault:?}: get {key}: {error}"));
                assert!(read == content, "{fault:?} {key}");
            }
        }
        storage.delete("object-0").unwrap();
        assert_eq!(storage.list("", "", 100).unwrap().len(), 6);
        if fault == Fault::LoseAnswer {
            // Who was not told what an upload is called cannot give it up.
            assert!(server.uploads().len() < 4, "{:?}", server.uploads());
            std::thread::sleep(Duration::from_millis(1100));
            storage.sweep(&Sweep::default()).unwrap();
        }
        assert!(server.uploads().is_empty(), "{fault:?}: {:?}", server.uploads());
        let (count, faults) = (proxy.count(), proxy.faults());
        assert!(faults > 0, "{fault:?} never came");
        assert!(count < 160, "{fault:?}: {count} requests");
    }
}

#[test]
fn what_is_damaged_on_its_way_to_us_is_asked_for_again() {
    for fault in DAMAGED_ANSWERS {
        let server = S3Server::start();
        let proxy = Proxy::start(server.address());
        let storage = open(&section(&proxy.endpoint()).set("retries", 8));
        for length in [1000, 12 * MIB] {
            put(&storage, &format!("object-{length}"), &noise(length), OVER).unwrap();
        }
        proxy.plan(move |call| {
            let hit = call.number % 2 == 0 && fits(fault, call);
            if hit { fault } else { Fault::None }
        });
        for length in [1000, 12 * MIB] {
            let content = get(&storage, &format!("object-{length}")).unwrap();
            assert!(content == noise(length), "{fault:?} {length}");
        }
        assert!(proxy.faults() > 0 && proxy.count() < 40, "{fault:?}");
    }
}

#[test]
fn a_part_that_is_not_the_one_that_was_asked_for_is_never_taken_for_it() {
    let server = S3Server::start();
    let content = noise(12 * MIB);
    for fault in [Fault::OtherRange, Fault::IgnoreRange, Fault::CutAnswer, Fault::ShortenAnswer] {
        let proxy = Proxy::start(server.address());
        let storage = |retries| open(&section(&proxy.endpoint()).set("retries", retries));
        let (patient, hasty) = (storage(8), storage(1));
        put(&patient, "object", &content, OVER).unwrap();
        let part = |storage: &S3, offset: usize, length: usize| {
            let range = ByteRange { offset: offset as u64, length: Some(length as u64) };
            let mut found = Vec::new();
            let read = storage.get("object", range);
            read.and_then(|mut it| Ok(it.read_to_end(&mut found)?)).map(|_| found)
        };
        for (offset, length) in [(0, 100), (7 * MIB, 100), (MIB, 7 * MIB), (11 * MIB, MIB)] {
            let right = &content[offset..offset + length];
            proxy.plan(move |call| {
                if call.number % 2 == 0 && fits(Fault::ShortenAnswer, call) {
                    fault
                } else {
                    Fault::None
                }
            });
            let again = matches!(fault, Fault::CutAnswer | Fault::ShortenAnswer);
            match part(&patient, offset, length) {
                Ok(found) => assert!(found == right, "{fault:?} {offset}"),
                Err(error) => assert!(!again, "{fault:?}: {error}"),
            }
            proxy.plan(move |_| fault);
            if let Ok(found) = part(&hasty, offset, length) {
                assert!(found == right, "{fault:?} {offset}");
            }
        }
        assert!(proxy.count() < 120, "{fault:?}: {} requests", proxy.count());
    }
}

#[test]
fn of_a_very_large_object_it_is_told_whether_to_read_it_again() {
    let server = S3Server::start();
    let proxy = Proxy::start(server.address());
    // More than the memory that is meant for it.
    let storage = open(&section(&proxy.endpoint()).set("concurrency", 1));
    put(&storage, "object", &noise(23 * MIB), OVER).unwrap();
    let hit = std::sync::atomic::AtomicBool::new(false);
    proxy.plan(move |call| {
        let third = call.headers.get("range").is_some_and(|it| it == "bytes=10485760-15728639");
        let first = third && !hit.swap(true, std::sync::atomic::Ordering::SeqCst);
        if first { Fault::FlipAnswer } else { Fault::None }
    });
    let error = get(&storage, "object").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TRANSIENT, "{error}");
    assert!(error.to_string().contains("bytes 10485760 to 15728639"), "{error}");
    assert!(get(&storage, "object").unwrap() == noise(23 * MIB));
    server.damage("object");
    assert_eq!(get(&storage, "object").unwrap_err().kind(), ErrorKind::CORRUPT);
}

#[test]
fn a_store_that_only_fails_is_given_up_after_a_few_requests() {
    let cases = [
        (Fault::Status(500, "InternalError"), ErrorKind::TRANSIENT),
        (Fault::Status(503, "SlowDown"), ErrorKind::TRANSIENT),
        (Fault::Drop, ErrorKind::TRANSIENT),
        (Fault::FlipRequest, ErrorKind::CORRUPT),
        (Fault::Status(403, "AccessDenied"), ErrorKind::PERMISSION),
        (Fault::Status(507, ""), ErrorKind::FULL),
    ];
    for (fault, kind) in cases {
        let server = S3Server::start();
        let proxy = Proxy::start(server.address());
        let storage = open(&section(&proxy.endpoint()).set("retries", 2));
        put(&storage, "object", b"hay", OVER).unwrap();
        proxy.plan(move |_| fault);
        for options in [OVER, PutOptions { create_only: true, size_hint: Some(3) }] {
            let before = proxy.count();
            let error = put(&storage, "object-new", b"hay", options).unwrap_err();
            assert_eq!(error.kind(), kind, "{fault:?}: {error}");
            assert!(proxy.count() - before <= 12, "{fault:?}: {}", proxy.count() - before);
        }
        let before = proxy.count();
        put(&storage, "object-large", &noise(12 * MIB), OVER).unwrap_err();
        assert!(proxy.count() - before <= 12);
        assert!(!server.objects().contains_key("object-new"));
        assert!(!server.objects().contains_key("object-large"));
    }
}

#[test]
fn an_answer_that_is_lost_does_not_make_our_own_object_somebody_elses() {
    let server = S3Server::start();
    let proxy = Proxy::start(server.address());
    let storage = open(&section(&proxy.endpoint()).set("conditional_put", "Y"));
    let writes = |call: &Call| call.method == Method::PUT && call.query.is_empty();
    let completes = |call: &Call| call.method == Method::POST && call.query.contains("uploadId");
    for length in [10, 6 * MIB] {
        let key = format!("object-{length}");
        proxy.plan(move |call| {
            let hit = writes(call) || completes(call);
            if hit { Fault::LoseAnswer } else { Fault::None }
        });
        put(&storage, &key, &noise(length), NEW).unwrap();
        proxy.plan(|_| Fault::None);
        assert!(get(&storage, &key).unwrap() == noise(length));
        // Somebody else's is not ours, even if it is the same.
        proxy.plan(move |call| {
            let hit = writes(call) || completes(call);
            if hit { Fault::LoseAnswer } else { Fault::None }
        });
        let error = put(&storage, &key, &noise(length), NEW).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ALREADY_EXISTS, "{error}");
    }
    assert!(server.uploads().is_empty());
}

#[test]
fn an_object_that_is_replaced_while_it_is_read_is_no_mixture() {
    let server = S3Server::start();
    let storage = open(&section(&server.endpoint()).set("concurrency", 1));
    put(&storage, "object", &vec![1; 20 * MIB], OVER).unwrap();
    let mut reader = storage.get("object", ByteRange::ALL).unwrap();
    put(&storage, "object", &vec![2; 20 * MIB], OVER).unwrap();
    let mut content = Vec::new();
    let error = reader.read_to_end(&mut content).unwrap_err();
    assert!(error.to_string().contains("replaced or removed meanwhile"), "{error}");
    assert!(content.iter().all(|byte| *byte == 1));
}

#[test]
fn what_is_wrong_is_told_at_once_with_what_to_do() {
    let server = S3Server::start();
    let endpoint = server.endpoint();
    let good = section(&endpoint);
    let cases = [
        (good.clone().set("access_key_id", "x"), "", ErrorKind::CONFIGURATION),
        (replaced(&endpoint, "access_key_id", "WRONG"), "<access_key_id>", ErrorKind::PERMISSION),
        (replaced(&endpoint, "password", "wrong"), "<password_file>", ErrorKind::PERMISSION),
        (replaced(&endpoint, "bucket", "missing"), "create the bucket", ErrorKind::CONFIGURATION),
        (replaced(&endpoint, "endpoint", "http://127.0.0.1:1"), "network", ErrorKind::TRANSIENT),
    ];
    for (section, hint, kind) in cases {
        let Ok(config) = decode(section.set("retries", 1).node()) else {
            assert_eq!(kind, ErrorKind::CONFIGURATION);
            continue;
        };
        let storage = S3::new(config).unwrap();
        let before = server.requests();
        let errors = [
            storage.stat("k").unwrap_err(),
            get(&storage, "k").unwrap_err(),
            put(&storage, "k", b"x", OVER).unwrap_err(),
            put(&storage, "k", b"x", NEW).unwrap_err(),
            storage.list("", "", 10).unwrap_err(),
            storage.delete("k").unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.remedy().unwrap_or_default().contains(hint), "{error:?}");
            assert!(!format!("{error:?}").contains("a/secret"), "{error:?}");
        }
        assert!(server.requests() - before <= 10, "{} requests", server.requests() - before);
    }
}

/// The section with another value.
fn replaced(endpoint: &str, element: &str, value: &str) -> Section {
    let good = section(endpoint);
    let children = good.node().children.iter();
    children.fold(Section::new("storage"), |it, child| {
        let text = if child.name == element { value } else { child.text.as_str() };
        it.set(&child.name, text)
    })
}

#[test]
fn transfers_keep_to_their_rate() {
    let server = S3Server::start();
    let storage = open(&section(&server.endpoint()).set("rate_limit", "4 MB"));
    let begin = std::time::Instant::now();
    for key in ["a", "b", "c"] {
        put(&storage, key, &noise(MIB), OVER).unwrap();
    }
    // The first megabyte is not waited for.
    assert!(begin.elapsed() >= Duration::from_millis(450), "{:?}", begin.elapsed());
}

#[test]
fn keys_that_have_expired_are_read_again_and_not_for_ever() {
    let server = S3Server::start();
    let proxy = Proxy::start(server.address());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    let write = |key: &str| {
        std::fs::write(&file, key).unwrap();
        let owner = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&file, owner).unwrap();
    };
    write("old");
    let section = Section::new("storage")
        .set("bucket", hayloft_test_servers::BUCKET)
        .set("endpoint", proxy.endpoint())
        .set("access_key_id", hayloft_test_servers::ACCESS_KEY)
        .set("password_file", file.display());
    let storage = open(&section);
    proxy.plan(|_| Fault::Status(400, "ExpiredToken"));
    // There are no others.
    for _ in 0..2 {
        let before = proxy.count();
        let error = put(&storage, "object", b"hay", OVER).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PERMISSION, "{error}");
        assert!(error.remedy().unwrap().contains("renew them"), "{error:?}");
        assert_eq!(proxy.count() - before, 1);
    }
    let first = proxy.count();
    proxy.plan(
        move |call| {
            if call.number == first { Fault::Status(400, "ExpiredToken") } else { Fault::None }
        },
    );
    write(hayloft_test_servers::SECRET_KEY);
    put(&storage, "object", b"hay", NEW).unwrap();
    assert_eq!(get(&storage, "object").unwrap(), b"hay");
}

/// A request for one object is answered as a whole, and so is one that fails
/// as a whole.
#[test]
fn objects_that_are_removed_together_are_asked_for_again() {
    for fault in [Fault::LoseAnswer, Fault::Drop, Fault::Status(503, "SlowDown")] {
        for keys in [&["a"] as &[&str], &["a", "b", "c"]] {
            let server = S3Server::start();
            let proxy = Proxy::start(server.address());
            let storage = open(&section(&proxy.endpoint()).set("retries", 2));
            for key in keys {
                put(&storage, key, b"hay", OVER).unwrap();
            }
            // What the bucket protects is asked for first, once.
            storage.capabilities().unwrap();
            let next = proxy.count();
            proxy.plan(move |call| if call.number == next { fault } else { Fault::None });
            let left = storage.delete_many(keys).unwrap();
            assert!(left.is_empty(), "{fault:?} {keys:?}: {:?}", left[0].error);
            assert_eq!(proxy.faults(), 1, "{fault:?} {keys:?}");
            assert!(server.objects().is_empty(), "{fault:?} {keys:?}");
        }
    }
}
