//! The first bytes of a segment: whose it is, and where it belongs.

use thiserror::Error;

use super::{Lsn, SegmentName, SegmentSize, TimelineId, WalError};
use crate::error::{ErrorKind, Failure};

/// What the first page of each version begins with: `XLOG_PAGE_MAGIC` of
/// `access/xlog_internal.h`.
const MAGICS: [(u16, u32); 6] =
    [(0xD106, 13), (0xD10D, 14), (0xD110, 15), (0xD113, 16), (0xD116, 17), (0xD118, 18)];
/// `XLP_LONG_HEADER`: the page is the first of a segment.
const LONG_HEADER: u16 = 0x0002;

/// Why a file is no segment, or not the one that its name says.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// It ends before its header does.
    #[error("it has {has} bytes, less than the header of a segment")]
    Short {
        /// The bytes that are there.
        has: usize,
    },
    /// The first two bytes are those of no known version.
    #[error("it begins with {magic:#06X}, as no WAL of PostgreSQL 13 to 18 does")]
    Magic {
        /// The first two bytes, as a number of this machine.
        magic: u16,
    },
    /// The first page has no header of a segment's first page.
    #[error("its first page is not the first page of a segment")]
    NotFirst,
    /// The timeline is none.
    #[error("its header names timeline 0")]
    NoTimeline,
    /// The sizes are none that there are.
    #[error("its header names segments of {segment} bytes with pages of {block} bytes")]
    Sizes {
        /// Bytes in a segment.
        segment: u32,
        /// Bytes in a page.
        block: u32,
    },
    /// The segment belongs to another place in the log.
    #[error("it holds what begins at {found}, and {name} begins at {expected}")]
    Position {
        /// Its name.
        name: SegmentName,
        /// Where a segment of that name begins.
        expected: Lsn,
        /// Where its header says that it begins.
        found: Lsn,
    },
    /// The segment comes from a timeline that was begun later than its own.
    #[error("it is of timeline {found}, and {name} is of timeline {expected}")]
    Timeline {
        /// Its name.
        name: SegmentName,
        /// The timeline in the name.
        expected: TimelineId,
        /// The timeline in the header.
        found: TimelineId,
    },
    /// There is no segment of that name where segments have that size.
    #[error(transparent)]
    Name(#[from] WalError),
}

impl Failure for HeaderError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

/// The header of a segment's first page (`XLogLongPageHeaderData`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The major version of PostgreSQL that wrote it.
    pub major: u32,
    /// The timeline of the first page. It is an older one than that of the
    /// segment's name where a timeline was left within the segment.
    pub timeline: TimelineId,
    /// The position of the first byte.
    pub start: Lsn,
    /// The number of the cluster, made by `initdb`.
    pub system_identifier: u64,
    /// How many bytes a segment has.
    pub segment_size: SegmentSize,
    /// How many bytes a page has.
    pub block_size: u32,
    /// What each page begins with.
    pub(super) magic: u16,
    pub(super) big_endian: bool,
}

impl SegmentHeader {
    /// How many bytes the header has.
    pub const BYTES: usize = 40;

    /// Reads the first bytes of a segment, of a machine of either byte order.
    ///
    /// # Errors
    ///
    /// [`HeaderError`], but for [`HeaderError::Position`],
    /// [`HeaderError::Timeline`] and [`HeaderError::Name`].
    pub fn parse(bytes: &[u8]) -> Result<Self, HeaderError> {
        let Some(bytes) = bytes.first_chunk::<{ Self::BYTES }>() else {
            return Err(HeaderError::Short { has: bytes.len() });
        };
        let fields = Fields::of(bytes)?;
        if fields.half(2) & LONG_HEADER == 0 {
            return Err(HeaderError::NotFirst);
        }
        let (segment, block) = (fields.word(32), fields.word(36));
        let sizes = || HeaderError::Sizes { segment, block };
        // `configure --with-wal-blocksize` takes 1 to 64 KiB.
        if !block.is_power_of_two() || !(1 << 10..=64 << 10).contains(&block) {
            return Err(sizes());
        }
        Ok(Self {
            major: fields.major,
            timeline: TimelineId::new(fields.word(4)).ok_or(HeaderError::NoTimeline)?,
            start: Lsn::new(fields.long(8)),
            system_identifier: fields.long(24),
            segment_size: SegmentSize::new(u64::from(segment)).map_err(|_| sizes())?,
            block_size: block,
            magic: fields.half(0),
            big_endian: fields.big_endian,
        })
    }

    /// Tells whether the segment can be the one of that name.
    ///
    /// # Errors
    ///
    /// [`HeaderError::Position`], [`HeaderError::Timeline`],
    /// [`HeaderError::Name`].
    pub fn check_name(&self, name: SegmentName) -> Result<(), HeaderError> {
        let expected = name.start(self.segment_size)?;
        if self.start != expected {
            return Err(HeaderError::Position { name, expected, found: self.start });
        }
        if self.timeline > name.timeline() {
            let (expected, found) = (name.timeline(), self.timeline);
            return Err(HeaderError::Timeline { name, expected, found });
        }
        Ok(())
    }
}

/// The bytes, with the order that the first two tell.
struct Fields<'a> {
    bytes: &'a [u8; SegmentHeader::BYTES],
    big_endian: bool,
    major: u32,
}

impl<'a> Fields<'a> {
    fn of(bytes: &'a [u8; SegmentHeader::BYTES]) -> Result<Self, HeaderError> {
        let first = [bytes[0], bytes[1]];
        let major = |magic| MAGICS.iter().find(|it| it.0 == magic).map(|it| it.1);
        if let Some(major) = major(u16::from_le_bytes(first)) {
            return Ok(Self { bytes, big_endian: false, major });
        }
        match major(u16::from_be_bytes(first)) {
            Some(major) => Ok(Self { bytes, big_endian: true, major }),
            None => Err(HeaderError::Magic { magic: u16::from_ne_bytes(first) }),
        }
    }

    fn part<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut part = [0; N];
        part.copy_from_slice(&self.bytes[at..at + N]);
        part
    }

    fn half(&self, at: usize) -> u16 {
        let part = self.part(at);
        if self.big_endian { u16::from_be_bytes(part) } else { u16::from_le_bytes(part) }
    }

    fn word(&self, at: usize) -> u32 {
        let part = self.part(at);
        if self.big_endian { u32::from_be_bytes(part) } else { u32::from_le_bytes(part) }
    }

    fn long(&self, at: usize) -> u64 {
        let part = self.part(at);
        if self.big_endian { u64::from_be_bytes(part) } else { u64::from_le_bytes(part) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A header as PostgreSQL 15 writes it.
    fn header(timeline: u32, start: u64, segment: u32) -> Vec<u8> {
        let mut bytes = vec![0x10, 0xd1, 0x07, 0];
        bytes.extend(timeline.to_le_bytes());
        bytes.extend(start.to_le_bytes());
        bytes.extend([0; 8]);
        bytes.extend(7_318_349_394_477_056_789_u64.to_le_bytes());
        bytes.extend(segment.to_le_bytes());
        bytes.extend(8192_u32.to_le_bytes());
        bytes
    }

    #[test]
    fn a_header_says_whose_segment_it_is() {
        let read = SegmentHeader::parse(&header(3, 0x1_0300_0000, 16 << 20)).unwrap();
        let expected = SegmentHeader {
            major: 15,
            timeline: TimelineId::new(3).unwrap(),
            start: "1/3000000".parse().unwrap(),
            system_identifier: 7_318_349_394_477_056_789,
            segment_size: SegmentSize::DEFAULT,
            block_size: 8192,
            magic: 0xD110,
            big_endian: false,
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn a_segment_goes_by_its_own_name_only() {
        let read = SegmentHeader::parse(&header(3, 0x1_0300_0000, 16 << 20)).unwrap();
        let cases = [
            ("000000030000000100000003", "ok"),
            // The timeline was left within the segment.
            ("000000040000000100000003", "ok"),
            ("000000020000000100000003", "timeline"),
            ("000000030000000100000004", "position"),
            ("000000030000000200000003", "position"),
            ("0000000300000001000001FF", "name"),
        ];
        for (name, expected) in cases {
            let found = match read.check_name(name.parse().unwrap()) {
                Ok(()) => "ok",
                Err(HeaderError::Timeline { .. }) => "timeline",
                Err(HeaderError::Position { .. }) => "position",
                Err(HeaderError::Name(_)) => "name",
                Err(other) => panic!("{other}"),
            };
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn what_is_no_header_is_told_apart() {
        let good = header(1, 0, 1 << 20);
        let changed = |at: usize, to: u8| {
            let mut bytes = good.clone();
            bytes[at] = to;
            SegmentHeader::parse(&bytes)
        };
        assert_eq!(SegmentHeader::parse(&good[..39]), Err(HeaderError::Short { has: 39 }));
        assert!(matches!(changed(0, 0x11), Err(HeaderError::Magic { .. })));
        assert_eq!(changed(2, 0x05), Err(HeaderError::NotFirst));
        assert_eq!(changed(4, 0), Err(HeaderError::NoTimeline));
        assert!(matches!(changed(32, 1), Err(HeaderError::Sizes { .. })));
        assert!(matches!(changed(36, 1), Err(HeaderError::Sizes { .. })));
        assert!(matches!(SegmentHeader::parse(&[0; 64]), Err(HeaderError::Magic { .. })));
    }

    #[test]
    fn the_other_byte_order_is_read_too() {
        let mut bytes = vec![0xd1, 0x18, 0, 0x02];
        bytes.extend(1_u32.to_be_bytes());
        bytes.extend((5_u64 << 20).to_be_bytes());
        bytes.extend([0; 8]);
        bytes.extend(9_u64.to_be_bytes());
        bytes.extend((1_u32 << 20).to_be_bytes());
        bytes.extend(8192_u32.to_be_bytes());
        let read = SegmentHeader::parse(&bytes).unwrap();
        assert_eq!(
            (read.major, read.system_identifier, read.segment_size),
            (18, 9, SegmentSize::MIN)
        );
        read.check_name("000000010000000000000005".parse().unwrap()).unwrap();
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = SegmentHeader::parse(&bytes);
        }
    }
}
