//! Objects that are written to several storages at the same time.

use std::{
    io::{self, Write},
    thread,
};

use blake3::Hasher;
use hayloft_plugin_api::{Error, Host, PutOptions, PutStream, Result, StorageHandle};

/// A storage that a backup is written to.
#[derive(Debug)]
pub(crate) struct Member {
    /// Its name in the configuration.
    pub(crate) name: String,
    /// It itself.
    pub(crate) storage: StorageHandle,
    /// Why nothing more is written to it.
    pub(crate) failed: Option<Error>,
}

impl Member {
    /// Opens it.
    ///
    /// # Errors
    ///
    /// If there is none of that name.
    pub(crate) fn open(host: &Host, name: &str) -> Result<Self> {
        Ok(Self { name: name.to_owned(), storage: host.storage(name)?, failed: None })
    }

    /// Takes note that it failed.
    pub(crate) fn fail(&mut self, error: Error) {
        let kind = error.kind();
        let error = error.context(format!("cannot write to storage {}", self.name)).with_kind(kind);
        tracing::error!("{error}; the backup goes on without that storage");
        self.failed.get_or_insert(error);
    }
}

/// An object under way to several storages. One that fails gets no more.
pub(crate) struct Fan {
    puts: Vec<Put>,
    hasher: Hasher,
    size: u64,
}

struct Put {
    /// Which of the storages.
    member: usize,
    stream: Box<dyn PutStream>,
    failed: Option<Error>,
}

/// An object that is durable, or why not, in each storage.
#[derive(Debug)]
pub(crate) struct Committed {
    /// Its bytes.
    pub(crate) size: u64,
    /// BLAKE3 of them.
    pub(crate) blake3: blake3::Hash,
    /// The storages that do not have it.
    pub(crate) failures: Vec<(usize, Error)>,
}

impl Fan {
    /// Begins an object, whose key must not be taken, in all storages that
    /// have not failed.
    pub(crate) fn open(members: &mut [Member], key: &str) -> Self {
        let mut puts = Vec::new();
        for (at, member) in members.iter_mut().enumerate().filter(|(_, it)| it.failed.is_none()) {
            let options = PutOptions { create_only: true, size_hint: None };
            match member.storage.put(key, options) {
                Ok(stream) => puts.push(Put { member: at, stream, failed: None }),
                Err(error) => member.fail(error.context(format!("cannot begin {key}"))),
            }
        }
        Self { puts, hasher: Hasher::new(), size: 0 }
    }

    /// Makes the object appear everywhere, durable; the storages wait for
    /// their disks and networks at the same time.
    pub(crate) fn commit(self) -> Committed {
        let (size, blake3) = (self.size, self.hasher.finalize());
        let mut results = Vec::new();
        thread::scope(|scope| {
            let waiting: Vec<_> =
                self.puts.into_iter().map(|it| (it.member, scope.spawn(|| it.commit()))).collect();
            for (member, it) in waiting {
                let panicked = |_| Err(Error::msg("a storage came to grief"));
                results.push((member, it.join().unwrap_or_else(panicked)));
            }
        });
        let failures = results.into_iter().filter_map(|(at, it)| Some((at, it.err()?))).collect();
        Committed { size, blake3, failures }
    }
}

impl Put {
    fn commit(mut self) -> Result<()> {
        match self.failed {
            Some(error) => Err(error),
            None => self.stream.commit().map(drop),
        }
    }
}

impl Write for Fan {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        for put in self.puts.iter_mut().filter(|it| it.failed.is_none()) {
            put.failed = put.stream.write(data).err();
        }
        if self.puts.iter().all(|it| it.failed.is_some())
            && let Some(error) = self.puts.iter().find_map(|it| it.failed.clone())
        {
            return Err(error.into_io());
        }
        self.hasher.update(data);
        self.size += data.len() as u64;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Debug for Fan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fan").field("size", &self.size).finish_non_exhaustive()
    }
}
