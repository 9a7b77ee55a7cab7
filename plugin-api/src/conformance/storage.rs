//! What storages must do.

mod conditional;
mod listing;
pub(super) mod nowhere;
mod objects;
mod races;
mod trees;

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    library::Subject,
    report::{Checks, Explain, Verdict, ensure},
    section::Section,
};
use crate::{
    ByteRange, ObjectMeta, PutOptions, StorageHandle,
    error::{Error, ErrorKind, Result},
};

/// A storage that is checked, and the part of it that the checks use.
pub(super) struct Place<'a> {
    pub(super) subject: &'a dyn Subject,
    pub(super) name: &'a str,
    pub(super) section: &'a Section,
    /// Where the storage keeps files, if that is known.
    pub(super) directory: Option<&'a Path>,
    storage: StorageHandle,
    prefix: String,
}

impl<'a> Place<'a> {
    pub(super) fn open(
        subject: &'a dyn Subject,
        name: &'a str,
        section: &'a Section,
        directory: Option<&'a Path>,
    ) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let prefix = format!("conformance-{}-{nanos:x}-{count}", std::process::id());
        let storage = StorageHandle::from_raw(subject.storage(name, section.node())?);
        Ok(Self { subject, name, section, directory, storage, prefix })
    }

    /// Opens the same storage once more, as another run of the host would.
    fn reopened(&self) -> Verdict<StorageHandle> {
        let raw = self.subject.storage(self.name, self.section.node());
        raw.map(StorageHandle::from_raw).explain("opening the storage again")
    }

    fn key(&self, rest: &str) -> String {
        format!("{}/{rest}", self.prefix)
    }

    fn put(&self, key: &str, content: &[u8]) -> Verdict<ObjectMeta> {
        self.put_with(key, content, PutOptions::default()).explain(&format!("putting {key:?}"))
    }

    fn put_with(&self, key: &str, content: &[u8], options: PutOptions) -> Result<ObjectMeta> {
        let mut put = self.storage.put(key, options)?;
        for piece in content.chunks(256 << 10) {
            put.write(piece)?;
        }
        put.commit()
    }

    fn read(&self, key: &str, range: ByteRange) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        self.storage.get(key, range)?.read_to_end(&mut content)?;
        Ok(content)
    }

    fn get(&self, key: &str) -> Verdict<Vec<u8>> {
        self.read(key, ByteRange::ALL).explain(&format!("getting {key:?}"))
    }

    fn stat(&self, key: &str) -> Verdict<Option<ObjectMeta>> {
        self.storage.stat(key).explain(&format!("asking for {key:?}"))
    }

    fn names(&self, prefix: &str) -> Verdict<Vec<String>> {
        let mut names = Vec::new();
        self.storage
            .for_each(prefix, |object| {
                names.push(object.key);
                Ok(())
            })
            .explain(&format!("listing {prefix:?}"))?;
        Ok(names)
    }

    /// Makes sure that nobody sees an object of that name.
    fn ensure_absent(&self, key: &str, when: &str) -> Verdict {
        ensure(self.stat(key)?.is_none(), || format!("{when}: stat finds {key:?}"))?;
        let listed = self.names(key)?;
        ensure(!listed.iter().any(|it| it == key), || format!("{when}: list has {key:?}"))?;
        match self.read(key, ByteRange::ALL) {
            Err(error) if error.kind() == ErrorKind::NOT_FOUND => Ok(()),
            Err(error) => Err(format!("{when}: getting {key:?}: {}", told(&error))),
            Ok(_) => Err(format!("{when}: {key:?} can be read")),
        }
    }

    /// Returns all files below the watched directory; nothing if none is.
    fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        if let Some(directory) = self.directory {
            gather(directory, &mut files);
        }
        files.sort();
        files
    }

    fn clean_up(&self) -> Verdict {
        for key in self.names(&self.prefix)? {
            self.storage.delete(&key).explain(&format!("deleting {key:?}"))?;
        }
        let left = self.names(&self.prefix)?;
        ensure(left.is_empty(), || format!("{left:?} are still there after they were deleted"))
    }
}

pub(super) fn gather(directory: &Path, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        if path.is_dir() {
            gather(&path, files);
        } else {
            files.push(path);
        }
    }
}

fn told(error: &Error) -> String {
    format!("{error} [{}]", error.kind().name())
}

/// Makes the checks of one storage.
pub(super) fn check(checks: &mut Checks<'_>, place: &Place<'_>) {
    if trees::takes_trees(place) {
        trees::check(checks, place);
        return;
    }
    objects::check(checks, place);
    listing::check(checks, place);
    races::check(checks, place);
    conditional::check(checks, place);
    checks.check("everything can be deleted", || place.clean_up());
}
