//! What is done to a frame, by several threads: read, check, hash, compress.

use std::{
    fs, io,
    num::NonZero,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender},
    },
};

use blake3::Hash;
use hayloft_plugin_api::{Error, Result};
use rustix::fs::{Advice, fadvise};

use super::{
    buffers::{Buffer, Buffers},
    encoding::Compressor,
    pages,
    resume::Held,
};
use crate::manifest::{self, BLOCKS, FRAME, Heads, Patch};

/// A frame that is to be made.
#[derive(Debug)]
pub(crate) struct Job {
    /// What is in it.
    pub(crate) content: Content,
    /// How many bytes it has.
    pub(crate) length: usize,
    /// What each lane has of it already.
    pub(crate) known: Vec<Known>,
    /// The number of its first page, if it has pages with checksums.
    pub(crate) first_page: Option<u32>,
    /// Who waits for it.
    pub(crate) reply: SyncSender<Result<Done>>,
}

/// What a lane has of a frame already, from an older backup.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// Its hash there.
    pub(crate) hash: Option<Hash>,
    /// What its blocks were.
    pub(crate) base: Option<Base>,
}

/// What the blocks of a frame were in an older backup.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    /// The first bytes of their hashes.
    pub(crate) blocks: Box<Heads>,
    /// Those that were not as in the frame that lies somewhere whole.
    pub(crate) patched: u64,
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
        /// Of its blocks, if it has full length.
        blocks: Option<Box<Heads>>,
        /// For each lane.
        pieces: Vec<Piece>,
    },
}

/// What a lane is to store of a frame.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// Nothing: it has it already.
    Nothing,
    /// All of it.
    Whole(Arc<Buffer>),
    /// Some blocks; the others are as in the older backup.
    Blocks {
        /// Which, a bit for each.
        which: u64,
        /// BLAKE3 of them.
        hash: Hash,
        /// They, if they are not stored already.
        packed: Option<Arc<Buffer>>,
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
    /// Memory for frames.
    pub(crate) buffers: Buffers,
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
            Content::Bytes(bytes) => Buffer::of(std::mem::take(bytes)),
            Content::File(file, start) => {
                let mut content = self.buffers.take(job.length);
                file.fill(*start, &mut content)?;
                content
            }
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
        let (hash, blocks) = manifest::hash(&content);
        let pieces = self.pieces(&job.known, hash, (blocks.as_deref(), content))?;
        Ok(Done { packed: Packed::Content { hash, blocks, pieces }, damaged })
    }

    /// Makes what each lane is to store: each form once.
    fn pieces(
        &self,
        known: &[Known],
        hash: Hash,
        (blocks, content): (Option<&Heads>, Buffer),
    ) -> Result<Vec<Piece>> {
        let content = Arc::new(content);
        let mut forms: Vec<Option<Arc<Buffer>>> = vec![None; self.compressors.len()];
        let mut pieces = Vec::with_capacity(known.len());
        for ((known, form), held) in known.iter().zip(&self.lanes).zip(&self.held) {
            let compressor =
                self.compressors.get(*form).ok_or_else(|| Error::msg("no compressor"))?;
            pieces.push(match changed(known, blocks) {
                _ if known.hash == Some(hash) || !held.find(&hash).is_empty() => Piece::Nothing,
                Some(which) => self.blocks((compressor, held), which, &content)?,
                None => {
                    let made = match &forms[*form] {
                        Some(made) => Arc::clone(made),
                        None => self.form(compressor, &content)?,
                    };
                    forms[*form] = Some(Arc::clone(&made));
                    Piece::Whole(made)
                }
            });
        }
        Ok(pieces)
    }

    fn form(&self, compressor: &Compressor, content: &Arc<Buffer>) -> Result<Arc<Buffer>> {
        if compressor.is_none() {
            return Ok(Arc::clone(content));
        }
        let mut packed = self.buffers.take(0);
        let smaller = compressor.pack(content, &mut packed)?;
        Ok(if smaller { Arc::new(packed) } else { Arc::clone(content) })
    }

    fn blocks(
        &self,
        (compressor, held): (&Compressor, &Held),
        which: u64,
        content: &[u8],
    ) -> Result<Piece> {
        let mut blocks = Vec::new();
        Patch::extract(which, content, &mut blocks);
        let hash = blake3::hash(&blocks);
        let new = held.find(&hash).is_empty();
        let packed = new.then(|| self.form(compressor, &Arc::new(Buffer::of(blocks))));
        Ok(Piece::Blocks { which, hash, packed: packed.transpose()? })
    }
}

/// Returns the blocks that a lane must store of a frame; none if it is better
/// to store all of it.
fn changed(known: &Known, blocks: Option<&Heads>) -> Option<u64> {
    let (base, blocks) = (known.base.as_ref()?, blocks?);
    let pairs = base.blocks.iter().zip(blocks).enumerate();
    let which = pairs.fold(
        base.patched,
        |which, (at, (old, new))| {
            if old == new { which } else { which | 1 << at }
        },
    );
    (which != 0 && which.count_ones() as usize * 2 <= BLOCKS).then_some(which)
}

/// How many bytes ahead of the frame that is read a disk is asked to read.
const AHEAD: u64 = 4 * FRAME;

impl Opened {
    /// Lets the system read ahead: several threads read one file, which it does
    /// not take for one that is read in order.
    pub(crate) fn expect_from(&self, start: u64) {
        let (from, length) = if start == 0 { (0, AHEAD + FRAME) } else { (start + AHEAD, FRAME) };
        // It is advice only.
        let _ = fadvise(&self.file, from, NonZero::new(length), Advice::WillNeed);
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
