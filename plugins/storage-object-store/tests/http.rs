//! A WebDAV server, as others wrote one.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "objects/moving.rs"]
mod moving;

use std::{
    fs,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use hayloft_plugin_api::{
    ErrorKind, Guarantee, Storage, Sweep,
    conformance::{self, Section},
};
use hayloft_storage_object_store::Http;
use hayloft_test_servers::{Call, DAV_PASSWORD, DAV_USER, Fault, Proxy, WebDavServer};

use crate::moving::{MIB, NEW, OVER, get, noise, put};

/// `WsgiDAV` takes a `?` in the destination of a MOVE for the beginning of a query
/// though it is encoded, and removes what is to be replaced before it renames.
const ITS_OWN: [&str; 2] = ["keys of all kinds", "an object is replaced whole"];

fn section(url: &str) -> Section {
    Section::new("storage")
        .set("url", url)
        .set("user", DAV_USER)
        .set("password", DAV_PASSWORD)
        .set("part_size", "5 MB")
}

fn open(section: &Section) -> Http {
    moving::open(section)
}

#[test]
fn the_plugin_keeps_to_the_contract_with_wsgidav() {
    let server = WebDavServer::start();
    let suite = conformance::suite!()
        .only("storage", "http")
        .set("url", server.url())
        .nowhere("url", format!("{}/of/nobody", server.url()))
        .set("user", DAV_USER)
        .set("password", DAV_PASSWORD)
        .set("part_size", "5 MB")
        .set("prefix", "of/this run");
    let report = suite.run();
    let ours = |it: &&conformance::Check| !ITS_OWN.iter().any(|name| it.name.contains(name));
    let failures: Vec<_> = report.failures().filter(ours).collect();
    assert!(failures.is_empty(), "{failures:?}");
    assert!(server.files().is_empty(), "{:?}", server.files().keys());
}

#[test]
fn a_file_appears_whole_and_is_created_once() {
    let server = WebDavServer::start();
    let storage = open(&section(&server.url()));
    let can = storage.capabilities().unwrap();
    assert_eq!((can.create, can.replace), (Guarantee::Checked, Guarantee::Missing));
    for length in [0, 1000, 12 * MIB] {
        let key = format!("a b/object & {length}");
        let mut stream = storage.put(&key, NEW).unwrap();
        stream.write(&noise(length)).unwrap();
        assert!(!server.directory().join(&key).exists());
        assert_eq!(stream.commit().unwrap().size, length as u64);
        assert!(server.files()[&key] == noise(length));
        assert!(get(&storage, &key).unwrap() == noise(length));
        for other in [10, 6 * MIB] {
            let error = put(&storage, &key, &noise(other), NEW).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ALREADY_EXISTS, "{error}");
        }
        put(&storage, &key, b"other", OVER).unwrap();
        assert_eq!(get(&storage, &key).unwrap(), b"other");
    }
    assert_eq!(server.files().len(), 3, "{:?}", server.files().keys());
}

#[test]
fn a_directory_is_never_replaced_and_never_removed() {
    let server = WebDavServer::start();
    let storage = open(&section(&server.url()));
    put(&storage, "a/b", b"kept", OVER).unwrap();
    for length in [10, 6 * MIB] {
        for options in [NEW, OVER] {
            put(&storage, "a", &noise(length), options).unwrap_err();
        }
    }
    storage.delete("a").unwrap();
    assert_eq!(storage.stat("a").unwrap(), None);
    assert_eq!(get(&storage, "a").unwrap_err().kind(), ErrorKind::NOT_FOUND);
    assert_eq!(get(&storage, "a/b").unwrap(), b"kept");
    assert_eq!(server.files().keys().collect::<Vec<_>>(), ["a/b"]);
}

#[test]
fn lists_are_in_the_order_of_keys_and_read_each_directory_once() {
    let server = WebDavServer::start();
    let root = server.directory();
    let mut keys: Vec<String> =
        (0..40).map(|it| format!("p/{}{}{it} ü&<", it % 5, ["/", ".", "-"][it % 3])).collect();
    for key in &keys {
        let file = root.join(key);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "x").unwrap();
    }
    fs::write(root.join("other"), "x").unwrap();
    keys.sort();
    let proxy = Proxy::start(server.address());
    let url = format!("{}/backups", proxy.endpoint());
    let storage = open(&section(&url).set("prefix", "p"));
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = storage.list("", &after, 7).unwrap();
        let ended = page.len() < 7;
        found.extend(page.into_iter().map(|it| format!("p/{}", it.key)));
        if ended {
            break;
        }
        after = found.last().unwrap()[2..].to_owned();
    }
    assert_eq!(found, keys);
    assert!(proxy.count() <= 6, "{} requests", proxy.count());
    let rest = storage.list("3", &keys[31][2..], 100).unwrap();
    let expected = keys[32..].iter().filter(|it| it.starts_with("p/3"));
    assert!(rest.into_iter().map(|it| format!("p/{}", it.key)).eq(expected.cloned()));
}

#[test]
fn what_a_run_that_crashed_has_left_goes() {
    let server = WebDavServer::start();
    let storage = open(&section(&server.url()));
    let incoming = server.directory().join(".hayloft-store/incoming");
    fs::create_dir_all(&incoming).unwrap();
    fs::write(incoming.join("old"), "half").unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    let found = storage.sweep(&Sweep::default()).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(server.files().is_empty());
}

const FAULTS: [Fault; 4] =
    [Fault::Status(503, ""), Fault::LoseAnswer, Fault::FlipRequest, Fault::CutAnswer];

/// A bit of a question is somebody else's business; a large file goes in one
/// request, which cannot be tried again in the middle.
fn fits(fault: Fault, call: &Call) -> bool {
    let file = call.path.contains("/object") || call.path.contains("/incoming/");
    match fault {
        Fault::FlipRequest => call.method == "PUT" && call.length > 0,
        Fault::CutAnswer => call.method == "GET" && file,
        _ => call.method != "PUT" || call.length < MIB as u64,
    }
}

#[test]
fn whatever_happens_to_many_a_request_nothing_is_lost() {
    let server = WebDavServer::start();
    for fault in FAULTS {
        let proxy = Proxy::start(server.address());
        let url = format!("{}/backups", proxy.endpoint());
        let storage = open(&section(&url).set("retries", 8));
        put(&storage, "object-0", b"hay", OVER).unwrap();
        let seen = AtomicU64::new(0);
        proxy.plan(move |call| {
            if !fits(fault, call) {
                return Fault::None;
            }
            let seen = seen.fetch_add(1, Ordering::SeqCst);
            let hit = match fault {
                // There are few; each is tried again alone.
                Fault::FlipRequest | Fault::CutAnswer => seen.is_multiple_of(2),
                // One in eight, without a rhythm that a try could fall into.
                _ => seen.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 61 == 0,
            };
            if hit { fault } else { Fault::None }
        });
        for (options, length) in [(OVER, 0), (NEW, 1000), (OVER, 1000), (OVER, 12 * MIB)] {
            let key = format!("object-{}-{length}", options.create_only);
            let content = noise(length);
            match put(&storage, &key, &content, options) {
                Ok(_) => assert!(server.files()[&key] == content, "{fault:?} {key}"),
                Err(error) => {
                    // It is noticed, and nothing is there.
                    assert!(
                        length > MIB && fault == Fault::FlipRequest,
                        "{fault:?} {key}: {error}"
                    );
                    assert_eq!(error.kind(), ErrorKind::TRANSIENT, "{error}");
                    assert!(!server.files().contains_key(&key));
                    proxy.plan(|_| Fault::None);
                    put(&storage, &key, &content, options).unwrap();
                }
            }
            let read = get(&storage, &key);
            let read = read.unwrap_or_else(|error| panic!("{fault:?}: get {key}: {error}"));
            assert!(read == content, "{fault:?} {key}");
            fs::remove_file(server.directory().join(&key)).unwrap();
        }
        assert!(proxy.faults() > 0, "{fault:?} never came");
        assert!(proxy.count() < 300, "{fault:?}: {} requests", proxy.count());
    }
}

#[test]
fn a_large_file_that_breaks_in_the_middle_may_be_tried_again() {
    let server = WebDavServer::start();
    let proxy = Proxy::start(server.address());
    let storage = open(&section(&format!("{}/backups", proxy.endpoint())));
    for fault in [Fault::Drop, Fault::Status(503, "")] {
        proxy.plan(move |call| {
            if call.method == "PUT" && call.length > MIB as u64 { fault } else { Fault::None }
        });
        let error = put(&storage, "object", &noise(12 * MIB), OVER).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TRANSIENT, "{error}");
        assert!(server.files().is_empty(), "{:?}", server.files().keys());
    }
    proxy.plan(|_| Fault::None);
    put(&storage, "object", &noise(12 * MIB), OVER).unwrap();
}

#[test]
fn what_is_wrong_is_told_at_once_with_what_to_do() {
    let server = WebDavServer::start();
    let base = |url: &str, password: &str| {
        let section = Section::new("storage").set("url", url).set("user", DAV_USER);
        section.set("password", password).set("retries", 1)
    };
    let nobody = Section::new("storage").set("url", server.url());
    let cases = [
        (base(&server.url(), "wrong word"), "<password_file>", ErrorKind::PERMISSION),
        (nobody, "<user>", ErrorKind::PERMISSION),
        (base("http://127.0.0.1:1/x", DAV_PASSWORD), "network", ErrorKind::TRANSIENT),
    ];
    for (section, hint, kind) in cases {
        let storage = open(&section);
        let errors = [
            storage.stat("k").unwrap_err(),
            get(&storage, "k").unwrap_err(),
            put(&storage, "k", b"x", OVER).unwrap_err(),
            put(&storage, "k", &noise(6 * MIB), NEW).unwrap_err(),
            storage.list("", "", 10).unwrap_err(),
            storage.delete("k").unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), kind, "{hint}: {error}");
            assert!(error.remedy().unwrap_or_default().contains(hint), "{hint}: {error:?}");
            assert!(!format!("{error:?}").contains("wrong word"), "{error:?}");
        }
    }
}

/// Whether a file or its directory is missing, the server says the same.
#[test]
fn a_directory_that_is_missing_is_no_file_that_is_missing() {
    let server = WebDavServer::start();
    let url = format!("http://{}/none/deep", server.address());
    let section = Section::new("storage").set("url", url).set("user", DAV_USER);
    let storage = open(&section.set("password", DAV_PASSWORD).set("retries", 1));
    let errors = [
        get(&storage, "k").unwrap_err(),
        storage.stat("k").unwrap_err(),
        storage.delete("k").unwrap_err(),
        put(&storage, "k", b"x", OVER).unwrap_err(),
        put(&storage, "k", &noise(6 * MIB), NEW).unwrap_err(),
        storage.list("", "", 10).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::CONFIGURATION, "{error}");
        assert!(error.remedy().unwrap_or_default().contains("create the directory"), "{error:?}");
    }
}
