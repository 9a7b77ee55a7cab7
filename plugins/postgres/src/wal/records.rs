//! Walking the records of a segment.
//!
//! A segment has no checksum of its own, but every record in it has one
//! (CRC-32C), and what lies between records can be foretold: page headers say
//! where they are, and the rest is zero. So a flipped bit is found by walking
//! from one record to the next, as recovery does.
//!
//! ```text
//! let mut check = RecordCheck::new(name, &header, None);
//! check.feed(&bytes);
//! let walked = check.finish()?;      // damaged?
//! chain.follow(&walked)?;            // does it continue the segment before?
//! ```
//!
//! One bit of each page cannot be told from its opposite: `XLP_BKP_REMOVABLE`,
//! which recovery ignores.
//!
//! Source of the facts: `access/xlog_internal.h` and `access/xlogrecord.h` of
//! PostgreSQL 13 to 18, and a look at what servers write.

mod chain;
mod crc;
mod page;
mod record;
#[cfg(test)]
mod tests;

use thiserror::Error;

pub use self::chain::Chain;
use self::{
    page::{LONG, Order, PageHeader, SHORT},
    record::{Open, Rest},
};
use super::{History, Lsn, SegmentHeader, SegmentName, TimelineId};
use crate::error::{ErrorKind, Failure};

/// What records begin at multiples of, in bytes (`MAXALIGN`).
const ALIGNMENT: usize = 8;

/// What is wrong in a segment, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("at {position}: {reason}")]
pub struct WalDamage {
    /// Where the record, or the page, begins that is wrong.
    pub position: Lsn,
    /// What is wrong.
    pub reason: DamageReason,
}

/// Why a segment is damaged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DamageReason {
    /// A page has not the header that it must have.
    #[error("{0}")]
    Page(&'static str),
    /// There is nothing where a record must be.
    #[error("there is no record where one must begin")]
    NoRecord,
    /// A record cannot be that long.
    #[error("a record cannot have {0} bytes")]
    Length(u32),
    /// A record does not come behind the one that it says.
    #[error("the record before it is said to begin at {found}, and begins at {expected}")]
    Previous {
        /// Where the record before it begins.
        expected: Lsn,
        /// Where it says that one begins.
        found: Lsn,
    },
    /// The checksum of a record is wrong.
    #[error("the checksum of the record is wrong")]
    Checksum,
    /// There is something where nothing must be.
    #[error("there is something behind the record where nothing must be")]
    NotEmpty,
    /// There is something in the part of a segment that was given up.
    #[error("there is something behind the switch to the next segment")]
    BehindSwitch,
    /// The segment ends early.
    #[error("the segment ends")]
    Short,
    /// The segment does not continue the one before it.
    #[error("it does not continue the segment before it")]
    NotContinued,
}

impl Failure for WalDamage {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

/// What came of a walk through a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walked {
    /// How many records begin and end in the segment.
    pub records: u64,
    /// Why the walk ended before the segment did, if nothing proves that it
    /// should not have: so a segment ends in which its timeline was left, and
    /// one that is not whole. Elsewhere it is damaged.
    pub ended: Option<WalDamage>,
    start: Lsn,
    end: Lsn,
    order: Order,
    rest: Option<Rest>,
    /// What should be at the begin was lost with a crash.
    overwrites: bool,
    /// Where the first record begins, and where it says that the one before
    /// it does.
    first: Option<(Lsn, Lsn)>,
    last: Option<Lsn>,
    tail: Option<Open>,
}

/// A walk through a segment.
///
/// Takes little time and no more memory than a page.
#[derive(Debug)]
pub struct RecordCheck {
    header: SegmentHeader,
    order: Order,
    timeline: TimelineId,
    history: Option<History>,
    /// What is there of a page that is not whole yet.
    buffer: Vec<u8>,
    /// Where the next page begins, in bytes from the segment's begin.
    offset: u64,
    state: State,
    page_timeline: TimelineId,
    problem: Option<WalDamage>,
    proven: bool,
    records: u64,
    rest: Option<Rest>,
    overwrites: bool,
    first: Option<(Lsn, Lsn)>,
    last: Option<Lsn>,
}

/// What comes next.
#[derive(Debug)]
enum State {
    /// The first page.
    Start,
    /// A record.
    Between,
    /// More of the record that the segment before begins.
    Rest(Rest),
    /// More of a record.
    Within(Open),
    /// Nothing any more.
    Switched,
    /// The walk is over. Later pages may prove that it should not be.
    Lost,
}

/// Why a walk ends: where, why, and whether that is proof of damage.
type Stop = (Lsn, DamageReason, bool);

impl RecordCheck {
    /// Begins a walk through the segment of that name and header. Where the
    /// way to its timeline is known, each page must be of the right one.
    pub fn new(name: SegmentName, header: &SegmentHeader, history: Option<&History>) -> Self {
        Self {
            header: *header,
            order: Order { big_endian: header.big_endian },
            timeline: name.timeline(),
            history: history.cloned(),
            buffer: Vec::new(),
            offset: 0,
            state: State::Start,
            page_timeline: header.timeline,
            problem: None,
            proven: false,
            records: 0,
            rest: None,
            overwrites: false,
            first: None,
            last: None,
        }
    }

    /// Takes the next bytes of the segment, from its first on.
    pub fn feed(&mut self, bytes: &[u8]) {
        let size = self.header.block_size as usize;
        let mut bytes = bytes;
        if !self.buffer.is_empty() {
            let missing = (size - self.buffer.len()).min(bytes.len());
            self.buffer.extend_from_slice(&bytes[..missing]);
            bytes = &bytes[missing..];
            if self.buffer.len() < size {
                return;
            }
            let page = std::mem::take(&mut self.buffer);
            self.page(&page);
        }
        let pages = bytes.chunks_exact(size);
        self.buffer.extend_from_slice(pages.remainder());
        pages.for_each(|page| self.page(page));
    }

    /// Ends the walk.
    ///
    /// # Errors
    ///
    /// [`WalDamage`] if the segment is damaged for certain.
    pub fn finish(mut self) -> Result<Walked, WalDamage> {
        let whole = self.offset >= self.header.segment_size.bytes();
        if self.problem.is_none() && !whole {
            let position = self.position(0);
            self.problem = Some(WalDamage { position, reason: DamageReason::Short });
        }
        if let Some(problem) = self.problem.take_if(|_| self.proven) {
            return Err(problem);
        }
        let tail = match self.state {
            State::Rest(rest) => {
                self.rest = Some(rest);
                None
            }
            State::Within(open) => Some(open),
            _ => None,
        };
        Ok(Walked {
            records: self.records,
            ended: self.problem,
            start: self.header.start,
            end: Lsn::new(self.header.start.bytes().saturating_add(self.offset)),
            order: self.order,
            rest: self.rest,
            overwrites: self.overwrites,
            first: self.first,
            last: self.last,
            tail,
        })
    }

    /// The position of a byte of this page.
    fn position(&self, within: usize) -> Lsn {
        Lsn::new(self.header.start.bytes().saturating_add(self.offset + within as u64))
    }

    fn page(&mut self, page: &[u8]) {
        if matches!(self.state, State::Lost) {
            self.proven |= self.is_of_this_log(page);
        } else {
            let walked = self.enter(page).and_then(|at| self.walk(page, at));
            if let Err((position, reason, proven)) = walked {
                self.problem = Some(WalDamage { position, reason });
                self.proven |= proven;
                self.state = State::Lost;
            }
        }
        self.offset += page.len() as u64;
    }

    /// Tells whether the server wrote this page here: then it had not ended
    /// its log before. What is left of the file's former use has other
    /// addresses.
    fn is_of_this_log(&self, page: &[u8]) -> bool {
        let header = PageHeader::read(page, self.order);
        header.magic == self.header.magic
            && header.address == self.position(0).bytes()
            && header.fault(self.offset == 0).is_none()
            && self.timeline_fault(&header).is_none()
    }

    /// Tells whether a page is of a wrong timeline.
    fn timeline_fault(&self, header: &PageHeader) -> Option<&'static str> {
        let Some(timeline) = TimelineId::new(header.timeline) else {
            return Some("its page is of no timeline");
        };
        let wrong = match &self.history {
            Some(history) => timeline != history.timeline_of(self.position(0)),
            None => timeline < self.page_timeline || timeline > self.timeline,
        };
        wrong.then_some("its page is of another timeline")
    }

    /// Checks the header of a page; returns where what follows begins.
    fn enter(&mut self, page: &[u8]) -> Result<usize, Stop> {
        if matches!(self.state, State::Switched) && page.iter().all(|it| *it == 0) {
            return Ok(page.len());
        }
        let position = self.position(0);
        let wrong = |why| (position, DamageReason::Page(why), false);
        let header = PageHeader::read(page, self.order);
        if header.magic != self.header.magic || header.address != position.bytes() {
            return Err(wrong("its page is none of this place in the log"));
        }
        let first = self.offset == 0;
        let fault = header.fault(first).or_else(|| self.timeline_fault(&header));
        if let Some(why) = fault {
            return Err(wrong(why));
        }
        self.page_timeline = TimelineId::new(header.timeline).unwrap_or(self.page_timeline);
        // The page is of this log, so that did not end before it.
        self.go_on(&header).map_err(|why| (position, DamageReason::Page(why), true))?;
        Ok(if first { LONG } else { SHORT })
    }

    /// Goes on with what the page begins with.
    fn go_on(&mut self, header: &PageHeader) -> Result<(), &'static str> {
        let rest = u64::from(header.rest);
        let expected = match &self.state {
            State::Start if rest > 0 => {
                self.state = State::Rest(Rest::new(rest));
                return Ok(());
            }
            State::Start => {
                self.overwrites = header.overwrites();
                self.state = State::Between;
                return Ok(());
            }
            State::Rest(it) => it.left,
            State::Within(it) => it.left,
            State::Between | State::Switched | State::Lost => 0,
        };
        if header.overwrites() && expected > 0 {
            // What was begun was never finished.
            if let State::Rest(it) = &mut self.state {
                it.lost = true;
                self.rest = Some(it.clone());
            }
            self.state = State::Between;
            return Ok(());
        }
        if rest != expected || header.overwrites() {
            return Err("its page does not continue the one before");
        }
        Ok(())
    }

    /// Walks from one record to the next, to the end of the page.
    fn walk(&mut self, page: &[u8], from: usize) -> Result<(), Stop> {
        let mut at = from;
        while at < page.len() {
            at = match std::mem::replace(&mut self.state, State::Lost) {
                State::Between => self.begin(page, at)?,
                State::Within(open) => self.take(open, page, at)?,
                State::Rest(rest) => self.take_rest(rest, page, at)?,
                State::Switched => {
                    if page[at..].iter().any(|it| *it != 0) {
                        return Err((self.position(at), DamageReason::BehindSwitch, true));
                    }
                    self.state = State::Switched;
                    page.len()
                }
                State::Start | State::Lost => return Ok(()),
            };
        }
        Ok(())
    }

    fn begin(&mut self, page: &[u8], at: usize) -> Result<usize, Stop> {
        let length = self.order.word(page, at);
        let start = self.position(at);
        if length == 0 {
            return Err((start, DamageReason::NoRecord, false));
        }
        if (length as usize) < record::HEADER || length > record::MOST {
            return Err((start, DamageReason::Length(length), false));
        }
        self.state = State::Within(Open::new(start, length));
        Ok(at)
    }

    fn take(&mut self, mut open: Open, page: &[u8], at: usize) -> Result<usize, Stop> {
        let end = at + usize::try_from(open.left).unwrap_or(usize::MAX).min(page.len() - at);
        let start = open.start;
        if open.take(&page[at..end]) {
            let found = open.previous(self.order);
            if let Some(expected) = self.last.filter(|it| *it != found) {
                return Err((start, DamageReason::Previous { expected, found }, false));
            }
        }
        if open.left > 0 {
            self.state = State::Within(open);
            return Ok(end);
        }
        if !open.is_right(self.order) {
            // A record that knows the one before it was written here.
            return Err((start, DamageReason::Checksum, self.last.is_some()));
        }
        self.records += 1;
        self.last = Some(start);
        if self.first.is_none() {
            self.first = Some((start, open.previous(self.order)));
        }
        self.state = if open.is_switch() { State::Switched } else { State::Between };
        Self::padding(page, end).map_err(|()| (start, DamageReason::NotEmpty, false))
    }

    fn take_rest(&mut self, mut rest: Rest, page: &[u8], at: usize) -> Result<usize, Stop> {
        let end = at + usize::try_from(rest.left).unwrap_or(usize::MAX).min(page.len() - at);
        rest.take(&page[at..end]);
        if rest.left > 0 {
            self.state = State::Rest(rest);
            return Ok(end);
        }
        self.state = if rest.may_be_switch() { State::Switched } else { State::Between };
        self.rest = Some(rest);
        Self::padding(page, end).map_err(|()| (self.position(0), DamageReason::NotEmpty, false))
    }

    /// Passes what is between a record and the next.
    fn padding(page: &[u8], at: usize) -> Result<usize, ()> {
        let end = at.next_multiple_of(ALIGNMENT);
        let empty = page[at..end.min(page.len())].iter().all(|it| *it == 0);
        if empty { Ok(end) } else { Err(()) }
    }
}
