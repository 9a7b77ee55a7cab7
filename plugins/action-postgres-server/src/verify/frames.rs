//! Comparing frames with their hashes, in threads that all readers share: a
//! single large part keeps all processors busy.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, SyncSender},
    },
};

use super::part::Expected;
use crate::backup::{Aligned, Compressor};

/// How many stored bytes are handed over at a time, at least, unless there are
/// no more.
const ENOUGH: usize = 1 << 20;

/// Frames that lie one behind the other.
#[derive(Debug)]
pub(super) struct Piece {
    compressor: Arc<Compressor>,
    frames: Arc<[Expected]>,
    /// Which of them these are.
    which: Range<usize>,
    /// They, as they are stored.
    stored: Vec<u8>,
    /// Who is told which one is damaged, and how.
    damaged: Sender<(usize, String)>,
}

impl Piece {
    fn check(&self, scratch: &mut Aligned) {
        let mut at = 0;
        for index in self.which.clone() {
            let Some(frame) = self.frames.get(index) else { return };
            let end = at + frame.stored as usize;
            let problem = match self.stored.get(at..end) {
                Some(stored) => self.problem(stored, frame, scratch),
                None => Some("it ends too early".to_owned()),
            };
            at = end;
            if let Some(problem) = problem {
                // Nobody asks any more if the reading was ended.
                let _ = self.damaged.send((index, problem));
            }
        }
    }

    fn problem(&self, stored: &[u8], frame: &Expected, scratch: &mut Aligned) -> Option<String> {
        match self.compressor.unpack(stored, frame.length, scratch) {
            Ok(content) if blake3::hash(content) == frame.hash => None,
            Ok(_) => Some("the hash of a frame is another one".to_owned()),
            Err(error) => Some(error.to_string()),
        }
    }
}

/// Compares until there is nothing more to be compared.
pub(super) fn work(pieces: &Mutex<Receiver<Piece>>, spare: &Spare) {
    let mut scratch = Aligned::default();
    loop {
        let piece = pieces.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(piece) = piece else { return };
        piece.check(&mut scratch);
        spare.keep(piece.stored);
    }
}

/// Memory that is used again: new memory comes from the kernel, page by page.
#[derive(Debug, Default)]
pub(super) struct Spare(Mutex<Vec<Vec<u8>>>);

impl Spare {
    fn take(&self) -> Vec<u8> {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        waiting.unwrap_or_default()
    }

    fn keep(&self, mut memory: Vec<u8>) {
        memory.clear();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
    }
}

/// Gathers the frames of a part, and hands them over.
#[derive(Debug)]
pub(super) struct Gathering<'a> {
    hand: &'a SyncSender<Piece>,
    spare: &'a Spare,
    open: Piece,
}

impl<'a> Gathering<'a> {
    /// Begins with the first of these frames.
    pub(super) fn new(
        (hand, spare): (&'a SyncSender<Piece>, &'a Spare),
        compressor: Compressor,
        frames: Arc<[Expected]>,
        damaged: Sender<(usize, String)>,
    ) -> Self {
        let (compressor, stored) = (Arc::new(compressor), spare.take());
        Self { hand, spare, open: Piece { compressor, frames, which: 0..0, stored, damaged } }
    }

    /// Gives the memory that the next frame is to be appended to.
    pub(super) fn memory(&mut self) -> &mut Vec<u8> {
        &mut self.open.stored
    }

    /// Takes note that it was; hands over what is enough.
    pub(super) fn gathered(&mut self) {
        self.open.which.end += 1;
        if self.open.stored.len() >= ENOUGH {
            let next = Piece {
                compressor: Arc::clone(&self.open.compressor),
                frames: Arc::clone(&self.open.frames),
                which: self.open.which.end..self.open.which.end,
                stored: self.spare.take(),
                damaged: self.open.damaged.clone(),
            };
            send(self.hand, std::mem::replace(&mut self.open, next));
        }
    }

    /// Hands over what is left.
    pub(super) fn finish(self) {
        send(self.hand, self.open);
    }
}

fn send(hand: &SyncSender<Piece>, piece: Piece) {
    // Those who compare end after all who read.
    let _ = hand.send(piece);
}
