//! A storage in memory, for tests.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
    sync::{Arc, Mutex, PoisonError},
};

use hayloft_plugin_api::{
    ByteRange, Error, ErrorKind, NoConfig, ObjectMeta, PutOptions, PutStream, Result, Storage,
    StorageHandle, shim::server,
};

type Content = BTreeMap<String, Vec<u8>>;

#[derive(Debug, Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<Content>>);

impl Memory {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn open(&self) -> Arc<StorageHandle> {
        Arc::new(StorageHandle::from_raw(server::storage(self.clone())))
    }

    pub(crate) fn place(&self, key: &str, content: &[u8]) {
        self.with(|it| it.insert(key.to_owned(), content.to_vec()));
    }

    fn with<T>(&self, work: impl FnOnce(&mut Content) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn meta(key: &str, content: &[u8]) -> ObjectMeta {
    let size = content.len() as u64;
    ObjectMeta { key: key.to_owned(), size, modified_ns: 0, etag: String::new() }
}

struct Put(Memory, String, Vec<u8>);

impl PutStream for Put {
    fn write(&mut self, data: &[u8]) -> Result<()> {
        self.2.extend_from_slice(data);
        Ok(())
    }
    fn commit(&mut self) -> Result<ObjectMeta> {
        self.0.place(&self.1, &self.2);
        Ok(meta(&self.1, &self.2))
    }
    fn abort(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Storage for Memory {
    type Config = NoConfig;
    fn new(_: NoConfig) -> Result<Self> {
        Ok(Self::default())
    }
    fn put(&self, key: &str, _: PutOptions) -> Result<Box<dyn PutStream>> {
        Ok(Box::new(Put(self.clone(), key.to_owned(), Vec::new())))
    }
    fn get(&self, key: &str, _: ByteRange) -> Result<Box<dyn Read + Send>> {
        let content = self.with(|it| it.get(key).cloned());
        let missing = || Error::new(ErrorKind::NOT_FOUND, format!("there is no object {key}"));
        Ok(Box::new(Cursor::new(content.ok_or_else(missing)?)))
    }
    fn stat(&self, key: &str) -> Result<Option<ObjectMeta>> {
        Ok(self.with(|it| it.get(key).map(|content| meta(key, content))))
    }
    fn list(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<ObjectMeta>> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let from = if after >= prefix { Excluded(after) } else { Included(prefix) };
        Ok(self.with(|it| {
            it.range::<str, _>((from, Unbounded))
                .take_while(|(key, _)| key.starts_with(prefix))
                .take(limit as usize)
                .map(|(key, content)| meta(key, content))
                .collect()
        }))
    }
    fn delete(&self, key: &str) -> Result<()> {
        self.with(|it| drop(it.remove(key)));
        Ok(())
    }
}
