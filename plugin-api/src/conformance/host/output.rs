//! Files that appear whole or not at all.

use std::{
    fs::{File, Permissions},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use tempfile::NamedTempFile;

use super::{Shared, locked};
use crate::{
    ObjectMeta, OutputOptions, PutStream,
    error::{Error, Result},
};

/// The standard output.
pub(super) struct Printed(pub(super) Arc<Shared>);

impl PutStream for Printed {
    fn write(&mut self, data: &[u8]) -> Result<()> {
        locked(&self.0.printed).extend_from_slice(data);
        Ok(())
    }

    fn commit(&mut self) -> Result<ObjectMeta> {
        let size = locked(&self.0.printed).len() as u64;
        let key = "standard output".to_owned();
        Ok(ObjectMeta { key, size, modified_ns: 0, etag: String::new() })
    }

    fn abort(&mut self) -> Result<()> {
        Ok(())
    }
}

pub(super) struct OutputFile {
    path: PathBuf,
    file: Option<NamedTempFile>,
    options: OutputOptions,
    written: u64,
}

impl OutputFile {
    pub(super) fn create(path: &Path, options: &OutputOptions) -> Result<Self> {
        let directory = path.parent().unwrap_or(Path::new("/"));
        let failed =
            |e| Error::from(e).context(format!("cannot write into {}", directory.display()));
        let file = NamedTempFile::new_in(directory).map_err(failed)?;
        let (path, options) = (path.to_owned(), options.clone());
        Ok(Self { path, file: Some(file), options, written: 0 })
    }

    fn taken() -> Error {
        Error::msg("the file was committed or aborted already")
    }
}

impl PutStream for OutputFile {
    fn write(&mut self, data: &[u8]) -> Result<()> {
        self.file.as_mut().ok_or_else(Self::taken)?.write_all(data)?;
        self.written += data.len() as u64;
        Ok(())
    }

    fn commit(&mut self) -> Result<ObjectMeta> {
        let file = self.file.take().ok_or_else(Self::taken)?;
        file.as_file().set_permissions(Permissions::from_mode(self.options.mode))?;
        file.as_file().sync_all()?;
        if self.options.replace {
            file.persist(&self.path)?;
        } else {
            file.persist_noclobber(&self.path).map_err(|e| e.error)?;
        }
        if let Some(directory) = self.path.parent() {
            File::open(directory)?.sync_all()?;
        }
        let key = self.path.display().to_string();
        Ok(ObjectMeta { key, size: self.written, modified_ns: 0, etag: String::new() })
    }

    fn abort(&mut self) -> Result<()> {
        self.file.take().map_or(Ok(()), |file| file.close().map_err(Error::from))
    }
}
