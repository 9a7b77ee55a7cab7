//! Keeps each object as a file of one directory. The file's name is the key,
//! with `/`, `%` and a leading `.` written as `%2F`, `%25` and `%2E`.

mod names;
mod put;

use std::{
    fs::{self, File},
    io::{ErrorKind, Read, Seek, SeekFrom},
    path::PathBuf,
};

use hayloft_plugin_api::{
    ByteRange, Error, ObjectMeta, PutOptions, PutStream, Result, Storage, export_plugin,
};
use serde::Deserialize;
use tempfile::NamedTempFile;

use crate::{
    names::{key, path},
    put::{Put, meta},
};

/// The settings: `<root>`, a directory that is there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    root: PathBuf,
}

/// The storage `flat`.
#[derive(Debug)]
pub struct Flat(Config);

impl Storage for Flat {
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        Ok(Self(config))
    }

    fn put(&self, key: &str, options: PutOptions) -> Result<Box<dyn PutStream>> {
        let file = NamedTempFile::new_in(&self.0.root).map_err(|e| {
            let root = self.0.root.display();
            Error::from(e).context(format!("cannot write into {root}"))
        })?;
        let (path, key) = (path(&self.0.root, key), key.to_owned());
        Ok(Box::new(Put { file: Some(file), key, path, create_only: options.create_only }))
    }

    fn get(&self, key: &str, range: ByteRange) -> Result<Box<dyn Read + Send>> {
        let failed = |e| Error::from(e).context(format!("cannot read {key}"));
        let mut file = File::open(path(&self.0.root, key)).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        file.seek(SeekFrom::Start(range.offset.min(size))).map_err(failed)?;
        Ok(Box::new(file.take(range.length.unwrap_or(u64::MAX))))
    }

    fn stat(&self, key: &str) -> Result<Option<ObjectMeta>> {
        match fs::metadata(path(&self.0.root, key)) {
            Ok(it) => Ok(Some(meta(key.to_owned(), &it))),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::from(e).context(format!("cannot ask for {key}"))),
        }
    }

    /// Reads the whole directory for each page: good for a few thousand objects.
    fn list(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<ObjectMeta>> {
        let mut keys = Vec::new();
        for entry in fs::read_dir(&self.0.root)? {
            let key = key(&entry?.path());
            keys.extend(key.filter(|it| it.starts_with(prefix) && it.as_str() > after));
        }
        keys.sort();
        let there = keys.into_iter().filter_map(|key| self.stat(&key).transpose());
        there.take(limit as usize).collect()
    }

    fn delete(&self, key: &str) -> Result<()> {
        match fs::remove_file(path(&self.0.root, key)) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e.into()),
            _ => Ok(()),
        }
    }
}

export_plugin! {
    id: "flat",
    description: "Keeps all objects in one directory",
    storages: [Flat as "flat"],
}
