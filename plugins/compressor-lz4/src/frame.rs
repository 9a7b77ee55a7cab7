//! How long the parts of an LZ4 frame are, by the LZ4 frame format
//! description, version 1.6.

use hayloft_plugin_api::{Error, ErrorKind, Result};

const MAGIC: u32 = 0x184D_2204;
/// Frames with other people's data have this magic, but for the last digit.
const SKIPPABLE_MAGIC: u32 = 0x184D_2A50;

const HAS_DICTIONARY: u8 = 1;
const HAS_CONTENT_CHECKSUM: u8 = 1 << 2;
const HAS_CONTENT_SIZE: u8 = 1 << 3;
const HAS_BLOCK_CHECKSUMS: u8 = 1 << 4;
const CHECKSUM: usize = 4;
/// A block's length has this bit if the block is not compressed.
const UNCOMPRESSED: u32 = 1 << 31;

/// What a frame's header says about the lengths of what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    header: usize,
    largest_block: usize,
    block_checksums: bool,
    content_checksum: bool,
}

/// What a frame begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Head {
    /// That many bytes are needed to tell.
    Needs(usize),
    Frame(Layout),
    /// To be passed over: that many bytes after these eight.
    Skippable(u32),
}

/// Looks at the first bytes of a frame.
///
/// # Errors
///
/// [`ErrorKind::CORRUPT`] if it is none.
pub(crate) fn head(bytes: &[u8]) -> Result<Head> {
    let Some(magic) = number(bytes, 0) else { return Ok(Head::Needs(4)) };
    if magic & !0xf == SKIPPABLE_MAGIC {
        return Ok(number(bytes, 4).map_or(Head::Needs(8), Head::Skippable));
    }
    if magic != MAGIC {
        return Err(Error::new(ErrorKind::CORRUPT, "this is not an lz4 frame"));
    }
    let (Some(flags), Some(sizes)) = (bytes.get(4), bytes.get(5)) else {
        return Ok(Head::Needs(6));
    };
    let optional = if flags & HAS_CONTENT_SIZE != 0 { 8 } else { 0 }
        + if flags & HAS_DICTIONARY != 0 { 4 } else { 0 };
    Ok(Head::Frame(Layout {
        header: 6 + optional + 1,
        // 64 KiB, 256 KiB, 1 MiB or 4 MiB; smaller codes are reserved, and
        // are refused where the header is decoded.
        largest_block: 1 << (8 + 2 * usize::from(sizes >> 4 & 7)),
        block_checksums: flags & HAS_BLOCK_CHECKSUMS != 0,
        content_checksum: flags & HAS_CONTENT_CHECKSUM != 0,
    }))
}

/// The length of a block with all that belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Block {
    /// That many bytes are needed to tell.
    Needs(usize),
    Data(usize),
    /// The end of the frame.
    End(usize),
}

impl Layout {
    /// Returns the length of the header.
    pub(crate) fn header(&self) -> usize {
        self.header
    }

    /// Looks at the first bytes of a block.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CORRUPT`] if it is longer than the header allows.
    pub(crate) fn block(&self, bytes: &[u8]) -> Result<Block> {
        let Some(length) = number(bytes, 0) else { return Ok(Block::Needs(4)) };
        if length == 0 {
            return Ok(Block::End(4 + if self.content_checksum { CHECKSUM } else { 0 }));
        }
        let length = usize::try_from(length & !UNCOMPRESSED)?;
        if length > self.largest_block {
            return Err(Error::new(ErrorKind::CORRUPT, "a block of the lz4 frame is too long"));
        }
        Ok(Block::Data(4 + length + if self.block_checksums { CHECKSUM } else { 0 }))
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_follow_from_the_flags() {
        let cases: [(&[u8], Head); 5] = [
            (&[4, 0x22], Head::Needs(4)),
            (&[4, 0x22, 0x4d, 0x18, 0x40], Head::Needs(6)),
            (&[0x5f, 0x2a, 0x4d, 0x18, 3], Head::Needs(8)),
            (&[0x5f, 0x2a, 0x4d, 0x18, 3, 0, 0, 0], Head::Skippable(3)),
            (
                &[4, 0x22, 0x4d, 0x18, 0b0101_1101, 0x50],
                Head::Frame(Layout {
                    header: 19,
                    largest_block: 256 << 10,
                    block_checksums: true,
                    content_checksum: true,
                }),
            ),
        ];
        for (bytes, expected) in cases {
            assert_eq!(head(bytes).unwrap(), expected, "{bytes:?}");
        }
        assert_eq!(head(b"gzip").unwrap_err().kind(), ErrorKind::CORRUPT);
    }

    #[test]
    fn blocks_are_as_long_as_they_say_but_not_longer_than_the_header_allows() {
        let Head::Frame(layout) = head(&[4, 0x22, 0x4d, 0x18, 0x54, 0x40]).unwrap() else {
            panic!("a frame is not recognised")
        };
        let cases: [(u32, Option<Block>); 5] = [
            (0, Some(Block::End(8))),
            (1, Some(Block::Data(9))),
            (UNCOMPRESSED | 1, Some(Block::Data(9))),
            (64 << 10, Some(Block::Data((64 << 10) + 8))),
            ((64 << 10) + 1, None),
        ];
        for (length, expected) in cases {
            assert_eq!(layout.block(&length.to_le_bytes()).ok(), expected, "{length}");
        }
        assert_eq!(layout.block(&[0, 0, 0]).unwrap(), Block::Needs(4));
    }
}
