use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
    sync::{Arc, Mutex, PoisonError},
};

use super::Offer;
use crate::{
    ByteRange, Error, ErrorKind, NoConfig, ObjectMeta, PutOptions, PutStream, Result, Storage,
    shim::server,
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

type Objects = Arc<Mutex<BTreeMap<String, Arc<Vec<u8>>>>>;

#[derive(Default)]
struct Memory<const FAULT: u8>(Objects);

impl<const FAULT: u8> Memory<FAULT> {
    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<String, Arc<Vec<u8>>>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn named<const FAULT: u8>(key: &str) -> String {
    if FAULT == FOLDS_CASE { key.to_lowercase() } else { key.to_owned() }
}

fn meta<const FAULT: u8>(key: &str, content: &[u8]) -> ObjectMeta {
    let size = content.len() as u64 + u64::from(FAULT == WRONG_SIZE);
    ObjectMeta { key: key.to_owned(), size, modified_ns: 0, etag: String::new() }
}

struct Put<const FAULT: u8> {
    storage: Memory<FAULT>,
    key: String,
    content: Vec<u8>,
    create_only: bool,
}

impl<const FAULT: u8> Storage for Memory<FAULT> {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self> {
        Ok(Self(Objects::default()))
    }

    fn put(&self, key: &str, options: PutOptions) -> Result<Box<dyn PutStream>> {
        let key = named::<FAULT>(key);
        if FAULT == SHOWS_BEFORE_COMMIT {
            self.with(|it| it.insert(key.clone(), Arc::default()));
        }
        let (storage, content) = (Self(Arc::clone(&self.0)), Vec::new());
        Ok(Box::new(Put { storage, key, content, create_only: options.create_only }))
    }

    fn get(&self, key: &str, range: ByteRange) -> Result<Box<dyn Read + Send>> {
        let content = self.with(|it| it.get(&named::<FAULT>(key)).cloned());
        let Some(content) = content.or((FAULT == EMPTY_FOR_MISSING).then(Arc::default)) else {
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
        Ok(self.with(|it| it.get(&key).map(|content| meta::<FAULT>(&key, content))))
    }

    fn list(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<ObjectMeta>> {
        let after = if FAULT == IGNORES_AFTER { "" } else { after };
        let (prefix, after) = (named::<FAULT>(prefix), named::<FAULT>(after));
        self.with(|it| {
            let found = it.iter().filter(|(key, _)| key.starts_with(&prefix) && **key > after);
            let mut found: Vec<_> =
                found.map(|(key, content)| meta::<FAULT>(key, content)).collect();
            if FAULT == ORDERS_BY_LENGTH {
                found.sort_by_key(|it| it.key.len());
            }
            found.truncate(limit as usize);
            Ok(found)
        })
    }

    fn delete(&self, key: &str) -> Result<()> {
        let removed = self.with(|it| it.remove(&named::<FAULT>(key)));
        if FAULT == DELETES_ONLY_WHAT_IS_THERE && removed.is_none() {
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
        let Self { key, create_only, .. } = self;
        let content = Arc::new(std::mem::take(&mut self.content));
        self.storage.with(|it| {
            if *create_only && it.contains_key(key) && FAULT != OVERWRITES {
                return Err(Error::new(ErrorKind::ALREADY_EXISTS, "it is there already"));
            }
            it.insert(key.clone(), Arc::clone(&content));
            Ok(meta::<FAULT>(key, &content))
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
    ];
    for (failed, expected) in cases {
        assert!(failed.iter().any(|it| it == expected), "{expected}: {failed:?}");
    }
}
