//! Which pieces of which objects are needed, in the order of the manifest.
//!
//! Frames that lie beside each other in a part are fetched in one request.
//! Those of an older backup are in the same order there as in this one, so
//! that parts that can only be read from their beginning, since they are
//! encrypted, are read once.

use std::{path::PathBuf, sync::Arc};

use blake3::Hash;

use crate::manifest::{Patch, Place};

/// How many stored bytes are fetched at once, at most.
const MOST_BYTES: u64 = 4 << 20;
/// How many pieces are in a batch, at most.
const MOST_PIECES: usize = 64;
/// What is fetched in vain rather than in a request of its own.
const GAP: u64 = 256 << 10;

/// A file that is being restored.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Out {
    /// Where it is.
    pub(super) at: PathBuf,
    /// Its path in the backup.
    pub(super) name: PathBuf,
    /// Whether it was there, and is compared with.
    pub(super) there: bool,
}

/// A frame that goes into a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// The file.
    pub(super) file: Arc<Out>,
    /// Where in it.
    pub(super) at: u64,
    /// How many bytes it has there.
    pub(super) length: usize,
    /// What they are.
    pub(super) hash: Hash,
    /// Where in the part it is.
    pub(super) offset: u64,
    /// How many bytes it has there.
    pub(super) stored: u32,
    /// The blocks that are other ones than there.
    pub(super) patch: Option<Patched>,
}

/// Blocks that are put into a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Patched {
    /// Which, and where they are.
    pub(super) patch: Patch,
    /// They, as they are stored, if they can only be read in order.
    pub(super) read: Option<Vec<u8>>,
}

/// Pieces that are fetched at once.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// The part.
    pub(super) part: u32,
    /// The pieces, in the order of their offsets.
    pub(super) pieces: Vec<Piece>,
    /// What was read of the part from the first piece to the last, if it can
    /// only be read in order.
    pub(super) content: Option<Vec<u8>>,
}

impl Batch {
    /// Returns what pieces cover of their part: from where to where.
    pub(super) fn span<'a>(pieces: impl IntoIterator<Item = &'a Piece>) -> (u64, u64) {
        let (mut start, mut end) = (u64::MAX, 0);
        for it in pieces {
            start = start.min(it.offset);
            end = end.max(it.offset + u64::from(it.stored));
        }
        (start.min(end), end)
    }
}

/// What is fetched in one request: from where in which part, to where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// The part.
    pub(super) part: u32,
    /// From where.
    pub(super) start: u64,
    /// To where.
    pub(super) end: u64,
}

/// Puts places that lie beside each other together.
pub(super) fn runs(places: impl IntoIterator<Item = Place>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for it in places {
        let end = it.offset.saturating_add(u64::from(it.stored));
        match runs.last_mut() {
            Some(run)
                if run.part == it.part
                    && (run.end..=run.end.saturating_add(GAP)).contains(&it.offset)
                    && end - run.start <= MOST_BYTES =>
            {
                run.end = end;
            }
            _ => runs.push(Run { part: it.part, start: it.offset, end }),
        }
    }
    runs
}

/// Gathers pieces into batches.
#[derive(Debug, Default)]
pub(super) struct Plan {
    open: Option<Batch>,
}

impl Plan {
    /// Adds a frame; returns the batch that is full with it.
    pub(super) fn add(&mut self, place: Place, piece: Piece) -> Option<Batch> {
        let fits = self.open.as_ref().is_some_and(|open| {
            let (start, end) = Batch::span(&open.pieces);
            open.part == place.part
                && open.pieces.len() < MOST_PIECES
                && (end..=end.saturating_add(GAP)).contains(&place.offset)
                && place.offset.saturating_add(u64::from(place.stored)) - start <= MOST_BYTES
        });
        let full = if fits { None } else { self.flush() };
        let new = || Batch { part: place.part, pieces: Vec::new(), content: None };
        self.open.get_or_insert_with(new).pieces.push(piece);
        full
    }

    /// Returns what was gathered.
    pub(super) fn flush(&mut self) -> Option<Batch> {
        self.open.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Part, offset and stored length of frames; how many go together.
    type Case<'a> = (&'a [(u32, u64, u64)], &'a [usize]);

    fn piece(offset: u64, stored: u32) -> Piece {
        let file = Arc::new(Out { at: PathBuf::new(), name: PathBuf::from("x"), there: false });
        Piece { file, at: 0, length: 1, hash: blake3::hash(b""), offset, stored, patch: None }
    }

    #[test]
    fn blocks_are_fetched_together_as_well() {
        let places = [(1, 0, 10), (1, 10, 10), (2, 20, 5), (2, 10, 5)];
        let places = places.map(|(part, offset, stored)| Place { part, offset, stored });
        let run = |part, start, end| Run { part, start, end };
        assert_eq!(runs(places), [run(1, 0, 20), run(2, 20, 25), run(2, 10, 15)]);
    }

    #[test]
    fn neighbours_are_fetched_together() {
        let kb = 1 << 10;
        let cases: [Case<'_>; 6] = [
            (&[(0, 0, 10), (0, 10, 10), (0, 20, 10)], &[3]),
            // Another part, a place before, a gap.
            (&[(0, 0, 10), (1, 10, 10)], &[1, 1]),
            (&[(0, 50, 10), (0, 0, 10)], &[1, 1]),
            (&[(0, 0, 10), (0, 200 * kb, 10)], &[2]),
            (&[(0, 0, 10), (0, 300 * kb, 10)], &[1, 1]),
            // Too much.
            (&[(0, 0, 3000 * kb), (0, 3000 * kb, 1000 * kb), (0, 4000 * kb, 1000 * kb)], &[2, 1]),
        ];
        for (frames, expected) in cases {
            let (mut found, mut plan) = (Vec::new(), Plan::default());
            for (part, offset, stored) in frames {
                let stored = u32::try_from(*stored).unwrap();
                let place = Place { part: *part, offset: *offset, stored };
                found.extend(plan.add(place, piece(*offset, stored)));
            }
            found.extend(plan.flush());
            let found: Vec<usize> = found.iter().map(|it| it.pieces.len()).collect();
            assert_eq!(found, expected, "{frames:?}");
        }
    }
}
