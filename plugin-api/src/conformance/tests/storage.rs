use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::Offer;
use crate::{
    ByteRange, Capabilities, Error, ErrorKind, Guarantee, Host, NoConfig, ObjectMeta, Outcome,
    PutOptions, PutStream, Request, Result, Storage, Tree, shim::server,
};

/// What may be wrong.
const GOOD: u8 = 0;
const SHOWS_BEFORE_COMMIT: u8 = 1;
const KEEPS_WHAT_IS_ABORTED: u8 = 2;
const OVERWRITES: u8 = 3;
const IGNORES_OFFSETS: u8 = 4;
const ORDERS_BY_LENGTH: u8 = 5;
const IGNORES_AFTER: u8 = 6;
const EMPTY_FOR_MISSING: u8 = 7;
const FOLDS_CASE: u8 = 8;
const DELETES_ONLY_WHAT_IS_THERE: u8 = 9;
const WRONG_SIZE: u8 = 10;
const NOT_FOR_OTHERS: u8 = 11;
const REPLACES_ALWAYS: u8 = 12;
const REPLACES_NEVER: u8 = 13;
const LOOKS_FIRST: u8 = 14;
const LOOKS_FIRST_AND_SAYS_SO: u8 = 15;
const SAME_ETAG: u8 = 16;
const MISSING_ON_DELETE: u8 = 17;
const CLAIMS_TOO_MUCH: u8 = 18;
const CLAIMS_NOTHING: u8 = 19;

/// Content with a number that none had before it.
type Objects = Arc<Mutex<BTreeMap<String, (u64, Arc<Vec<u8>>)>>>;

#[derive(Default)]
struct Memory<const FAULT: u8>(Objects);

impl<const FAULT: u8> Memory<FAULT> {
    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<String, (u64, Arc<Vec<u8>>)>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn etag(&self, key: &str) -> Option<String> {
        self.with(|it| it.get(key).map(|(number, content)| meta::<FAULT>(key, *number, content)))
            .map(|it| it.etag)
    }

    fn begin(&self, key: String, condition: Condition) -> Box<dyn PutStream> {
        let (storage, content) = (Self(Arc::clone(&self.0)), Vec::new());
        Box::new(Put { storage, key, content, condition })
    }
}

static NUMBERS: AtomicU64 = AtomicU64::new(1);

fn named<const FAULT: u8>(key: &str) -> String {
    if FAULT == FOLDS_CASE { key.to_lowercase() } else { key.to_owned() }
}

fn meta<const FAULT: u8>(key: &str, number: u64, content: &[u8]) -> ObjectMeta {
    let size = content.len() as u64 + u64::from(FAULT == WRONG_SIZE);
    let number = if FAULT == SAME_ETAG { number / 2 } else { number };
    ObjectMeta { key: key.to_owned(), size, modified_ns: 0, etag: format!("{number:x}") }
}

enum Condition {
    None,
    Absent,
    Etag(String),
}

struct Put<const FAULT: u8> {
    storage: Memory<FAULT>,
    key: String,
    content: Vec<u8>,
    condition: Condition,
}

impl<const FAULT: u8> Storage for Memory<FAULT> {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self> {
        Ok(Self(Objects::default()))
    }

    fn put(&self, key: &str, options: PutOptions) -> Result<Box<dyn PutStream>> {
        let key = named::<FAULT>(key);
        if FAULT == SHOWS_BEFORE_COMMIT {
            self.with(|it| it.insert(key.clone(), (0, Arc::default())));
        }
        let only = options.create_only;
        Ok(self.begin(key, if only { Condition::Absent } else { Condition::None }))
    }

    fn replace(&self, key: &str, etag: &str, _: PutOptions) -> Result<Box<dyn PutStream>> {
        if matches!(FAULT, REPLACES_NEVER | CLAIMS_TOO_MUCH) {
            return Err(Error::new(ErrorKind::UNSUPPORTED, "there is no such thing"));
        }
        Ok(self.begin(named::<FAULT>(key), Condition::Etag(etag.to_owned())))
    }

    fn capabilities(&self) -> Result<Capabilities> {
        let replace = match FAULT {
            REPLACES_NEVER => Guarantee::Missing,
            LOOKS_FIRST_AND_SAYS_SO => Guarantee::Checked,
            CLAIMS_NOTHING => Guarantee::Unknown,
            _ => Guarantee::Atomic,
        };
        Ok(Capabilities { create: Guarantee::Atomic, replace, ..Capabilities::default() })
    }

    fn get(&self, key: &str, range: ByteRange) -> Result<Box<dyn Read + Send>> {
        let content = self.with(|it| it.get(&named::<FAULT>(key)).cloned());
        let Some((_, content)) = content.or((FAULT == EMPTY_FOR_MISSING).then(Default::default))
        else {
            return Err(Error::new(ErrorKind::NOT_FOUND, "there is no such object"));
        };
        let mut reader = Cursor::new(content.to_vec());
        if FAULT != IGNORES_OFFSETS {
            reader.set_position(range.offset);
        }
        Ok(Box::new(reader.take(range.length.unwrap_or(u64::MAX))))
    }

    fn stat(&self, key: &str) -> Result<Option<ObjectMeta>> {
        let key = named::<FAULT>(key);
        Ok(self
            .with(|it| it.get(&key).map(|(number, content)| meta::<FAULT>(&key, *number, content))))
    }

    fn list(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<ObjectMeta>> {
        let after = if FAULT == IGNORES_AFTER { "" } else { after };
        let (prefix, after) = (named::<FAULT>(prefix), named::<FAULT>(after));
        self.with(|it| {
            let found = it.iter().filter(|(key, _)| key.starts_with(&prefix) && **key > after);
            let mut found: Vec<_> = found
                .map(|(key, (number, content))| meta::<FAULT>(key, *number, content))
                .collect();
            if FAULT == ORDERS_BY_LENGTH {
                found.sort_by_key(|it| it.key.len());
            }
            found.truncate(limit as usize);
            Ok(found)
        })
    }

    fn delete(&self, key: &str) -> Result<()> {
        let removed = self.with(|it| it.remove(&named::<FAULT>(key)));
        if matches!(FAULT, DELETES_ONLY_WHAT_IS_THERE | MISSING_ON_DELETE) && removed.is_none() {
            return Err(Error::new(ErrorKind::NOT_FOUND, "there is no such object"));
        }
        Ok(())
    }
}

impl<const FAULT: u8> PutStream for Put<FAULT> {
    fn write(&mut self, data: &[u8]) -> Result<()> {
        self.content.extend_from_slice(data);
        Ok(())
    }

    fn commit(&mut self) -> Result<ObjectMeta> {
        let Self { storage, key, condition, .. } = self;
        let content = Arc::new(std::mem::take(&mut self.content));
        let changed = || Err(Error::new(ErrorKind::CHANGED, "it is not what it was"));
        if let Condition::Etag(etag) = condition
            && matches!(FAULT, LOOKS_FIRST | LOOKS_FIRST_AND_SAYS_SO)
        {
            if storage.etag(key).as_ref() != Some(etag) {
                return changed();
            }
            // As long as it takes until somebody else has looked too.
            std::thread::sleep(Duration::from_millis(1));
            *condition = Condition::None;
        }
        storage.with(|it| {
            let there = it.get(key).map(|(number, old)| meta::<FAULT>(key, *number, old).etag);
            match condition {
                Condition::Absent if there.is_some() && FAULT != OVERWRITES => {
                    return Err(Error::new(ErrorKind::ALREADY_EXISTS, "it is there already"));
                }
                Condition::Etag(etag)
                    if there.as_ref() != Some(etag) && FAULT != REPLACES_ALWAYS =>
                {
                    return changed();
                }
                _ => {}
            }
            let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
            it.insert(key.clone(), (number, Arc::clone(&content)));
            Ok(meta::<FAULT>(key, number, &content))
        })
    }

    fn abort(&mut self) -> Result<()> {
        if FAULT == KEEPS_WHAT_IS_ABORTED { self.commit().map(drop) } else { Ok(()) }
    }
}

fn failed<const FAULT: u8>() -> Vec<String> {
    let mut offer = Offer::new("storage", &[]);
    let objects = Objects::default();
    offer.storage = Some(Box::new(move || {
        let shared =
            if FAULT == NOT_FOR_OTHERS { Objects::default() } else { Arc::clone(&objects) };
        server::storage(Memory::<FAULT>(shared))
    }));
    offer.failed()
}

#[test]
fn a_good_storage_passes() {
    assert_eq!(failed::<GOOD>(), [""; 0]);
}

#[test]
fn a_storage_that_says_what_it_cannot_do_passes() {
    let all = [
        failed::<REPLACES_NEVER>(),
        failed::<LOOKS_FIRST_AND_SAYS_SO>(),
        failed::<CLAIMS_NOTHING>(),
    ];
    assert_eq!(all.concat(), [""; 0]);
}

#[test]
fn a_storage_with_one_fault_fails_the_check_of_that_fault() {
    let cases = [
        (failed::<SHOWS_BEFORE_COMMIT>(), "nothing is seen before commit"),
        (failed::<KEEPS_WHAT_IS_ABORTED>(), "abort and drop leave nothing"),
        (failed::<OVERWRITES>(), "create only"),
        (failed::<OVERWRITES>(), "one of sixteen creates"),
        (failed::<IGNORES_OFFSETS>(), "ranges"),
        (failed::<ORDERS_BY_LENGTH>(), "lists are in the order of bytes"),
        (failed::<IGNORES_AFTER>(), "pages of any size"),
        (failed::<EMPTY_FOR_MISSING>(), "what is not there"),
        (failed::<FOLDS_CASE>(), "keys of all kinds"),
        (failed::<DELETES_ONLY_WHAT_IS_THERE>(), "what is not there"),
        (failed::<WRONG_SIZE>(), "objects of many sizes"),
        (failed::<NOT_FOR_OTHERS>(), "another run sees it"),
        (failed::<REPLACES_ALWAYS>(), "replaced only if it is as it was"),
        (failed::<REPLACES_ALWAYS>(), "a change between begin and commit"),
        (failed::<LOOKS_FIRST>(), "sixteen count together"),
        (failed::<SAME_ETAG>(), "an etag stands for one content"),
        (failed::<MISSING_ON_DELETE>(), "many are deleted at once"),
        (failed::<CLAIMS_TOO_MUCH>(), "replace is not claimed"),
    ];
    for (failed, expected) in cases {
        assert!(failed.iter().any(|it| it == expected), "{expected}: {failed:?}");
    }
}

/// Takes trees; `LISTS` says whether it also claims to know objects.
struct Discs<const LISTS: bool>;

fn no_objects<T>() -> Result<T> {
    Err(Error::new(ErrorKind::UNSUPPORTED, "discs take no objects"))
}

impl<const LISTS: bool> Storage for Discs<LISTS> {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self> {
        Ok(Self)
    }
    fn put(&self, _: &str, _: PutOptions) -> Result<Box<dyn PutStream>> {
        no_objects()
    }
    fn get(&self, _: &str, _: ByteRange) -> Result<Box<dyn Read + Send>> {
        no_objects()
    }
    fn stat(&self, _: &str) -> Result<Option<ObjectMeta>> {
        no_objects()
    }
    fn list(&self, _: &str, _: &str, _: u32) -> Result<Vec<ObjectMeta>> {
        if LISTS { Ok(Vec::new()) } else { no_objects() }
    }
    fn delete(&self, _: &str) -> Result<()> {
        no_objects()
    }
    fn put_trees(&self, host: &Host, request: &Request, trees: &[Tree]) -> Result<Outcome> {
        if request.dry_run {
            return Ok(Outcome::new("would write"));
        }
        // What an action was given works for whoever works for it.
        let release = host.process("uname").output()?;
        Ok(Outcome::new(format!("{} trees, {} bytes", trees.len(), release.len())))
    }
}

fn of_discs<const LISTS: bool>() -> Vec<String> {
    let mut offer = Offer::new("storage", &[]);
    offer.storage = Some(Box::new(|| server::storage(Discs::<LISTS>)));
    offer.failed()
}

#[test]
fn a_storage_of_trees_keeps_no_objects() {
    assert_eq!(of_discs::<false>(), [""; 0]);
    assert_eq!(of_discs::<true>(), ["who takes trees takes no objects"]);
}
