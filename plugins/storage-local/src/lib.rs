//! Keeps objects in a directory.
//!
//! An object's key is its path below the root. See the README for the
//! settings and for what is guaranteed.

mod config;
mod durable;
mod list;
mod name;
mod put;
mod root;
mod staging;

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

use hayloft_plugin_api::{
    ByteRange, Error, ErrorKind, ObjectMeta, PutOptions, PutStream, Result, Storage, export_plugin,
};
use rustix::fs::{AtFlags, FileType, OFlags, Stat};

pub use crate::config::{Config, Permissions};
use crate::{durable::Durable, put::Put, root::Root, staging::Staging};

/// The storage `local`.
#[derive(Debug)]
pub struct Local {
    root: Root,
    staging: Staging,
    durable: Durable,
}

impl Storage for Local {
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        config.check()?;
        Ok(Self {
            root: Root::new(config),
            staging: Staging::default(),
            durable: Durable::default(),
        })
    }

    fn put(&self, key: &str, options: PutOptions) -> Result<Box<dyn PutStream>> {
        let root = self.root.open()?;
        if options.create_only && self.root.find(&root, key)?.is_some() {
            return Err(put::taken(key));
        }
        let staged = self.staging.create(root, &self.root)?;
        Ok(Box::new(Put::new(staged, self.root.clone(), self.durable.clone(), key, options)))
    }

    fn get(&self, key: &str, range: ByteRange) -> Result<Box<dyn Read + Send>> {
        let root = self.root.open()?;
        let failed = |e: io::Error| self.root.failed("read", key, e);
        let absent = || Error::new(ErrorKind::NOT_FOUND, format!("there is no object {key}"));
        let (parent, name) = self.root.parent(&root, key)?.ok_or_else(absent)?;
        // Without blocking: a FIFO would wait for somebody to write.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = match rustix::fs::openat(&parent, &name, flags, rustix::fs::Mode::empty()) {
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
        file.seek(SeekFrom::Start(range.offset)).map_err(failed)?;
        Ok(Box::new(file.take(range.length.unwrap_or(u64::MAX))))
    }

    fn stat(&self, key: &str) -> Result<Option<ObjectMeta>> {
        let root = self.root.open()?;
        Ok(self.root.find(&root, key)?.map(|stat| meta(key, &stat)))
    }

    fn list(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<ObjectMeta>> {
        list::list(&self.root, prefix, after, limit)
    }

    fn delete(&self, key: &str) -> Result<()> {
        let root = self.root.open()?;
        if self.root.find(&root, key)?.is_none() {
            return Ok(());
        }
        let Some((parent, name)) = self.root.parent(&root, key)? else { return Ok(()) };
        let removed = rustix::fs::unlinkat(&parent, &name, AtFlags::empty())
            .or_else(|e| if root::is_absence(e) { Ok(()) } else { Err(e) })
            // Else a crash could bring it back after what refers to it, or
            // what was removed after it, is gone.
            .and_then(|()| rustix::fs::fsync(&parent));
        removed.map_err(|e| self.root.failed("delete", key, e.into()))?;
        root::prune(&root, key);
        Ok(())
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
