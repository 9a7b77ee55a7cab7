//! Leases between processes, as between machines that share a storage: some
//! are frozen and thawed, some are killed, and of all one acts at a time.
#![expect(clippy::unwrap_used, clippy::panic, reason = "test code fails by panicking")]

#[path = "leases/contender.rs"]
mod contender;
#[path = "leases/party.rs"]
mod party;

use std::{
    collections::BTreeMap,
    fs, thread,
    time::{Duration, Instant},
};

use hayloft_test_servers::{
    ACCESS_KEY, Azurite, BUCKET, Behaviour, Moto, Proxy, S3Server, SECRET_KEY,
};
use hayloft_tests::Sandbox;

use self::{
    contender::{Place, contend},
    party::Party,
};

/// As long as no machine is busy.
const AGES: Duration = Duration::from_hours(1);

/// Is a contender as a part of one of the tests below, and does nothing
/// otherwise.
#[test]
fn a_contender() {
    if let Some(place) = Place::given() {
        contend(&place);
    }
}

const KEYS: (&str, &str) = (ACCESS_KEY, SECRET_KEY);

/// Runs a test with objects in a directory, in buckets of two servers and in a
/// container.
fn in_every_storage(test: impl Fn(&Sandbox, &Place)) {
    let sandbox = Sandbox::new();
    let objects = sandbox.dir("objects");
    test(&sandbox, &Place::local(&sandbox, &objects));

    let server = S3Server::start();
    let sandbox = Sandbox::new();
    test(&sandbox, &Place::s3(&sandbox, &server.endpoint(), KEYS));

    // moto looks at an etag and replaces then; of two at once both may.
    let moto = Moto::start();
    moto.python(&format!("s3.create_bucket(Bucket='{BUCKET}')"));
    let proxy = Proxy::one_at_a_time(moto.address());
    let sandbox = Sandbox::new();
    let place = Place::s3(&sandbox, &proxy.endpoint(), KEYS).with("checksum", "sha256");
    test(&sandbox, &place);

    let azurite = Azurite::start();
    let sandbox = Sandbox::new();
    test(&sandbox, &Place::azure(&sandbox, &azurite.endpoint()));
}

/// Of six that ask at once, each is told that there is no lease to be had.
fn nobody_gets_one(place: &Place) {
    let parties: Vec<_> = (0..6).map(|i| Party::join(place, &format!("asks {i}"), AGES)).collect();
    for party in &parties {
        party.tell("get");
    }
    for party in &parties {
        let answer = party.hear();
        assert!(answer.starts_with("failed: the storage cannot hold the lease"), "{answer}");
        assert_eq!(party.ask("check"), "failed: there is no lease");
    }
}

#[test]
fn a_store_that_overwrites_all_the_same_is_never_trusted() {
    let sandbox = Sandbox::new();
    for (put, complete) in [(false, false), (false, true)] {
        let behaviour = Behaviour {
            conditional_put: put,
            conditional_complete: complete,
            ..Behaviour::default()
        };
        let server = S3Server::with(behaviour);
        let place = Place::s3(&sandbox, &server.endpoint(), KEYS);
        nobody_gets_one(&place);
        // Neither if the configuration says that it can.
        nobody_gets_one(&place.with("conditional_put", "Y"));
    }
}

#[cfg(feature = "garage")]
#[test]
fn garage_is_never_trusted() {
    use hayloft_test_servers::{GARAGE_KEY, GARAGE_SECRET, Garage};

    let garage = Garage::start();
    let sandbox = Sandbox::new();
    let place = Place::s3(&sandbox, &garage.endpoint(0), (GARAGE_KEY, GARAGE_SECRET));
    nobody_gets_one(&place);
    nobody_gets_one(&place.with("conditional_put", "Y"));
}

#[test]
fn who_is_frozen_finds_out_that_somebody_else_came() {
    in_every_storage(|_, place| {
        let first = Party::join(place, "first", Duration::from_secs(3));
        let term = first.get();
        assert_eq!(first.ask("step"), "stepped");
        first.freeze();
        let second = Party::join(place, "second", AGES);
        let later = second.get();
        assert!(later > term, "{later} comes after {term}");
        assert_eq!(second.ask("step"), "stepped");
        first.thaw();
        for question in ["check", "step", "check"] {
            assert_eq!(first.ask(question), "lost", "{question}");
        }
        assert_eq!(first.ask("release"), "lost");
        assert_eq!(second.ask("check"), "ok");
        assert_eq!(second.ask("step"), "stepped");
        // What it lost it may ask for again, as everybody else.
        assert_eq!(second.ask("release"), "released");
        assert!(first.get() > later);
    });
}

#[test]
fn who_is_frozen_while_nobody_comes_goes_on() {
    in_every_storage(|_, place| {
        let ttl = Duration::from_secs(2);
        let only = Party::join(place, "only", ttl);
        only.get();
        only.freeze();
        // There is nothing to wait for but the time itself.
        thread::sleep(ttl * 2);
        only.thaw();
        assert_eq!(only.ask("check"), "ok");
        assert_eq!(only.ask("step"), "stepped");
    });
}

#[test]
fn who_is_killed_is_followed() {
    in_every_storage(|_, place| {
        let first = Party::join(place, "first", Duration::from_secs(2));
        let term = first.get();
        let waiting: Vec<_> =
            (0..3).map(|i| Party::join(place, &format!("waits {i}"), AGES)).collect();
        for party in &waiting {
            party.tell("get");
        }
        first.kill();
        // One of them, and the others only when it has released.
        let mut terms = Vec::new();
        let mut left: Vec<_> = waiting.iter().collect();
        while !left.is_empty() {
            let (index, term) = party::first_to_get(&left);
            terms.push(term);
            let holder = left.remove(index);
            assert!(left.iter().all(|it| it.is_silent()), "two have it");
            assert_eq!(holder.ask("release"), "released");
        }
        assert!(term < terms[0] && terms.is_sorted(), "{term}, {terms:?}");
    });
}

#[test]
fn of_many_processes_one_works_at_a_time() {
    in_every_storage(|sandbox, place| {
        let parties: Vec<_> =
            (0..6).map(|i| Party::join(place, &format!("worker {i}"), AGES)).collect();
        for party in &parties {
            party.tell("alone 4");
        }
        for party in &parties {
            assert_eq!(party.hear(), "alone 4");
        }
        assert!(!sandbox.path("at-work").exists());
    });
}

/// Those that are frozen at any moment, also between a check and its step,
/// are kept from acting by the step itself: each replaces an object that the
/// next holder has replaced first.
#[test]
fn whatever_happens_no_step_is_taken_after_those_of_the_next_holder() {
    const ENOUGH: usize = 60;
    in_every_storage(|sandbox, place| {
        let ttl = Duration::from_millis(1200);
        let join = |i: usize| {
            let party = Party::join(place, &format!("worker {i}"), ttl);
            party.tell("work");
            party
        };
        let mut parties: Vec<_> = (0..6).map(join).collect();
        let (begun, mut lot) = (Instant::now(), 1_u64);
        while steps(sandbox).len() < ENOUGH || begun.elapsed() < ttl * 5 {
            assert!(begun.elapsed() < Duration::from_mins(10), "{}", steps(sandbox).len());
            lot =
                lot.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let who = usize::try_from(lot >> 33).unwrap() % parties.len();
            match (lot >> 60) % 4 {
                0 => {
                    parties[who].kill();
                    parties[who] = join(parties.len() + who);
                }
                1 | 2 => {
                    parties[who].freeze();
                    // Now and then for longer than the lease lasts.
                    thread::sleep(Duration::from_millis((lot >> 40) % 2500));
                    parties[who].thaw();
                }
                _ => thread::sleep(Duration::from_millis(200)),
            }
        }
        drop(parties);
        let steps = steps(sandbox);
        let terms: Vec<u64> = steps.values().copied().collect();
        assert!(terms.is_sorted(), "a step was taken too late: {steps:?}");
        let mut holders = terms;
        holders.dedup();
        assert!(holders.len() > 3, "hardly anybody had the lease: {holders:?}");
    });
}

/// All steps that were taken, by their number, each with its holder's term.
fn steps(sandbox: &Sandbox) -> BTreeMap<u64, u64> {
    let mut steps = BTreeMap::new();
    let log = fs::read_to_string(sandbox.path("steps")).unwrap_or_default();
    for line in log.lines() {
        let mut numbers = line.split(' ').map(|it| it.parse::<u64>().unwrap());
        let (number, term) = (numbers.next().unwrap(), numbers.next().unwrap());
        assert_eq!(steps.insert(number, term), None, "two took step {number}");
    }
    steps
}
