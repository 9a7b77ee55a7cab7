//! A tree made into an archive: walking, reading and compressing overlap.
//!
//! One thread walks, opens files and reads the small ones; one reads the
//! large ones and lays everything out as an archive; the caller's thread
//! takes the finished buffers, compresses and writes them. Both queues are
//! short, so the memory needed does not grow with the tree.

mod buffers;
mod directories;
mod packer;
mod report;

use std::{
    io::{self, Write},
    sync::mpsc::{RecvTimeoutError, sync_channel},
    thread,
    time::Duration,
};

use thiserror::Error;

pub use self::report::{Counts, Report};
use self::{
    buffers::{Buffers, Filled},
    directories::Directories,
    packer::Packer,
};
use crate::{
    archive::Facts,
    state::{StateTotals, StateWriter},
    walk::{Base, Found, Rules, Start, WalkError, walk},
};

/// Found files that wait to be laid out. Each may hold an open file.
const WAITING_FILES: usize = 64;

/// How long a cancellation may go unnoticed while nothing is to be written.
const PATIENCE: Duration = Duration::from_millis(100);

/// Why an archive could not be made. It is not whole then.
#[derive(Debug, Error)]
pub enum PackError {
    /// The tree cannot be walked.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// The archive cannot be written.
    #[error("cannot write the archive")]
    Write(#[source] io::Error),
    /// The state cannot be written.
    #[error("cannot write the state")]
    State(#[source] io::Error),
    /// The caller said so.
    #[error("interrupted")]
    Cancelled,
    /// A thread panicked.
    #[error("a thread of the archiver panicked")]
    Panicked,
}

/// Everything that an archive is made from.
#[derive(Debug)]
pub struct Source<'a> {
    /// Where the walk begins.
    pub start: Start<'a>,
    /// What is left out.
    pub rules: Rules<'a>,
    /// What the archive says about itself.
    pub facts: &'a Facts,
    /// What files are compared with.
    pub base: Base,
}

/// What has become of it.
#[derive(Debug)]
pub struct Packed<S> {
    /// What was found and stored.
    pub report: Report,
    /// What the state was written into, to be made durable after the archive.
    pub state: Option<S>,
}

/// Makes an archive. The plain archive is written to `archive`, what is to be
/// remembered of the files to `state`. `going_on` is called often, with the
/// number of bytes laid out so far, and ends the work by returning false.
///
/// Returns `None`, with nothing of use written, if the root itself is left
/// out.
///
/// # Errors
///
/// Every [`PackError`]. A file that cannot be read is none: it is in the
/// report.
pub fn pack<S: Write + Send>(
    source: Source<'_>,
    archive: &mut dyn Write,
    state: Option<StateWriter<S>>,
    going_on: &mut dyn FnMut(u64) -> bool,
) -> Result<Option<Packed<S>>, PackError> {
    let Source { start, rules, facts, mut base } = source;
    thread::scope(|scope| {
        let (found, finds) = sync_channel::<Found>(WAITING_FILES);
        let walking =
            scope.spawn(move || walk(start, rules, &mut base, &mut |it| found.send(it).is_ok()));
        let (buffers, filled) = Buffers::new();
        let packing = scope.spawn(move || {
            let mut packer = Packer::new(buffers, state);
            packer.begin(facts)?;
            // The queue is dropped on the way out, which stops the walker.
            finds.into_iter().try_for_each(|it| packer.take(it))?;
            packer.finish()
        });
        let written = write(&filled, archive, going_on);
        // Dropping the queue stops the packer, if it is not at its end.
        drop(filled);
        let packed = packing.join().map_err(|_| PackError::Panicked)?;
        let walked = walking.join().map_err(|_| PackError::Panicked)?;
        written?;
        match (walked, packed) {
            (Err(WalkError::Stopped) | Ok(_), Err(e)) => Err(e),
            (Err(e), _) => Err(e.into()),
            (Ok(anything), Ok(packed)) => Ok(anything.then_some(packed)),
        }
    })
}

/// Tells whether a tree is exactly as it was when a state was written, whose
/// totals are given and which is the source's base.
///
/// # Errors
///
/// [`WalkError`] if the tree cannot be walked at all.
pub fn is_unchanged(
    start: Start<'_>,
    rules: Rules<'_>,
    mut base: Base,
    totals: StateTotals,
) -> Result<bool, WalkError> {
    let mut directories = Directories::default();
    let mut files = 0;
    let walked = walk(start, rules, &mut base, &mut |found| match found {
        Found::Directory { entry, unchanged, .. } => {
            files += unchanged.len() as u64;
            if let Some(entry) = entry {
                directories.add(&entry);
            }
            true
        }
        Found::Changed(_) => false,
        Found::Problem(problem) => !problem.trouble.is_warning(),
    });
    match walked {
        Err(WalkError::Stopped) => Ok(false),
        Err(e) => Err(e),
        Ok(anything) => {
            let now = StateTotals { files, directories: directories.finish() };
            Ok(anything && now == totals)
        }
    }
}

fn write(
    filled: &Filled,
    archive: &mut dyn Write,
    going_on: &mut dyn FnMut(u64) -> bool,
) -> Result<(), PackError> {
    let mut done = 0;
    loop {
        if !going_on(done) {
            return Err(PackError::Cancelled);
        }
        match filled.next(PATIENCE) {
            Ok(buffer) => {
                archive.write_all(buffer.filled()).map_err(PackError::Write)?;
                done += buffer.filled().len() as u64;
                filled.give_back(buffer);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}
