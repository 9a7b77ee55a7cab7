//! Keeps objects in a directory.
//!
//! An object's key is its path below the root. See the README for the
//! settings and for what is guaranteed.

mod ahead;
mod config;
mod delete;
mod durable;
mod list;
mod lock;
mod name;
mod put;
mod root;
mod staging;

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::fd::OwnedFd,
};

use hayloft_plugin_api::{
    ByteRange, Capabilities, Error, ErrorKind, Guarantee, Leftover, ObjectMeta, PutOptions,
    PutStream, Result, Storage, Sweep, Undeleted, export_plugin,
};
use rustix::fs::{FileType, OFlags, Stat};

pub use crate::config::{Config, Permissions};
use crate::{
    ahead::Ahead,
    durable::Durable,
    put::{Condition, Put},
    root::Root,
    staging::Staging,
};

/// The storage `local`.
#[derive(Debug)]
pub struct Local {
    root: Root,
    staging: Staging,
    durable: Durable,
    ahead: Ahead,
}

impl Storage for Local {
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        config.check()?;
        Ok(Self {
            root: Root::new(config),
            staging: Staging::default(),
            durable: Durable::default(),
            ahead: Ahead::default(),
        })
    }

    fn put(&self, key: &str, options: PutOptions) -> Result<Box<dyn PutStream>> {
        let root = self.root.open()?;
        if options.create_only && self.root.find(&root, key)?.is_some() {
            return Err(put::taken(key));
        }
        let condition = if options.create_only { Condition::Absent } else { Condition::None };
        self.begin(root, key, condition)
    }

    fn replace(&self, key: &str, etag: &str, _: PutOptions) -> Result<Box<dyn PutStream>> {
        let root = self.root.open()?;
        let now = self.root.find(&root, key)?.map(|stat| meta(key, &stat).etag);
        if now.as_deref() != Some(etag) {
            return Err(put::changed(key));
        }
        self.begin(root, key, Condition::Etag(etag.to_owned()))
    }

    fn get(&self, key: &str, range: ByteRange) -> Result<Box<dyn Read + Send>> {
        let root = self.root.open()?;
        let failed = |e: io::Error| self.root.failed("read", key, e);
        let absent = || Error::new(ErrorKind::NOT_FOUND, format!("there is no object {key}"));
        // Without blocking: a FIFO would wait for somebody to write.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = match root::open_below(&root, key, flags) {
            Ok(file) => File::from(file),
            Err(e) if root::is_absence(e) => return Err(absent()),
            Err(e) => return Err(failed(e.into())),
        };
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(absent());
        }
        if range.offset >= metadata.len() {
            return Ok(Box::new(io::empty()));
        }
        if range.offset > 0 {
            file.seek(SeekFrom::Start(range.offset)).map_err(failed)?;
        }
        Ok(Box::new(file.take(range.length.unwrap_or(u64::MAX))))
    }

    fn stat(&self, key: &str) -> Result<Option<ObjectMeta>> {
        let root = self.root.open()?;
        Ok(self.root.find(&root, key)?.map(|stat| meta(key, &stat)))
    }

    fn list(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<ObjectMeta>> {
        list::list((&self.root, &self.ahead), prefix, after, limit)
    }

    fn delete(&self, key: &str) -> Result<()> {
        let undeleted = delete::delete(&self.root, &[key])?;
        undeleted.into_iter().next().map_or(Ok(()), |it| Err(it.error))
    }

    fn delete_many(&self, keys: &[&str]) -> Result<Vec<Undeleted>> {
        delete::delete(&self.root, keys)
    }

    fn capabilities(&self) -> Result<Capabilities> {
        let staged = self.staging.create(self.root.open()?, &self.root)?;
        let replace = if lock::alone(&staged.directory).is_err() {
            Guarantee::Missing
        } else if put::keeps_times(&staged.file)? {
            Guarantee::Atomic
        } else {
            // Two objects may get one etag.
            Guarantee::Checked
        };
        Ok(Capabilities { create: Guarantee::Atomic, replace, ..Capabilities::default() })
    }

    fn sweep(&self, request: &Sweep) -> Result<Vec<Leftover>> {
        let root = self.root.open()?;
        let swept = staging::open_directory(&root).and_then(|it| staging::sweep(&it, request));
        swept.map_err(|e| self.root.failed("sweep", name::STAGING, e.into()))
    }
}

impl Local {
    fn begin(&self, root: OwnedFd, key: &str, condition: Condition) -> Result<Box<dyn PutStream>> {
        let staged = self.staging.create(root, &self.root)?;
        Ok(Box::new(Put::new(staged, self.root.clone(), self.durable.clone(), key, condition)))
    }
}

/// Returns what is known of a file.
fn meta(key: &str, stat: &Stat) -> ObjectMeta {
    let nanoseconds = i64::try_from(stat.st_mtime_nsec).unwrap_or(0);
    let modified_ns = stat.st_mtime.saturating_mul(1_000_000_000).saturating_add(nanoseconds);
    ObjectMeta {
        key: key.to_owned(),
        size: u64::try_from(stat.st_size).unwrap_or(0),
        modified_ns,
        // Every put makes a new file, so that one of the three changes.
        etag: format!("{:x}-{:x}-{:x}", stat.st_ino, modified_ns, stat.st_size),
    }
}

fn is_file(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode).is_file()
}

export_plugin! {
    id: "local",
    description: "Keeps objects in a directory",
    storages: [Local as "local"],
}
