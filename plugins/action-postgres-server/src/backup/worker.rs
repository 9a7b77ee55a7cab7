//! What is done to a frame, by several threads: read, check, hash, compress.

use std::{
    fs, io,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender},
    },
};

use blake3::Hash;
use hayloft_plugin_api::{Error, Result};

use super::{encoding::Compressor, pages, resume::Held};

/// A frame that is to be made.
#[derive(Debug)]
pub(crate) struct Job {
    /// What is in it.
    pub(crate) content: Content,
    /// How many bytes it has.
    pub(crate) length: usize,
    /// The hash that each lane has of it already.
    pub(crate) known: Vec<Option<Hash>>,
    /// The number of its first page, if it has pages with checksums.
    pub(crate) first_page: Option<u32>,
    /// Who waits for it.
    pub(crate) reply: SyncSender<Result<Done>>,
}

/// What is in a frame.
#[derive(Debug)]
pub(crate) enum Content {
    /// What is in a file. If that has become shorter since, the rest is zeros:
    /// the WAL knows better.
    File(Arc<Opened>, u64),
    /// This.
    Bytes(Vec<u8>),
}

/// An open file.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The file.
    pub(crate) file: fs::File,
    /// Its path, for messages.
    pub(crate) path: PathBuf,
}

/// A frame that is made.
#[derive(Debug)]
pub(crate) struct Done {
    /// What is to be stored.
    pub(crate) packed: Packed,
    /// The numbers of damaged pages.
    pub(crate) damaged: Vec<u32>,
}

/// What is to be stored.
#[derive(Debug)]
pub(crate) enum Packed {
    /// Nothing: it is all zeros.
    Zeros,
    /// This.
    Content {
        /// BLAKE3 of the content.
        hash: Hash,
        /// It, by each compressor that is needed.
        forms: Vec<Option<Vec<u8>>>,
    },
}

/// What workers need.
#[derive(Debug)]
pub(crate) struct Workshop {
    /// The compressors, each once.
    pub(crate) compressors: Vec<Arc<Compressor>>,
    /// Which of them each lane takes.
    pub(crate) lanes: Vec<usize>,
    /// What each lane has stored already.
    pub(crate) held: Vec<Arc<Held>>,
}

impl Workshop {
    /// Makes frames until there are no more to be made.
    pub(crate) fn work(&self, jobs: &Mutex<Receiver<Job>>) {
        loop {
            let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(mut job) = job else { return };
            let done = self.make(&mut job);
            // Nobody waits any more if the backup has failed.
            drop(job.reply.send(done));
        }
    }

    fn make(&self, job: &mut Job) -> Result<Done> {
        let mut content = match &mut job.content {
            Content::Bytes(bytes) => std::mem::take(bytes),
            Content::File(file, start) => file.read(*start, job.length)?,
        };
        let damaged = match (job.first_page, &job.content) {
            (Some(first), Content::File(file, start)) => {
                pages::damaged(&mut content, first, |at, page| file.fill(start + at, page))?
            }
            // What was sent by the server was checked by it.
            _ => Vec::new(),
        };
        if content.iter().all(|it| *it == 0) {
            return Ok(Done { packed: Packed::Zeros, damaged });
        }
        let hash = blake3::hash(&content);
        let mut forms: Vec<Option<Vec<u8>>> = self.compressors.iter().map(|_| None).collect();
        for ((known, form), held) in job.known.iter().zip(&self.lanes).zip(&self.held) {
            if *known != Some(hash)
                && held.find(&hash).is_empty()
                && let (Some(compressor), Some(slot)) =
                    (self.compressors.get(*form), forms.get_mut(*form))
                && slot.is_none()
            {
                *slot = Some(compressor.pack(&content)?);
            }
        }
        Ok(Done { packed: Packed::Content { hash, forms }, damaged })
    }
}

impl Opened {
    fn read(&self, start: u64, length: usize) -> Result<Vec<u8>> {
        let mut content = vec![0; length];
        self.fill(start, &mut content)?;
        Ok(content)
    }

    /// Fills a buffer from an offset, and with zeros behind the end.
    fn fill(&self, start: u64, buffer: &mut [u8]) -> Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read_at(&mut buffer[filled..], start + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    let what = format!("cannot read {}", self.path.display());
                    return Err(Error::from(e).context(what));
                }
            }
        }
        buffer[filled..].fill(0);
        Ok(())
    }
}
