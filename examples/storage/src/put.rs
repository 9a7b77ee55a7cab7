//! Objects that are being written.

use std::{
    fs::{File, Metadata},
    io::Write,
    path::PathBuf,
    time::UNIX_EPOCH,
};

use hayloft_plugin_api::{Error, ObjectMeta, PutStream, Result};
use tempfile::NamedTempFile;

/// The temporary file goes away when it is dropped.
pub(crate) struct Put {
    pub(crate) file: Option<NamedTempFile>,
    pub(crate) key: String,
    pub(crate) path: PathBuf,
    pub(crate) create_only: bool,
}

impl PutStream for Put {
    fn write(&mut self, data: &[u8]) -> Result<()> {
        let file = self.file.as_mut().ok_or_else(|| Error::msg("the object is done"))?;
        Ok(file.write_all(data)?)
    }

    fn commit(&mut self) -> Result<ObjectMeta> {
        let file = self.file.take().ok_or_else(|| Error::msg("the object is done"))?;
        file.as_file().sync_all()?;
        let put = if self.create_only {
            file.persist_noclobber(&self.path)
        } else {
            file.persist(&self.path)
        };
        let file =
            put.map_err(|e| Error::from(e.error).context(format!("cannot put {}", self.key)))?;
        // The name is durable only when the directory is.
        self.path.parent().map(|root| File::open(root)?.sync_all()).transpose()?;
        Ok(meta(self.key.clone(), &file.metadata()?))
    }

    fn abort(&mut self) -> Result<()> {
        Ok(self.file.take().map_or(Ok(()), NamedTempFile::close)?)
    }
}

/// What is known of an object.
pub(crate) fn meta(key: String, it: &Metadata) -> ObjectMeta {
    let age = it.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let modified_ns = age.and_then(|age| age.as_nanos().try_into().ok()).unwrap_or(0);
    ObjectMeta { key, size: it.len(), modified_ns, etag: String::new() }
}
