//! Walks through logs that are made here; `tests/wal_records.rs` has those of
//! real servers.

use proptest::prelude::*;

use super::{crc::Crc, *};
use crate::wal::SegmentSize;

const SEGMENT: usize = 1 << 20;
const PAGE: usize = 8192;
const CONTINUES: u16 = 1;
const OVERWRITES: u16 = 8;

/// A log as a server writes it, in memory.
struct Log {
    bytes: Vec<u8>,
    /// Where the first byte is.
    begin: u64,
    last: u64,
    timeline: u32,
    /// Of the bytes, those that belong to what was never finished.
    next_overwrites: bool,
}

impl Log {
    fn new(segment: u64) -> Self {
        let begin = segment * SEGMENT as u64;
        Self { bytes: Vec::new(), begin, last: begin + 8, timeline: 1, next_overwrites: false }
    }

    fn at(&self) -> u64 {
        self.begin + self.bytes.len() as u64
    }

    /// Begins a page where one must begin, with so many bytes left of a
    /// record.
    fn page(&mut self, rest: u32) {
        if !self.bytes.len().is_multiple_of(PAGE) {
            return;
        }
        let first = self.bytes.len().is_multiple_of(SEGMENT);
        let mut flags = u16::from(first) * 2;
        flags |= if rest > 0 { CONTINUES } else { 0 };
        flags |= if std::mem::take(&mut self.next_overwrites) { OVERWRITES } else { 0 };
        let address = self.at();
        self.bytes.extend(0xD110_u16.to_le_bytes());
        self.bytes.extend(flags.to_le_bytes());
        self.bytes.extend(self.timeline.to_le_bytes());
        self.bytes.extend(address.to_le_bytes());
        self.bytes.extend(u64::from(rest).to_le_bytes());
        if first {
            self.bytes.extend(7_u64.to_le_bytes());
            self.bytes.extend(u32::try_from(SEGMENT).unwrap().to_le_bytes());
            self.bytes.extend(u32::try_from(PAGE).unwrap().to_le_bytes());
        }
    }

    fn record(&mut self, info: u8, manager: u8, data: &[u8]) {
        self.page(0);
        let total = u32::try_from(HEAD + data.len()).unwrap();
        let mut header = Vec::new();
        header.extend(total.to_le_bytes());
        header.extend(3_u32.to_le_bytes());
        header.extend(self.last.to_le_bytes());
        header.extend([info, manager, 0, 0]);
        let sum = Crc::default().then(data).then(&header);
        header.extend(sum.value().to_le_bytes());
        self.last = self.at();
        let all = [header.as_slice(), data].concat();
        let mut all = all.as_slice();
        while !all.is_empty() {
            self.page(u32::try_from(all.len()).unwrap() * u32::from(all.len() < total as usize));
            let room = PAGE - self.bytes.len() % PAGE;
            let (now, later) = all.split_at(room.min(all.len()));
            self.bytes.extend(now);
            all = later;
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
    }

    /// Ends the segment.
    fn switch(&mut self) {
        self.record(SWITCH, 0, &[]);
        self.bytes.resize(self.bytes.len().next_multiple_of(SEGMENT), 0);
    }

    fn segments(&self) -> Vec<&[u8]> {
        self.bytes.chunks(SEGMENT).collect()
    }
}

const HEAD: usize = record::HEADER;
const SWITCH: u8 = 0x40;

fn walk(segment: &[u8], name_timeline: u32) -> Result<Walked, WalDamage> {
    let header = SegmentHeader::parse(segment).unwrap();
    let size = SegmentSize::new(SEGMENT as u64).unwrap();
    let timeline = TimelineId::new(name_timeline).unwrap();
    let name = SegmentName::containing(header.start, timeline, size);
    let mut check = RecordCheck::new(name, &header, None);
    // In pieces that are no pages.
    segment.chunks(100_003).for_each(|it| check.feed(it));
    check.finish()
}

/// Walks through all segments; tells what is wrong first.
fn walk_all<'a>(segments: impl IntoIterator<Item = &'a [u8]>) -> Result<u64, WalDamage> {
    let (mut chain, mut records) = (Chain::new(), 0);
    for segment in segments {
        let walked = walk(segment, 1)?;
        chain.follow(&walked)?;
        if let Some(ended) = walked.ended {
            return Err(ended);
        }
        records += walked.records;
    }
    Ok(records)
}

fn filled(lengths: &[usize]) -> Log {
    let mut log = Log::new(5);
    for (number, length) in lengths.iter().enumerate() {
        let noise = |it: usize| u8::try_from((it * 7 + number * 13) % 251).unwrap();
        let data: Vec<u8> = (0..*length).map(noise).collect();
        log.record(0, 10, &data);
    }
    log.switch();
    log
}

/// Fills two segments and a half, mostly with small records.
fn lengths() -> impl Strategy<Value = Vec<usize>> {
    let length = prop_oneof![
        40 => 0_usize..200,
        10 => 0_usize..20_000,
        1 => Just(0_usize),
        1 => 300_000_usize..700_000,
    ];
    prop::collection::vec(length, 40..400)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_log_is_walked_from_end_to_end(lengths in lengths()) {
        let log = filled(&lengths);
        let walked = walk_all(log.segments());
        prop_assert!(walked.is_ok(), "{:?}", walked);
        // Those that go from one segment to the next are not counted.
        prop_assert!(walked.unwrap() <= lengths.len() as u64 + 1);
    }

    #[test]
    fn every_flipped_bit_is_found(lengths in lengths(), places in prop::collection::vec(any::<prop::sample::Index>(), 12)) {
        let mut log = filled(&lengths);
        for place in places {
            let bit = place.index(log.bytes.len() * 8);
            let (byte, mask) = (bit / 8, 1 << (bit % 8));
            // The one bit of a page that has no meaning.
            let removable = byte % PAGE == 2 && mask == 4;
            // What a segment's first page says of the cluster is looked at by
            // those who know the cluster.
            let cluster = (24..40).contains(&(byte % SEGMENT));
            let magic = byte % SEGMENT < 2;
            if removable || cluster || magic || byte % SEGMENT == 2 && mask == 2 {
                continue;
            }
            log.bytes[byte] ^= mask;
            let header = SegmentHeader::parse(&log.bytes[byte / SEGMENT * SEGMENT..]);
            let found = match header {
                // The address or the timeline of the first page.
                Ok(header) => {
                    let at = log.begin + (byte / SEGMENT * SEGMENT) as u64;
                    header.start != Lsn::new(at)
                        || header.timeline.get() != 1
                        || walk_all(log.segments()).is_err()
                }
                Err(_) => true,
            };
            log.bytes[byte] ^= mask;
            prop_assert!(found, "bit {mask:#x} of byte {byte:#x}");
        }
    }

    #[test]
    fn nothing_makes_it_panic(noise in prop::collection::vec(any::<u8>(), 0..40_000), keep in 40_usize..9000) {
        let mut log = filled(&[500; 40]);
        let end = (keep + noise.len()).min(log.bytes.len());
        log.bytes[keep..end].copy_from_slice(&noise[..end - keep]);
        let _ = walk(&log.bytes, 1);
    }
}

#[test]
fn headers_may_be_split_between_segments() {
    // One record fills the segment but for 8, 16 or 24 bytes, or all of it.
    let pages = SEGMENT / PAGE;
    let room = SEGMENT - LONG - SHORT * (pages - 1);
    for left in [0, 8, 16, 24, 32] {
        for then in [0, 1, 100, 5000, 2 * SEGMENT] {
            let log = filled(&[room - HEAD - left, then, 20]);
            assert_eq!(walk_all(log.segments()).map(|it| it > 0), Ok(true), "{left} {then}");
            // The switch itself may be the one that is split.
            let log = filled(&[room - HEAD - left]);
            assert!(walk_all(log.segments()).is_ok(), "{left}");
        }
    }
}

#[test]
fn a_segment_that_ends_early_is_told_from_a_damaged_one() {
    let log = filled(&vec![300; 6000]);
    let segment = log.segments()[0];
    // Behind a timeline's end comes nothing, or what the file had before.
    let middle = walk(segment, 1).unwrap().last.unwrap().bytes() - log.begin;
    let middle = usize::try_from(middle).unwrap();
    for fill in [0, 0xA5] {
        let mut ended = segment.to_vec();
        ended[middle..].fill(fill);
        let walked = walk(&ended, 1).unwrap();
        assert_eq!(walked.ended.unwrap().position.bytes(), log.begin + middle as u64);
    }
    let other = filled(&vec![70; 30_000]);
    let mut recycled = segment.to_vec();
    recycled[SEGMENT / 2..].copy_from_slice(&other.segments()[1][SEGMENT / 2..]);
    assert!(walk(&recycled, 1).unwrap().ended.is_some());
    // What is damaged in the middle of a log is damaged for certain.
    let mut damaged = segment.to_vec();
    damaged[SEGMENT / 2..SEGMENT / 2 + 600].fill(0);
    assert!(walk(&damaged, 1).is_err());
    damaged.truncate(SEGMENT / 4);
    assert_eq!(walk(&damaged, 1).unwrap().ended.unwrap().reason, DamageReason::Short);
}

#[test]
fn what_was_lost_with_a_crash_is_no_damage() {
    for whole_segment in [false, true] {
        let mut log = Log::new(3);
        log.record(0, 10, &[7; 1000]);
        let last = log.last;
        // A record of which the rest was never written.
        log.record(0, 10, &vec![8; 3 * SEGMENT]);
        let page = if whole_segment { 2 * SEGMENT } else { 5 * PAGE };
        log.bytes.truncate(page);
        log.last = last;
        log.next_overwrites = true;
        log.record(0xD0, 0, &[0; 16]);
        log.record(0, 10, &[9; 100]);
        log.switch();
        assert_eq!(walk_all(log.segments()), Ok(4), "{whole_segment}");
    }
}

#[test]
fn segments_of_two_servers_do_not_continue_each_other() {
    let (one, two) = (filled(&vec![300; 9000]), filled(&vec![310; 9000]));
    let mixed = [one.segments()[0], two.segments()[1]];
    let error = walk_all(mixed).unwrap_err();
    let told = matches!(
        error.reason,
        DamageReason::NotContinued | DamageReason::Previous { .. } | DamageReason::Checksum
    );
    assert!(told, "{error}");
    // With one missing in between, nothing can be told.
    assert!(walk_all([one.segments()[0], two.segments()[2]]).is_ok());
}

#[test]
fn pages_are_of_the_timeline_that_the_history_tells() {
    let mut log = Log::new(2);
    log.record(0, 10, &vec![1; 3 * PAGE]);
    let switch = Lsn::new(log.at());
    log.timeline = 4;
    log.record(0, 10, &vec![1; 2 * PAGE]);
    log.switch();
    let history = format!("1\t{switch}\tx\n");
    let history = History::parse(TimelineId::new(4).unwrap(), history.as_bytes()).unwrap();
    let header = SegmentHeader::parse(&log.bytes).unwrap();
    let walked = |name: &str, history: Option<&History>| {
        let mut check = RecordCheck::new(name.parse().unwrap(), &header, history);
        check.feed(&log.bytes);
        check.finish().is_ok_and(|it| it.ended.is_none())
    };
    assert!(walked("000000040000000000000002", Some(&history)));
    assert!(walked("000000040000000000000002", None));
    // The old timeline's name for what the new one has written.
    assert!(!walked("000000010000000000000002", None));
    let elsewhere = History::parse(history.timeline(), b"1\t0/20A000\tx\n").unwrap();
    assert!(!walked("000000040000000000000002", Some(&elsewhere)));
}
