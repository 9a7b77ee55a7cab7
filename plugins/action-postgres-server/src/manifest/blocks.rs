//! Blocks of frames: they tell which parts of a frame have changed.
//!
//! A page that changes makes a frame another one. An incremental backup stores
//! only those blocks of it that are not as they were, if those are few.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use blake3::{
    Hash, Hasher,
    hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{FRAME, File};

/// Bytes of a block.
pub(crate) const BLOCK: usize = 16 << 10;
/// Blocks of a frame: as many as a number has bits.
pub(crate) const BLOCKS: usize = 64;
/// The first bytes of the hash of each block of a frame.
pub(crate) type Heads = [[u8; 8]; BLOCKS];
/// Blocks of files with more bytes than this, which no relation has, are not
/// kept, so that a line of the manifest stays short.
const LARGEST: u64 = 2 << 30;

/// The first bytes of the hash of each block of a file, for frames of full
/// length; no block if they are not known.
///
/// They only tell what has changed. That two blocks differ and look alike is as
/// likely as a damaged memory, and would be found by the hash of the frame.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Blocks(Vec<[u8; 8]>);

impl Blocks {
    /// Tells whether a file has some.
    pub(crate) fn are_kept(file: &File) -> bool {
        (FRAME..=LARGEST).contains(&file.size)
    }

    /// Returns those of a frame.
    pub(crate) fn of(&self, index: usize) -> Option<Heads> {
        let start = index.checked_mul(BLOCKS)?;
        self.0.get(start..start.checked_add(BLOCKS)?)?.try_into().ok()
    }

    /// Adds those of the next frame of full length.
    pub(crate) fn add(&mut self, blocks: &Heads) {
        self.0.extend(blocks);
    }

    /// Tells whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells whether there are as many as a file has.
    pub(super) fn fit(&self, file: &File) -> bool {
        let frames = usize::try_from(file.size / FRAME).unwrap_or(usize::MAX);
        self.is_empty() || frames.checked_mul(BLOCKS) == Some(self.0.len())
    }
}

/// Returns the hash of a frame, and those of its blocks if it has full length:
/// they are nodes of the same tree, and cost nothing.
pub(crate) fn hash(content: &[u8]) -> (Hash, Option<Box<Heads>>) {
    if content.len() != BLOCK * BLOCKS {
        return (blake3::hash(content), None);
    }
    let mut nodes: Vec<ChainingValue> = Vec::with_capacity(BLOCKS);
    let mut offset = 0;
    for block in content.chunks_exact(BLOCK) {
        nodes.push(Hasher::new().set_input_offset(offset).update(block).finalize_non_root());
        offset += BLOCK as u64;
    }
    let mut blocks = Box::new([[0; 8]; BLOCKS]);
    for (block, node) in blocks.iter_mut().zip(&nodes) {
        block.copy_from_slice(&node[..8]);
    }
    while nodes.len() > 2 {
        let pairs = nodes.chunks_exact(2);
        nodes = pairs.map(|it| merge_subtrees_non_root(&it[0], &it[1], Mode::Hash)).collect();
    }
    (merge_subtrees_root(&nodes[0], &nodes[1], Mode::Hash), Some(blocks))
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blocks({})", self.0.len())
    }
}

/// Base64.
impl Serialize for Blocks {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD_NO_PAD.encode(self.0.as_flattened()))
    }
}

impl<'de> Deserialize<'de> for Blocks {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        let bytes = STANDARD_NO_PAD.decode(text.as_bytes());
        let bytes = bytes.map_err(|_| de::Error::custom("blocks are not in Base64"))?;
        let (blocks, rest) = bytes.as_chunks::<8>();
        if rest.is_empty() {
            Ok(Self(blocks.to_vec()))
        } else {
            Err(de::Error::custom("a block is cut off"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_whole_frame_and_each_block_has_its_own() {
        let frame: Vec<u8> = (0..FRAME).map(|it| ((it * it) >> 7).to_le_bytes()[0]).collect();
        for length in [0, 1, BLOCK, frame.len() - 1] {
            assert_eq!(hash(&frame[..length]), (blake3::hash(&frame[..length]), None));
        }
        let (whole, blocks) = hash(&frame);
        assert_eq!(whole, blake3::hash(&frame));
        let mut changed = frame.clone();
        changed[7 * BLOCK + 3] ^= 1;
        let (blocks, others) = (blocks.unwrap(), hash(&changed).1.unwrap());
        let differ = |at: &usize| others[*at] != blocks[*at];
        assert_eq!((0..BLOCKS).filter(differ).collect::<Vec<_>>(), [7]);
    }
}
