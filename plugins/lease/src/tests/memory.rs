//! A storage in memory that several contenders share, and its faults.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use hayloft_plugin_api::{
    ByteRange, Capabilities, Error, ErrorKind, Guarantee, NoConfig, ObjectMeta, PutOptions,
    PutStream, Result, Storage, StorageHandle, shim::server,
};

/// What is in the storage, and how it behaves.
#[derive(Debug, Default)]
pub(super) struct World {
    objects: Mutex<BTreeMap<String, (u64, Vec<u8>)>>,
    count: AtomicU64,
    /// Creates although something is there.
    pub(super) overwrites_creating: AtomicBool,
    /// Replaces what has changed.
    pub(super) overwrites_replacing: AtomicBool,
    /// Says that it looks before it writes.
    pub(super) is_modest: AtomicBool,
    /// Cannot be reached.
    pub(super) is_down: AtomicBool,
    /// Every n-th write succeeds, and no answer comes; 0 for never.
    pub(super) loses_answers: AtomicU64,
    writes: AtomicU64,
}

#[derive(Debug, Clone)]
pub(super) struct Memory(pub(super) Arc<World>);

struct Put {
    world: Arc<World>,
    key: String,
    /// `None` for a create.
    etag: Option<String>,
    create_only: bool,
    content: Vec<u8>,
}

fn is(flag: &AtomicBool) -> bool {
    flag.load(Ordering::SeqCst)
}

impl Memory {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// Opens it, as each contender does for itself.
    pub(super) fn open(&self) -> Arc<StorageHandle> {
        Arc::new(StorageHandle::from_raw(server::storage(self.clone())))
    }

    fn reach(&self) -> Result<()> {
        if is(&self.0.is_down) {
            return Err(Error::new(ErrorKind::TRANSIENT, "the network is down"));
        }
        Ok(())
    }

    fn begin(
        &self,
        key: &str,
        etag: Option<&str>,
        create_only: bool,
    ) -> Result<Box<dyn PutStream>> {
        self.reach()?;
        let (world, key) = (Arc::clone(&self.0), key.to_owned());
        let etag = etag.map(ToOwned::to_owned);
        Ok(Box::new(Put { world, key, etag, create_only, content: Vec::new() }))
    }

    fn look(&self, key: &str) -> Result<Option<(u64, Vec<u8>)>> {
        self.reach()?;
        let objects = self.0.objects.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(objects.get(key).cloned())
    }

    pub(super) fn put_content(&self, key: &str, content: &[u8]) {
        let mut put = self.begin(key, None, false).unwrap();
        put.write(content).unwrap();
        put.commit().unwrap();
    }

    pub(super) fn content(&self, key: &str) -> String {
        String::from_utf8(self.look(key).unwrap().unwrap().1).unwrap()
    }
}

fn meta(key: &str, (number, content): &(u64, Vec<u8>)) -> ObjectMeta {
    let etag = number.to_string();
    ObjectMeta { key: key.to_owned(), size: content.len() as u64, modified_ns: 0, etag }
}

impl PutStream for Put {
    fn write(&mut self, data: &[u8]) -> Result<()> {
        self.content.extend_from_slice(data);
        Ok(())
    }

    fn commit(&mut self) -> Result<ObjectMeta> {
        let world = &self.world;
        Memory(Arc::clone(world)).reach()?;
        let mut objects = world.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let there = objects.get(&self.key).map(|it| it.0.to_string());
        if self.create_only && there.is_some() && !is(&world.overwrites_creating) {
            return Err(Error::new(ErrorKind::ALREADY_EXISTS, "it is there already"));
        }
        if self.etag.is_some() && self.etag != there && !is(&world.overwrites_replacing) {
            return Err(Error::new(ErrorKind::CHANGED, "it is not what it was"));
        }
        let number = world.count.fetch_add(1, Ordering::SeqCst);
        let object = (number, std::mem::take(&mut self.content));
        let meta = meta(&self.key, &object);
        objects.insert(self.key.clone(), object);
        let nth = world.writes.fetch_add(1, Ordering::SeqCst) + 1;
        let loses = world.loses_answers.load(Ordering::SeqCst);
        if loses > 0 && nth.is_multiple_of(loses) {
            return Err(Error::new(ErrorKind::TRANSIENT, "the connection was reset"));
        }
        Ok(meta)
    }

    fn abort(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Storage for Memory {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self> {
        Ok(Self::new())
    }

    fn put(&self, key: &str, options: PutOptions) -> Result<Box<dyn PutStream>> {
        self.begin(key, None, options.create_only)
    }

    fn replace(&self, key: &str, etag: &str, _: PutOptions) -> Result<Box<dyn PutStream>> {
        self.begin(key, Some(etag), false)
    }

    fn get(&self, key: &str, _: ByteRange) -> Result<Box<dyn Read + Send>> {
        let (_, content) = self
            .look(key)?
            .ok_or_else(|| Error::new(ErrorKind::NOT_FOUND, "there is no such object"))?;
        Ok(Box::new(Cursor::new(content)))
    }

    fn stat(&self, key: &str) -> Result<Option<ObjectMeta>> {
        Ok(self.look(key)?.map(|object| meta(key, &object)))
    }

    fn list(&self, _: &str, _: &str, _: u32) -> Result<Vec<ObjectMeta>> {
        Err(Error::new(ErrorKind::UNSUPPORTED, "no lease needs a list"))
    }

    fn delete(&self, key: &str) -> Result<()> {
        self.reach()?;
        self.0.objects.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        Ok(())
    }

    fn capabilities(&self) -> Result<Capabilities> {
        let modest = is(&self.0.is_modest);
        let held = if modest { Guarantee::Checked } else { Guarantee::Atomic };
        Ok(Capabilities { create: held, replace: held, ..Capabilities::default() })
    }
}
