//! Records that are not whole yet.

use super::{crc::Crc, page::Order};
use crate::wal::Lsn;

/// How many bytes the header of a record has (`XLogRecord`).
pub(super) const HEADER: usize = 24;
/// More than any record has: `XLogRecordMaxSize` of version 16 and later is
/// 1020 MiB, and earlier ones could allocate no more than 1 GiB.
pub(super) const MOST: u32 = 1 << 30;
/// How much of the header the checksum is of; it follows.
const SUMMED: usize = 20;
/// `XLOG_SWITCH`, of the resource manager 0: the rest of the segment is empty.
const SWITCH: u8 = 0x40;

/// A record that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) start: Lsn,
    /// How many bytes are still to come.
    pub(super) left: u64,
    header: [u8; HEADER],
    have: usize,
    data: Crc,
}

impl Open {
    /// Begins one of so many bytes.
    pub(super) fn new(start: Lsn, total: u32) -> Self {
        let left = total.into();
        Self { start, left, header: [0; HEADER], have: 0, data: Crc::default() }
    }

    /// Takes bytes, not more than are left. Tells whether they completed the
    /// header.
    pub(super) fn take(&mut self, bytes: &[u8]) -> bool {
        let missing = (HEADER - self.have).min(bytes.len());
        let (header, data) = bytes.split_at(missing);
        self.header[self.have..self.have + missing].copy_from_slice(header);
        self.have += missing;
        if !data.is_empty() {
            self.data = self.data.then(data);
        }
        self.left = self.left.saturating_sub(bytes.len() as u64);
        missing > 0 && self.has_header()
    }

    pub(super) fn has_header(&self) -> bool {
        self.have == HEADER
    }

    /// Where the record before it begins.
    pub(super) fn previous(&self, order: Order) -> Lsn {
        Lsn::new(order.long(&self.header, 8))
    }

    /// Tells whether the checksum is right.
    pub(super) fn is_right(&self, order: Order) -> bool {
        self.data.then(&self.header[..SUMMED]).value() == order.word(&self.header, SUMMED)
    }

    /// Tells whether the rest of the segment is empty.
    pub(super) fn is_switch(&self) -> bool {
        is_switch(self.header[16], self.header[17])
    }

    /// Takes what another segment has of it.
    pub(super) fn join(&mut self, rest: &Rest) {
        let missing = HEADER - self.have;
        let header = &rest.begin[..missing.min(rest.have)];
        self.header[self.have..self.have + header.len()].copy_from_slice(header);
        self.have += header.len();
        // Records begin at multiples of 8 bytes, so nothing else is missing of
        // a header than 0, 8 or 16 bytes.
        if let Some(data) = rest.sums.get(missing / 8) {
            let length = rest.taken.saturating_sub(missing as u64);
            self.data = self.data.with(*data, length);
        }
        self.left = self.left.saturating_sub(rest.taken);
    }
}

fn is_switch(info: u8, manager: u8) -> bool {
    manager == 0 && info & 0xF0 == SWITCH
}

/// The rest of a record that the segment before begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rest {
    /// How many bytes are still to come.
    pub(super) left: u64,
    /// How many there are in this segment.
    taken: u64,
    /// The first of them: some may be of the header.
    begin: [u8; 16],
    have: usize,
    /// The checksums of what comes behind 0, 8 and 16 bytes.
    sums: [Crc; 3],
    /// What should follow was lost with a crash.
    pub(super) lost: bool,
}

impl Rest {
    pub(super) fn new(left: u64) -> Self {
        let sums = [Crc::default(); 3];
        Self { left, taken: 0, begin: [0; 16], have: 0, sums, lost: false }
    }

    /// How many bytes it had in all, at the begin of the segment.
    pub(super) fn total(&self) -> u64 {
        self.left + self.taken
    }

    /// Takes bytes, not more than are left.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        let more = (self.begin.len() - self.have).min(bytes.len());
        self.begin[self.have..self.have + more].copy_from_slice(&bytes[..more]);
        self.have += more;
        for (number, sum) in self.sums.iter_mut().enumerate() {
            // Some of what is left out may have been taken before.
            let left_out = (8 * number as u64).saturating_sub(self.taken);
            let from = usize::try_from(left_out).unwrap_or(usize::MAX).min(bytes.len());
            if from < bytes.len() {
                *sum = sum.then(&bytes[from..]);
            }
        }
        self.taken += bytes.len() as u64;
        self.left = self.left.saturating_sub(bytes.len() as u64);
    }

    /// Tells whether it can be the end of a record behind which the segment is
    /// empty. Such a record is nothing but a header.
    pub(super) fn may_be_switch(&self) -> bool {
        let whole = self.left == 0 && !self.lost;
        match self.taken {
            8 => whole && is_switch(self.begin[0], self.begin[1]),
            16 => whole && is_switch(self.begin[8], self.begin[9]),
            _ => false,
        }
    }
}
