//! Azure Blob Storage, as Microsoft's own server for tests has it.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "objects/moving.rs"]
mod moving;

use std::time::Duration;

use hayloft_plugin_api::{
    ErrorKind, Guarantee, Storage, Sweep,
    conformance::{self, Section},
};
use hayloft_storage_object_store::Azure;
use hayloft_test_servers::{AZURE_ACCOUNT, AZURE_KEY, Azurite, CONTAINER, Call, Fault, Proxy};
use http::Method;

use crate::moving::{MIB, NEW, OVER, get, noise, put};

fn open(section: &Section) -> Azure {
    moving::open(section)
}

fn section(endpoint: &str) -> Section {
    Section::new("storage")
        .set("account", AZURE_ACCOUNT)
        .set("container", CONTAINER)
        .set("endpoint", endpoint)
        .set("part_size", "5 MB")
}

fn with_key(endpoint: &str) -> Section {
    section(endpoint).set("password", AZURE_KEY)
}

#[test]
fn the_plugin_keeps_to_the_contract_with_azurite() {
    let azurite = Azurite::start();
    let suite = conformance::suite!()
        .only("storage", "azure")
        .set("account", AZURE_ACCOUNT)
        .set("container", CONTAINER)
        .nowhere("container", "nobodys")
        .set("endpoint", azurite.endpoint())
        .set("password", AZURE_KEY)
        .set("part_size", "5 MB")
        .set("prefix", "of/this run");
    suite.run().assert_passed();
    let left = azurite.node(&format!(
        "const answer = await ask('GET', '{CONTAINER}', 'restype=container&comp=list');
         console.log((await answer.text()).split('<Name>').length - 1)"
    ));
    assert_eq!(left, "0");
}

#[test]
fn conditions_count_and_what_is_configured_is_kept() {
    let azurite = Azurite::start();
    let section = with_key(&azurite.endpoint())
        .set("access_tier", "Cool")
        .set("tags.tag.name", "made by")
        .set("tags.tag.value", "hay");
    let storage = open(&section);
    let can = storage.capabilities().unwrap();
    assert_eq!((can.create, can.replace), (Guarantee::Atomic, Guarantee::Atomic));
    for length in [0, 1000, 12 * MIB] {
        let key = format!("object & {length}");
        let content = noise(length);
        assert_eq!(put(&storage, &key, &content, NEW).unwrap(), length as u64);
        assert!(get(&storage, &key).unwrap() == content);
        for other in [10, 6 * MIB] {
            let error = put(&storage, &key, &noise(other), NEW).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ALREADY_EXISTS, "{error}");
        }
        let etag = storage.stat(&key).unwrap().unwrap().etag;
        let replace = |length| {
            let mut stream = storage.replace(&key, &etag, OVER)?;
            stream.write(&noise(length))?;
            stream.commit()
        };
        assert_ne!(replace(6 * MIB).unwrap().etag, etag);
        assert_eq!(replace(7).unwrap_err().kind(), ErrorKind::CHANGED);
        assert!(get(&storage, &key).unwrap() == noise(6 * MIB));
        let said = azurite.node(&format!(
            "const answer = await ask('HEAD', '{CONTAINER}/' + encodeURIComponent('{key}'));
             console.log(answer.headers.get('x-ms-access-tier'), \
             answer.headers.get('x-ms-tag-count'))"
        ));
        assert!(said.starts_with("Cool"), "{said}");
    }
}

#[test]
fn of_two_who_send_the_same_object_in_parts_both_are_told_what_came_of_it() {
    let azurite = Azurite::start();
    // One part at a time: when the second is on its way, the first is there.
    let storage = open(&with_key(&azurite.endpoint()).set("concurrency", 1));
    for (options, kind) in [(NEW, ErrorKind::ALREADY_EXISTS), (OVER, ErrorKind::TRANSIENT)] {
        let key = format!("object-{}", options.create_only);
        let mut first = storage.put(&key, options).unwrap();
        let mut second = storage.put(&key, options).unwrap();
        first.write(&vec![1; 11 * MIB]).unwrap();
        second.write(&vec![2; 11 * MIB]).unwrap();
        second.commit().unwrap();
        // Its blocks went when those of the other became the object.
        let error = first.commit().unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(get(&storage, &key).unwrap() == vec![2; 11 * MIB]);
    }
}

#[test]
fn lists_are_complete_and_cost_a_request_a_page() {
    let azurite = Azurite::start();
    let proxy = Proxy::start(azurite.address());
    let storage = open(&with_key(&Azurite::endpoint_at(proxy.address())).set("prefix", "p"));
    let mut keys: Vec<String> = (0..60).map(|it| format!("a b/{}/{it} ü&<", it % 7)).collect();
    for key in &keys {
        put(&storage, key, b"x", OVER).unwrap();
    }
    keys.sort();
    let before = proxy.count();
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = storage.list("", &after, 7).unwrap();
        let ended = page.len() < 7;
        found.extend(page.into_iter().map(|it| it.key));
        after = found.last().unwrap().clone();
        if ended {
            break;
        }
    }
    assert_eq!(found, keys);
    assert!(proxy.count() - before <= 10, "{}", proxy.count() - before);
    // Somebody who comes later begins in the middle.
    let storage = open(&with_key(&azurite.endpoint()).set("prefix", "p"));
    let rest = storage.list("a b/", &keys[31], 100).unwrap();
    assert!(rest.into_iter().map(|it| it.key).eq(keys[32..].iter().cloned()));
    let all: Vec<&str> = keys.iter().map(String::as_str).collect();
    assert!(storage.delete_many(&all).unwrap().is_empty());
    assert!(storage.list("", "", 10).unwrap().is_empty());
    assert!(storage.sweep(&Sweep::default()).unwrap().is_empty());
}

const FAULTS: [Fault; 8] = [
    Fault::Delay(Duration::from_millis(20)),
    Fault::Status(500, "InternalError"),
    Fault::Status(503, "ServerBusy"),
    Fault::Status(429, ""),
    Fault::Drop,
    Fault::LoseAnswer,
    Fault::FlipRequest,
    Fault::CutAnswer,
];

/// A bit of a name in a query, or of a list, is somebody else's business.
fn fits(fault: Fault, call: &Call) -> bool {
    match fault {
        Fault::FlipRequest => call.method == Method::PUT && call.length > 0,
        Fault::CutAnswer => call.method == Method::GET && call.path.contains("/object"),
        _ => true,
    }
}

#[test]
fn whatever_happens_to_every_third_request_nothing_is_lost() {
    let azurite = Azurite::start();
    for fault in FAULTS {
        let proxy = Proxy::start(azurite.address());
        let direct = open(&with_key(&azurite.endpoint()));
        let section = with_key(&Azurite::endpoint_at(proxy.address())).set("retries", 8);
        let storage = open(&section);
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
            assert!(get(&direct, &key).unwrap() == content, "{fault:?} {key}");
            let read = get(&storage, &key);
            let read = read.unwrap_or_else(|error| panic!("{fault:?}: get {key}: {error}"));
            assert!(read == content, "{fault:?} {key}");
            direct.delete(&key).unwrap();
        }
        assert!(proxy.faults() > 0, "{fault:?} never came");
        assert!(proxy.count() < 160, "{fault:?}: {} requests", proxy.count());
    }
}

#[test]
fn what_is_damaged_on_its_way_to_us_is_asked_for_again() {
    let azurite = Azurite::start();
    let proxy = Proxy::start(azurite.address());
    let storage = open(&with_key(&Azurite::endpoint_at(proxy.address())).set("retries", 8));
    for length in [1000, 12 * MIB] {
        put(&storage, &format!("object-{length}"), &noise(length), OVER).unwrap();
    }
    proxy.plan(|call| {
        let hit = call.number % 2 == 0 && call.method == Method::GET;
        if hit { Fault::FlipAnswer } else { Fault::None }
    });
    assert!(get(&storage, "object-1000").unwrap() == noise(1000));
    assert!(get(&storage, &format!("object-{}", 12 * MIB)).unwrap() == noise(12 * MIB));
}

#[test]
fn a_signature_does_as_well_as_a_key_and_says_so_when_it_may_not() {
    let azurite = Azurite::start();
    let sas = |permissions: &str| {
        let signature = azurite.node(&format!("console.log('?' + signature('{permissions}'))"));
        let endpoint = azurite.endpoint();
        open(&section(&endpoint).set("authentication", "sas").set("password", signature))
    };
    let all = sas("racwdl");
    for length in [10, 6 * MIB] {
        put(&all, "object", &noise(length), OVER).unwrap();
        assert!(get(&all, "object").unwrap() == noise(length));
    }
    assert_eq!(all.list("", "", 10).unwrap().len(), 1);
    let reads = sas("rl");
    assert_eq!(get(&reads, "object").unwrap().len(), 6 * MIB);
    let error = put(&reads, "other", b"x", OVER).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PERMISSION, "{error}");
    assert!(error.remedy().unwrap().contains("sp=racwdl"), "{error:?}");
    assert!(!format!("{error:?}").contains("sig="), "{error:?}");
    all.delete("object").unwrap();
}

#[test]
fn what_is_wrong_is_told_at_once_with_what_to_do() {
    let azurite = Azurite::start();
    let endpoint = azurite.endpoint();
    let base = |account: &str, container: &str, endpoint: &str, key: &str| {
        Section::new("storage")
            .set("account", account)
            .set("container", container)
            .set("endpoint", endpoint)
            .set("password", key)
            .set("retries", 1)
    };
    let other = "b3RoZXI=";
    let cases = [
        (base(AZURE_ACCOUNT, CONTAINER, &endpoint, other), "<account>", ErrorKind::PERMISSION),
        (base("nobody", CONTAINER, &endpoint, other), "<account>", ErrorKind::PERMISSION),
        (
            base(AZURE_ACCOUNT, "missing", &endpoint, AZURE_KEY),
            "create the container",
            ErrorKind::CONFIGURATION,
        ),
        (
            base(AZURE_ACCOUNT, CONTAINER, "http://127.0.0.1:1/x", AZURE_KEY),
            "network",
            ErrorKind::TRANSIENT,
        ),
        (
            base(AZURE_ACCOUNT, CONTAINER, &endpoint, "no base64!"),
            "<authentication>",
            ErrorKind::CONFIGURATION,
        ),
    ];
    for (section, hint, kind) in cases {
        let storage = open(&section);
        let errors = [
            storage.stat("k").unwrap_err(),
            get(&storage, "k").unwrap_err(),
            put(&storage, "k", b"x", OVER).unwrap_err(),
            put(&storage, "k", b"x", NEW).unwrap_err(),
            put(&storage, "k", &noise(6 * MIB), OVER).unwrap_err(),
            storage.list("", "", 10).unwrap_err(),
            storage.delete("k").unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), kind, "{hint}: {error}");
            assert!(error.remedy().unwrap_or_default().contains(hint), "{hint}: {error:?}");
            assert!(!format!("{error:?}").contains(AZURE_KEY), "{error:?}");
        }
    }
}

#[test]
fn a_key_that_azure_would_change_is_refused() {
    let azurite = Azurite::start();
    let storage = open(&with_key(&azurite.endpoint()));
    put(&storage, "a/b", b"other", OVER).unwrap();
    let error = put(&storage, "a\\b", b"x", OVER).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UNSUPPORTED, "{error}");
    assert_eq!(storage.stat("a\\b").unwrap(), None);
    assert_eq!(get(&storage, "a\\b").unwrap_err().kind(), ErrorKind::NOT_FOUND);
    storage.delete("a\\b").unwrap();
    assert_eq!(get(&storage, "a/b").unwrap(), b"other");
}
