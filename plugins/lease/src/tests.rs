//! Contenders in one process, on a storage with faults. Those in processes of
//! their own, which are killed and frozen, are among the whole-program tests.

mod memory;

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use hayloft_plugin_api::{ErrorKind, Result, Storage};

use self::memory::Memory;
use crate::{Lease, Terms, acquire, holder, record::Record};

const KEY: &str = "main/lease";
const LONG: Duration = Duration::from_hours(1);

fn terms(holder: &str, ttl: Duration, patience: Duration) -> Terms {
    Terms { ttl, patience, holder: holder.to_owned(), heir: false }
}

fn get(storage: &Memory, terms: &Terms) -> Result<Lease> {
    acquire(storage.open(), KEY, terms, &|| false)
}

/// Waits until something is the case; gives up only after a time that no
/// machine takes.
fn until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_mins(2), "{what} does not come to be");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn of_many_contenders_one_works_at_a_time() {
    let storage = Memory::new();
    let (at_work, count, last_term) =
        (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for who in 0..12 {
            let (storage, at_work, count, last_term) = (&storage, &at_work, &count, &last_term);
            scope.spawn(move || {
                let terms = terms(&format!("thread {who}"), LONG, LONG);
                for _ in 0..5 {
                    let lease = get(storage, &terms).unwrap();
                    assert!(!at_work.swap(true, Ordering::SeqCst), "two at work");
                    lease.check().unwrap();
                    let before = last_term.swap(lease.term(), Ordering::SeqCst);
                    assert!(before < lease.term(), "{before} comes before {}", lease.term());
                    count.fetch_add(1, Ordering::SeqCst);
                    at_work.store(false, Ordering::SeqCst);
                    lease.release().unwrap();
                }
            });
        }
    });
    assert_eq!(count.into_inner(), 60);
}

#[test]
fn whoever_is_alive_keeps_others_out_and_is_named() {
    let storage = Memory::new();
    let lease = get(&storage, &terms("box one", Duration::from_secs(12), LONG)).unwrap();
    let error = get(&storage, &terms("box two", LONG, Duration::ZERO)).unwrap_err();
    assert_eq!(error.to_string(), "box one has the lease main/lease");
    assert_eq!(error.kind(), ErrorKind::TRANSIENT);
    lease.check().unwrap();
    let known = holder(storage.open(), KEY).unwrap().unwrap();
    assert_eq!((known.name.as_str(), known.released), ("box one", false));
    lease.release().unwrap();
    assert!(holder(storage.open(), KEY).unwrap().unwrap().released);
}

#[test]
fn what_was_released_is_had_at_once() {
    let storage = Memory::new();
    let first = get(&storage, &terms("one", LONG, Duration::ZERO)).unwrap();
    let term = first.term();
    // Dropped is released as well.
    drop(first);
    let second = get(&storage, &terms("two", LONG, Duration::ZERO)).unwrap();
    assert!(second.term() > term);
}

#[test]
fn who_does_not_renew_is_waited_for_and_followed() {
    let storage = Memory::new();
    let dead = Record::new("dead", 7, Duration::from_millis(700));
    storage.put_content(KEY, &dead.to_bytes());
    let begun = Instant::now();
    let lease = get(&storage, &terms("alive", LONG, Duration::ZERO)).unwrap();
    assert!(begun.elapsed() > Duration::from_millis(700), "{:?}", begun.elapsed());
    assert_eq!(lease.term(), 8);
}

#[test]
fn an_heir_does_not_wait_for_its_own_name_and_for_any_other() {
    let storage = Memory::new();
    let dead = Record::new("box one", 7, LONG);
    storage.put_content(KEY, &dead.to_bytes());
    let heir = Terms { heir: true, ..terms("box one", LONG, Duration::ZERO) };
    let lease = get(&storage, &heir).unwrap();
    assert_eq!(lease.term(), 8);
    lease.release().unwrap();
    let other = get(&storage, &terms("box two", Duration::from_secs(12), LONG)).unwrap();
    assert_eq!(get(&storage, &heir).unwrap_err().kind(), ErrorKind::TRANSIENT);
    other.check().unwrap();
}

#[test]
fn who_cannot_reach_the_storage_loses_the_lease_and_notices() {
    let storage = Memory::new();
    let ttl = Duration::from_millis(800);
    // Each has a network of its own; the objects are the same.
    let lease = get(&storage, &terms("cut off", ttl, Duration::ZERO)).unwrap();
    storage.0.is_down.store(true, Ordering::SeqCst);
    until("the end of the lease", || lease.check().is_err());
    let error = lease.check().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TRANSIENT);

    // While it was away somebody else has had it.
    let theirs = Record::new("the next one", lease.term() + 1, LONG);
    storage.0.is_down.store(false, Ordering::SeqCst);
    storage.put_content(KEY, &theirs.to_bytes());
    until("the loss of the lease", || lease.check().is_err_and(|e| e.kind() == ErrorKind::CHANGED));
    let error = lease.check().unwrap_err();
    assert!(error.to_string().contains("the next one has it now"), "{error}");
    assert!(lease.release().is_err());
    assert_eq!(storage.content(KEY).as_bytes(), theirs.to_bytes(), "it was given back by a loser");
}

#[test]
fn who_was_away_while_nobody_came_has_it_still() {
    let storage = Memory::new();
    let ttl = Duration::from_millis(600);
    let lease = get(&storage, &terms("back again", ttl, Duration::ZERO)).unwrap();
    storage.0.is_down.store(true, Ordering::SeqCst);
    until("the end of the lease", || lease.check().is_err());
    storage.0.is_down.store(false, Ordering::SeqCst);
    // On a slow machine the first answer may take too long.
    until("that the lease is ours again", || lease.check().is_ok());
    lease.release().unwrap();
}

#[test]
fn a_storage_that_ignores_conditions_gets_no_lease() {
    let storage = Memory::new();
    storage.0.overwrites_creating.store(true, Ordering::SeqCst);
    let error = get(&storage, &terms("one", LONG, Duration::ZERO)).unwrap_err();
    assert!(error.to_string().contains("creates all the same"), "{error}");
    assert_eq!(error.kind(), ErrorKind::UNSUPPORTED);

    let storage = Memory::new();
    storage.0.overwrites_replacing.store(true, Ordering::SeqCst);
    let error = get(&storage, &terms("one", LONG, Duration::ZERO)).unwrap_err();
    assert!(error.to_string().contains("replaces all the same"), "{error}");

    let storage = Memory::new();
    storage.0.is_modest.store(true, Ordering::SeqCst);
    let error = get(&storage, &terms("one", LONG, Duration::ZERO)).unwrap_err();
    assert!(error.to_string().contains("may both get"), "{error}");
    assert!(storage.stat(KEY).unwrap().is_none(), "it was written to");
}

#[test]
fn of_many_in_a_storage_that_ignores_conditions_nobody_works() {
    let storage = Memory::new();
    storage.0.overwrites_creating.store(true, Ordering::SeqCst);
    storage.0.overwrites_replacing.store(true, Ordering::SeqCst);
    thread::scope(|scope| {
        for who in 0..8 {
            let storage = &storage;
            scope.spawn(move || {
                let terms = terms(&format!("thread {who}"), Duration::from_millis(500), LONG);
                let error = get(storage, &terms).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::UNSUPPORTED, "{error}");
            });
        }
    });
}

#[test]
fn answers_that_are_lost_do_no_harm() {
    for loses in [1, 2, 3] {
        let storage = Memory::new();
        storage.0.loses_answers.store(loses, Ordering::SeqCst);
        let lease = get(&storage, &terms("one", LONG, Duration::ZERO)).unwrap();
        for _ in 0..10 {
            lease.renew().unwrap();
            lease.check().unwrap();
        }
        lease.release().unwrap();
        assert!(holder(storage.open(), KEY).unwrap().unwrap().released);
    }
}

#[test]
fn a_lease_that_somebody_removes_is_lost() {
    let storage = Memory::new();
    let lease = get(&storage, &terms("one", LONG, Duration::ZERO)).unwrap();
    storage.delete(KEY).unwrap();
    let error = lease.renew().unwrap_err();
    assert!(error.to_string().contains("somebody has removed it"), "{error}");
    assert!(lease.check().is_err(), "what is lost stays lost");
}

#[test]
fn a_step_that_takes_longer_than_the_lease_is_refused() {
    let storage = Memory::new();
    let lease = get(&storage, &terms("one", Duration::from_mins(10), Duration::ZERO)).unwrap();
    lease.check_for(Duration::from_mins(9)).unwrap();
    let error = lease.check_for(Duration::from_mins(10)).unwrap_err();
    assert!(error.to_string().contains("are not left"), "{error}");
    lease.check().unwrap();
}

#[test]
fn what_is_no_lease_is_left_alone() {
    let storage = Memory::new();
    storage.put_content(KEY, b"the diary of somebody");
    let error = get(&storage, &terms("one", LONG, Duration::ZERO)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CORRUPT);
    assert_eq!(storage.content(KEY), "the diary of somebody");
}

#[test]
fn who_waits_can_be_interrupted() {
    let storage = Memory::new();
    storage.put_content(KEY, &Record::new("slow", 1, LONG).to_bytes());
    let asked = AtomicU64::new(0);
    let error = acquire(storage.open(), KEY, &terms("one", LONG, LONG), &|| {
        asked.fetch_add(1, Ordering::SeqCst) > 3
    });
    assert_eq!(error.unwrap_err().kind(), ErrorKind::CANCELLED);
}
