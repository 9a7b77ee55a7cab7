//! The header of a page of WAL (`XLogPageHeaderData`).

/// Where the first record of a page can begin, in bytes, unless the page is
/// the first of a segment.
pub(super) const SHORT: usize = 24;
/// The same, on the first page of a segment.
pub(super) const LONG: usize = 40;

/// `XLP_FIRST_IS_CONTRECORD`: the page begins with the rest of a record.
const CONTINUES: u16 = 0x0001;
/// `XLP_LONG_HEADER`: the page is the first of a segment.
const FIRST: u16 = 0x0002;
/// `XLP_FIRST_IS_OVERWRITE_CONTRECORD`: the rest of a record that ought to be
/// here was lost with a crash, and other records took its place.
const OVERWRITES: u16 = 0x0008;
/// `XLP_ALL_FLAGS`.
const ALL: u16 = 0x000F;

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) big_endian: bool,
}

impl Order {
    pub(super) fn half(self, bytes: &[u8], at: usize) -> u16 {
        let part = part(bytes, at);
        if self.big_endian { u16::from_be_bytes(part) } else { u16::from_le_bytes(part) }
    }

    pub(super) fn word(self, bytes: &[u8], at: usize) -> u32 {
        let part = part(bytes, at);
        if self.big_endian { u32::from_be_bytes(part) } else { u32::from_le_bytes(part) }
    }

    pub(super) fn long(self, bytes: &[u8], at: usize) -> u64 {
        let part = part(bytes, at);
        if self.big_endian { u64::from_be_bytes(part) } else { u64::from_le_bytes(part) }
    }
}

/// What is not there is nothing.
fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|it| it.first_chunk()).copied().unwrap_or([0; N])
}

/// The header of a page, of any but the fields of a segment's first page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageHeader {
    pub(super) magic: u16,
    flags: u16,
    pub(super) timeline: u32,
    pub(super) address: u64,
    /// How many bytes are left of the record that the page begins with.
    pub(super) rest: u32,
    /// Whether the bytes that have no meaning are zero.
    clean: bool,
}

impl PageHeader {
    /// Reads one; what is missing of it counts as zero.
    pub(super) fn read(page: &[u8], order: Order) -> Self {
        Self {
            magic: order.half(page, 0),
            flags: order.half(page, 2),
            timeline: order.word(page, 4),
            address: order.long(page, 8),
            rest: order.word(page, 16),
            clean: order.word(page, 20) == 0,
        }
    }

    /// Tells what is wrong with its flags, if it is the first page of a
    /// segment, or is not.
    pub(super) fn fault(&self, first: bool) -> Option<&'static str> {
        if self.flags & !ALL != 0 || (self.flags & FIRST != 0) != first || !self.clean {
            return Some("the header of its page has bits that no such header has");
        }
        if self.continues() != (self.rest > 0) || (self.continues() && self.overwrites()) {
            return Some("the header of its page contradicts itself");
        }
        None
    }

    pub(super) fn continues(&self) -> bool {
        self.flags & CONTINUES != 0
    }

    pub(super) fn overwrites(&self) -> bool {
        self.flags & OVERWRITES != 0
    }
}
