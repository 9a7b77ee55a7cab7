//! Google Cloud Storage, as our own stand-in has it.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "objects/moving.rs"]
mod moving;

use std::{fs, process::Command, time::Duration};

use hayloft_plugin_api::{
    ErrorKind, Guarantee, Storage, Sweep,
    conformance::{self, Section},
};
use hayloft_storage_object_store::Gcs;
use hayloft_test_servers::{BUCKET, Call, Fault, GcsServer, Proxy};
use http::Method;

use crate::moving::{MIB, NEW, OVER, get, noise, put};

/// The key of a service account, made now.
fn credentials(directory: &std::path::Path) -> String {
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let key = String::from_utf8(made.stdout).unwrap().replace('\n', "\\n");
    let file = directory.join("credentials.json");
    let text = format!(
        "{{\"type\": \"service_account\", \"private_key_id\": \"k\", \
         \"client_email\": \"backup@example.com\", \"private_key\": \"{key}\"}}"
    );
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

fn section(endpoint: &str, file: &str) -> Section {
    Section::new("storage")
        .set("bucket", BUCKET)
        .set("endpoint", endpoint)
        .set("credentials_file", file)
        .set("part_size", "5 MB")
}

fn open(section: &Section) -> Gcs {
    moving::open(section)
}

#[test]
fn the_plugin_keeps_to_the_contract_with_and_without_conditions() {
    let directory = tempfile::tempdir().unwrap();
    let file = credentials(directory.path());
    for conditions in [true, false] {
        let server = GcsServer::with_conditions(conditions);
        let suite = conformance::suite!()
            .only("storage", "gcs")
            .set("bucket", BUCKET)
            .nowhere("bucket", "nobodys")
            .set("endpoint", server.endpoint())
            .set("credentials_file", &file)
            .set("part_size", "5 MB")
            .set("prefix", "of/this run");
        suite.run().assert_passed();
        assert!(server.objects().is_empty(), "{:?}", server.objects().keys());
        assert!(server.uploads().is_empty());
    }
}

#[test]
fn generations_are_what_conditions_are_about() {
    let directory = tempfile::tempdir().unwrap();
    let file = credentials(directory.path());
    let server = GcsServer::start();
    let storage = open(&section(&server.endpoint(), &file));
    let can = storage.capabilities().unwrap();
    assert_eq!((can.create, can.replace), (Guarantee::Atomic, Guarantee::Atomic));
    for length in [0, 1000, 12 * MIB] {
        let key = format!("object {length}");
        put(&storage, &key, &noise(length), NEW).unwrap();
        assert!(get(&storage, &key).unwrap() == noise(length));
        for other in [10, 6 * MIB] {
            let error = put(&storage, &key, &noise(other), NEW).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ALREADY_EXISTS, "{error}");
        }
        let etag = storage.stat(&key).unwrap().unwrap().etag;
        assert_eq!(storage.list(&key, "", 1).unwrap()[0].etag, etag);
        let replace = |length| {
            let mut stream = storage.replace(&key, &etag, OVER)?;
            stream.write(&noise(length))?;
            stream.commit()
        };
        assert_ne!(replace(6 * MIB).unwrap().etag, etag);
        assert_eq!(replace(7).unwrap_err().kind(), ErrorKind::CHANGED);
    }
    assert!(server.uploads().is_empty());
}

const FAULTS: [Fault; 7] = [
    Fault::Delay(Duration::from_millis(20)),
    Fault::Status(503, "SlowDown"),
    Fault::Status(429, ""),
    Fault::Drop,
    Fault::LoseAnswer,
    Fault::FlipRequest,
    Fault::CutAnswer,
];

fn fits(fault: Fault, call: &Call) -> bool {
    match fault {
        Fault::FlipRequest => call.method == Method::PUT && call.length > 0,
        Fault::CutAnswer => call.method == Method::GET && call.path.contains("/object"),
        _ => true,
    }
}

#[test]
fn whatever_happens_to_every_third_request_nothing_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let file = credentials(directory.path());
    for fault in FAULTS {
        let server = GcsServer::start();
        let proxy = Proxy::start(server.address());
        let storage = open(&section(&proxy.endpoint(), &file).set("retries", 8));
        put(&storage, "object-0", b"hay", OVER).unwrap();
        proxy.plan(move |call| {
            let hit = call.number % 3 == 2 && fits(fault, call);
            if hit { fault } else { Fault::None }
        });
        for (options, length) in
            [(OVER, 0), (NEW, 1000), (OVER, 1000), (NEW, 6 * MIB), (OVER, 12 * MIB)]
        {
            let key = format!("object-{}-{length}", options.create_only);
            let content = noise(length);
            put(&storage, &key, &content, options)
                .unwrap_or_else(|error| panic!("{fault:?}: put {key}: {error}"));
            assert!(server.objects()[&key] == content, "{fault:?} {key}");
            let read = get(&storage, &key);
            let read = read.unwrap_or_else(|error| panic!("{fault:?}: get {key}: {error}"));
            assert!(read == content, "{fault:?} {key}");
        }
        if fault == Fault::LoseAnswer {
            std::thread::sleep(Duration::from_millis(1100));
            storage.sweep(&Sweep::default()).unwrap();
        }
        assert!(server.uploads().is_empty(), "{fault:?}: {:?}", server.uploads());
        assert!(proxy.faults() > 0, "{fault:?} never came");
        assert!(proxy.count() < 160, "{fault:?}: {} requests", proxy.count());
    }
}

#[test]
fn what_is_wrong_is_told_at_once_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let file = credentials(directory.path());
    let server = GcsServer::start();
    let endpoint = server.endpoint();
    let broken = directory.path().join("broken.json");
    fs::write(&broken, "{\"type\": \"service_account\", \"private_key\": \"hush\"}").unwrap();
    let broken = broken.to_str().unwrap();
    let missing = directory.path().join("none").to_str().unwrap().to_owned();
    let base = |bucket: &str, endpoint: &str, file: &str| {
        let section = Section::new("storage").set("bucket", bucket).set("endpoint", endpoint);
        section.set("credentials_file", file).set("retries", 1)
    };
    let nobody = Section::new("storage").set("bucket", BUCKET).set("endpoint", &endpoint);
    let cases = [
        (nobody.set("authentication", "none"), "<credentials_file>", ErrorKind::PERMISSION),
        (base("missing", &endpoint, &file), "create the bucket", ErrorKind::CONFIGURATION),
        (base(BUCKET, "http://127.0.0.1:1", &file), "network", ErrorKind::TRANSIENT),
        (base(BUCKET, &endpoint, broken), "<credentials_file>", ErrorKind::CONFIGURATION),
        (base(BUCKET, &endpoint, &missing), "", ErrorKind::CONFIGURATION),
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
            assert!(!format!("{error:?}").contains("hush"), "{error:?}");
        }
    }
}
