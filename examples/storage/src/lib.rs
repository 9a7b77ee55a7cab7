//! Keeps each object as a file of one directory. The file's name is the key,
//! with `/` and `%` written as `%2F` and `%25`.

use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::{collections::BTreeSet, fs, path::PathBuf, time::UNIX_EPOCH};

use hayloft_plugin_api::{ByteRange, Error, ObjectMeta, PutOptions, PutStream, Result, Storage};
use tempfile::NamedTempFile;

/// What names of temporary files begin with, and those of objects do not.
const TEMPORARY: &str = "%tmp";

/// The storage `flat`. Its setting is `<root>`, a directory that is there.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flat {
    root: PathBuf,
}

impl Flat {
    fn path(&self, key: &str) -> PathBuf {
        self.root.join(key.replace('%', "%25").replace('/', "%2F"))
    }
}

impl Storage for Flat {
    type Config = Self;

    fn new(config: Self) -> Result<Self> {
        Ok(config)
    }

    fn put(&self, key: &str, options: PutOptions) -> Result<Box<dyn PutStream>> {
        let file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(&self.root)?;
        Ok(Box::new(Put(Some(file), self.clone(), key.to_owned(), options.create_only)))
    }

    fn get(&self, key: &str, range: ByteRange) -> Result<Box<dyn Read + Send>> {
        let failed = |e| Error::from(e).context(format!("cannot read {key}"));
        let mut file = fs::File::open(self.path(key)).map_err(failed)?;
        file.seek(SeekFrom::Start(range.offset.min(file.metadata()?.len())))?;
        Ok(Box::new(file.take(range.length.unwrap_or(u64::MAX))))
    }

    fn stat(&self, key: &str) -> Result<Option<ObjectMeta>> {
        let it = match fs::metadata(self.path(key)) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            it => it?,
        };
        let age = it.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let modified_ns = age.as_nanos().try_into().unwrap_or(0);
        Ok(Some(ObjectMeta { key: key.into(), size: it.len(), modified_ns, etag: String::new() }))
    }

    /// Reads the whole directory for each page: good for a few thousand objects.
    fn list(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<ObjectMeta>> {
        let names = fs::read_dir(&self.root)?.map(|it| Ok(it?.file_name().into_string().ok()));
        let names: Vec<_> = names.collect::<Result<_>>()?;
        let objects = names.into_iter().flatten().filter(|it| !it.starts_with(TEMPORARY));
        let keys = objects.map(|it| it.replace("%2F", "/").replace("%25", "%"));
        let keys: BTreeSet<_> = keys.filter(|it| it.starts_with(prefix) && **it > *after).collect();
        let found = keys.iter().filter_map(|key| self.stat(key).transpose());
        found.take(limit as usize).collect()
    }

    fn delete(&self, key: &str) -> Result<()> {
        match fs::remove_file(self.path(key)) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e.into()),
            _ => Ok(()),
        }
    }
}

/// The file, which goes away when it is dropped; where to; and if only there
/// is none yet.
struct Put(Option<NamedTempFile>, Flat, String, bool);

impl PutStream for Put {
    fn write(&mut self, data: &[u8]) -> Result<()> {
        Ok(self.0.as_mut().ok_or_else(|| Error::msg("the object is done"))?.write_all(data)?)
    }

    fn commit(&mut self) -> Result<ObjectMeta> {
        let file = self.0.take().ok_or_else(|| Error::msg("the object is done"))?;
        file.as_file().sync_all()?;
        let path = self.1.path(&self.2);
        let put = if self.3 { file.persist_noclobber(path) } else { file.persist(path) };
        put.map_err(|e| Error::from(e.error).context(format!("cannot put {}", self.2)))?;
        // The name is durable only when the directory is.
        fs::File::open(&self.1.root)?.sync_all()?;
        self.1.stat(&self.2)?.ok_or_else(|| Error::msg("the object is gone already"))
    }

    fn abort(&mut self) -> Result<()> {
        Ok(self.0.take().map_or(Ok(()), NamedTempFile::close)?)
    }
}

hayloft_plugin_api::export_plugin! {
    id: "flat",
    description: "Keeps all objects in one directory",
    storages: [Flat as "flat"],
}
