//! Frames, and where they lie.

use std::fmt;

use blake3::Hash;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};

use super::blocks::BLOCK;

/// A piece of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Nothing but zeros; it lies nowhere.
    Zeros,
    /// Anything else.
    Stored {
        /// BLAKE3 of the content.
        hash: Hash,
        /// Where it is.
        place: Place,
    },
    /// What an older backup has, with some blocks of its own.
    Patched {
        /// BLAKE3 of the content.
        hash: Hash,
        /// How it is put together.
        patch: Patch,
    },
}

/// Some blocks of a frame of full length; the others are as elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patch {
    /// Where the whole frame is that has the other blocks.
    pub(crate) base: Place,
    /// Where these blocks are, one behind the other.
    pub(crate) place: Place,
    /// BLAKE3 of them.
    pub(crate) hash: Hash,
    /// Which blocks they are, a bit for each.
    pub(crate) blocks: u64,
}

impl Patch {
    /// Returns how many bytes the blocks have.
    pub(crate) fn length(&self) -> usize {
        self.blocks.count_ones() as usize * BLOCK
    }

    /// Puts the blocks into the frame that has the others.
    pub(crate) fn apply(&self, blocks: &[u8], frame: &mut [u8]) {
        let wanted = frame.chunks_exact_mut(BLOCK).enumerate();
        let wanted = wanted.filter(|(at, _)| self.blocks >> at & 1 == 1);
        for ((_, to), from) in wanted.zip(blocks.chunks_exact(BLOCK)) {
            to.copy_from_slice(from);
        }
    }

    /// Takes the blocks out of a frame.
    pub(crate) fn extract(which: u64, frame: &[u8], blocks: &mut Vec<u8>) {
        let wanted = frame.chunks_exact(BLOCK).enumerate();
        for (_, block) in wanted.filter(|(at, _)| which >> at & 1 == 1) {
            blocks.extend_from_slice(block);
        }
    }
}

impl Frame {
    /// Returns the hash of the content; none if it is all zeros.
    pub(crate) fn hash(&self) -> Option<Hash> {
        match self {
            Self::Zeros => None,
            Self::Stored { hash, .. } | Self::Patched { hash, .. } => Some(*hash),
        }
    }

    /// Returns all places where something of it is.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place> {
        let (first, second) = match self {
            Self::Zeros => (None, None),
            Self::Stored { place, .. } => (Some(*place), None),
            Self::Patched { patch, .. } => (Some(patch.base), Some(patch.place)),
        };
        first.into_iter().chain(second)
    }
}

/// Where a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The number of the part in the manifest's table.
    pub(crate) part: u32,
    /// Where in it, before it was encrypted.
    pub(crate) offset: u64,
    /// How many bytes it has there; as many as the content if it is not
    /// compressed.
    pub(crate) stored: u32,
}

/// `0`, or `["hash", part, offset, stored]`; with blocks of its own
/// `["hash", part, offset, stored, "hash of the blocks", [part, offset, stored],
/// blocks]`, where the second place is that of the whole frame.
impl Serialize for Frame {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Zeros => to.serialize_u8(0),
            Self::Stored { hash, place } => {
                (hash.to_hex().as_str(), place.part, place.offset, place.stored).serialize(to)
            }
            Self::Patched { hash, patch: Patch { base, place, hash: own, blocks } } => {
                let (hash, own) = (hash.to_hex(), own.to_hex());
                let (hash, own) = (hash.as_str(), own.as_str());
                let whole = (base.part, base.offset, base.stored);
                (hash, place.part, place.offset, place.stored, own, whole, blocks).serialize(to)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Frame {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(FrameVisitor)
    }
}

struct FrameVisitor;

impl<'de> Visitor<'de> for FrameVisitor {
    type Value = Frame;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0, or a hash with a part, an offset and a length")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Frame, E> {
        if number == 0 { Ok(Frame::Zeros) } else { Err(E::custom("a frame is 0 or a list")) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Frame, A::Error> {
        let missing = || de::Error::custom("a frame has four or seven values");
        let hash: String = list.next_element()?.ok_or_else(missing)?;
        let hash = parsed(&hash)?;
        let place = Place {
            part: list.next_element()?.ok_or_else(missing)?,
            offset: list.next_element()?.ok_or_else(missing)?,
            stored: list.next_element()?.ok_or_else(missing)?,
        };
        let Some(own) = list.next_element::<String>()? else {
            return Ok(Frame::Stored { hash, place });
        };
        let (part, offset, stored) = list.next_element()?.ok_or_else(missing)?;
        let base = Place { part, offset, stored };
        let blocks = list.next_element()?.ok_or_else(missing)?;
        Ok(Frame::Patched { hash, patch: Patch { base, place, hash: parsed(&own)?, blocks } })
    }
}

fn parsed<E: de::Error>(hash: &str) -> Result<Hash, E> {
    Hash::from_hex(hash).map_err(|_| E::custom("no hash of a frame"))
}
