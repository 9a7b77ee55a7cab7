//! From files to storages: one feeds, several make frames, one writes them in
//! order.
//!
//! ```text
//! feed ──jobs──▶ workers        (as many as there are, frame by frame)
//!   └──orders──▶ writer ◀── each frame, as soon as its worker has made it
//! ```
//!
//! Both queues are short: memory is bounded, whatever is backed up.

use std::{
    panic,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use hayloft_plugin_api::{Error, ErrorKind, Result};

use super::{
    lane::Lane,
    parent::Cursor,
    worker::{Base, Content, Done, Job, Known, Workshop},
};
use crate::manifest::{Entry, FRAME, File, Frame};

/// How many frames are under way for each worker.
const AHEAD: usize = 4;

/// What the writer does next.
#[derive(Debug)]
enum Order {
    Add(Entry),
    Begin(Box<File>, Vec<Option<Arc<File>>>),
    Frame(Receiver<Result<Done>>),
    End,
}

/// Takes what is to be backed up.
pub(crate) struct Feed<'a> {
    orders: SyncSender<Order>,
    jobs: SyncSender<Job>,
    /// What the parent of each lane has.
    cursors: Vec<Option<Cursor>>,
    /// Called before each frame with its bytes: whoever says no ends it.
    step: &'a mut dyn FnMut(&File, u64) -> Result<()>,
}

/// Runs a backup: `work` feeds it. Returns the lanes when all frames are
/// written, though not yet durable.
///
/// # Errors
///
/// Those of `work`, of workers and of lanes.
pub(crate) fn run<T>(
    workshop: &Workshop,
    lanes: Vec<Lane>,
    (cursors, workers): (Vec<Option<Cursor>>, usize),
    step: &mut dyn FnMut(&File, u64) -> Result<()>,
    work: impl FnOnce(&mut Feed<'_>) -> Result<T>,
) -> Result<(Vec<Lane>, T)> {
    let (jobs, taken) = sync_channel(workers);
    let taken = Mutex::new(taken);
    let (orders, given) = sync_channel(workers * AHEAD);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| workshop.work(&taken));
        }
        let writer = scope.spawn(move || write(lanes, &given));
        let mut feed = Feed { orders, jobs, cursors, step };
        let outcome = work(&mut feed);
        drop(feed);
        let written = writer.join().unwrap_or_else(|it| panic::resume_unwind(it));
        match (outcome, written) {
            (Ok(value), Ok(lanes)) => Ok((lanes, value)),
            // It is the reason why nobody took what was fed.
            (_, Err(error)) | (Err(error), Ok(_)) => Err(error),
        }
    })
}

fn write(mut lanes: Vec<Lane>, orders: &Receiver<Order>) -> Result<Vec<Lane>> {
    while let Ok(order) = orders.recv() {
        match order {
            Order::Add(entry) => each(&mut lanes, |lane| lane.add(entry.clone()))?,
            Order::Begin(file, parents) => {
                for (lane, parent) in lanes.iter_mut().zip(parents) {
                    lane.begin((*file).clone(), parent);
                }
            }
            Order::Frame(frame) => {
                let done = frame.recv().map_err(|_| Error::msg("a worker came to grief"))??;
                each(&mut lanes, |lane| lane.frame(&done))?;
            }
            Order::End => each(&mut lanes, Lane::end)?,
        }
    }
    Ok(lanes)
}

/// Does something with each lane that has not failed.
///
/// # Errors
///
/// If all have failed.
pub(crate) fn each(
    lanes: &mut [Lane],
    mut work: impl FnMut(&mut Lane) -> Result<()>,
) -> Result<()> {
    let mut last = None;
    for lane in lanes.iter_mut().filter(|it| !it.has_failed()) {
        if let Err(error) = work(lane) {
            lane.give_up(&error);
            last = Some(error);
        }
    }
    match last {
        Some(error) if lanes.iter().all(Lane::has_failed) => Err(error),
        _ => Ok(()),
    }
}

impl Feed<'_> {
    /// Adds a directory or a tablespace.
    ///
    /// # Errors
    ///
    /// If the backup has failed.
    pub(crate) fn add(&mut self, entry: Entry) -> Result<()> {
        self.order(Order::Add(entry))
    }

    /// Adds a file. `content` is asked for each frame, with its offset and
    /// length; `first_page` is the number of the file's first page, if it has
    /// pages with checksums.
    ///
    /// # Errors
    ///
    /// Those of `content`, and if the backup has failed.
    pub(crate) fn file(
        &mut self,
        file: &File,
        first_page: Option<u32>,
        mut content: impl FnMut(u64, usize) -> Result<Content>,
    ) -> Result<()> {
        let parents = self.parents_of(file);
        let count = usize::try_from(file.size.div_ceil(FRAME)).map_err(|_| too_large(file))?;
        self.order(Order::Begin(Box::new(file.clone()), parents.clone()))?;
        for index in 0..count {
            let (start, length) = file.span(index);
            (self.step)(file, length)?;
            let length = usize::try_from(length).map_err(|_| too_large(file))?;
            let pages = u32::try_from(start / hayloft_postgres::page::PAGE as u64);
            let first_page =
                first_page.and_then(|first| pages.ok().map(|it| first.wrapping_add(it)));
            let (reply, done) = sync_channel(1);
            let content = content(start, length)?;
            let known = parents.iter().map(|it| known(it.as_deref(), file, index)).collect();
            let job = Job { content, length, known, first_page, reply };
            self.jobs.send(job).map_err(|_| ended())?;
            self.order(Order::Frame(done))?;
        }
        self.order(Order::End)
    }

    /// Adds a small file with this content.
    ///
    /// # Errors
    ///
    /// If the backup has failed.
    pub(crate) fn bytes(&mut self, mut file: File, content: &[u8]) -> Result<()> {
        file.size = content.len() as u64;
        self.file(&file, None, |start, length| {
            let start = usize::try_from(start).map_err(|_| ended())?;
            Ok(Content::Bytes(content[start..start + length].to_vec()))
        })
    }

    fn order(&mut self, order: Order) -> Result<()> {
        self.orders.send(order).map_err(|_| ended())
    }

    /// Finds the file in the manifest of each lane's parent.
    fn parents_of(&mut self, file: &File) -> Vec<Option<Arc<File>>> {
        self.cursors.iter_mut().map(|it| it.as_mut()?.find(file).map(Arc::new)).collect()
    }
}

/// Returns what an older backup has of a frame.
fn known(parent: Option<&File>, file: &File, index: usize) -> Known {
    let Some((parent, frame)) = parent.and_then(|it| Some((it, it.frames.get(index)?))) else {
        return Known::default();
    };
    let patched = match frame {
        Frame::Zeros => return Known::default(),
        Frame::Stored { .. } => 0,
        Frame::Patched { patch, .. } => patch.blocks,
    };
    let same_length = parent.span(index).1 == file.span(index).1;
    let blocks = parent.blocks.of(index).filter(|_| same_length);
    Known {
        hash: frame.hash(),
        base: blocks.map(|blocks| Base { blocks: Box::new(blocks), patched }),
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::CANCELLED, "the backup has ended")
}

fn too_large(file: &File) -> Error {
    Error::msg(format!("{} is too large", file.path.path().display()))
}
