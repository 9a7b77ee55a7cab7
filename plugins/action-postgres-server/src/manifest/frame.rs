//! Frames, and where they lie.

use std::fmt;

use blake3::Hash;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};

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

/// `0`, or `["hash", part, offset, stored]`.
impl Serialize for Frame {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Zeros => to.serialize_u8(0),
            Self::Stored { hash, place } => {
                (hash.to_hex().as_str(), place.part, place.offset, place.stored).serialize(to)
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
        let missing = || de::Error::custom("a frame has four values");
        let hash: String = list.next_element()?.ok_or_else(missing)?;
        let hash = Hash::from_hex(&hash).map_err(|_| de::Error::custom("no hash of a frame"))?;
        let place = Place {
            part: list.next_element()?.ok_or_else(missing)?,
            offset: list.next_element()?.ok_or_else(missing)?,
            stored: list.next_element()?.ok_or_else(missing)?,
        };
        Ok(Frame::Stored { hash, place })
    }
}
