//! A segment of the log, its size and its name.

use std::{fmt, str::FromStr};

use super::{Lsn, TimelineId, WalError, lsn::hex32};

/// How many bytes a WAL segment has: a power of two from 1 MiB to 1 GiB,
/// chosen once by `initdb --wal-segsize`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentSize(u32);

impl SegmentSize {
    /// 16 MiB, what `initdb` takes unless told otherwise.
    pub const DEFAULT: Self = Self(16 << 20);
    /// 1 MiB.
    pub const MIN: Self = Self(1 << 20);
    /// 1 GiB.
    pub const MAX: Self = Self(1 << 30);

    /// Makes a size of a number of bytes.
    ///
    /// # Errors
    ///
    /// [`WalError::BadSegmentSize`] for what is no power of two from 1 MiB
    /// to 1 GiB.
    pub fn new(bytes: u64) -> Result<Self, WalError> {
        let good =
            bytes.is_power_of_two() && (Self::MIN.bytes()..=Self::MAX.bytes()).contains(&bytes);
        let small = u32::try_from(bytes).ok().filter(|_| good);
        small.map(Self).ok_or_else(|| WalError::BadSegmentSize { text: format!("{bytes} bytes") })
    }

    /// Returns the bytes.
    pub const fn bytes(self) -> u64 {
        self.0 as u64
    }

    /// Returns how many segments one log file of 4 GiB has: the middle part
    /// of a name advances after so many.
    pub const fn segments_per_log(self) -> u64 {
        (1 << 32) / self.bytes()
    }

    /// Returns every size there is, smallest first.
    pub fn all() -> impl Iterator<Item = Self> {
        (20..=30).map(|exponent| Self(1 << exponent))
    }
}

impl Default for SegmentSize {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Display for SegmentSize {
    /// Shows it as `SHOW wal_segment_size` does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 >> 20 {
            1024 => f.write_str("1GB"),
            megabytes => write!(f, "{megabytes}MB"),
        }
    }
}

impl FromStr for SegmentSize {
    type Err = WalError;

    /// Reads what `SHOW wal_segment_size` answers (`16MB`, `1GB`), or a bare
    /// number of bytes.
    fn from_str(text: &str) -> Result<Self, WalError> {
        let bad = || WalError::BadSegmentSize { text: format!("`{text}`") };
        let digits = text.trim_end_matches(|it: char| it.is_ascii_alphabetic());
        let unit = match &text[digits.len()..] {
            "" | "B" => 1,
            "kB" => 1 << 10,
            "MB" => 1 << 20,
            "GB" => 1 << 30,
            _ => return Err(bad()),
        };
        if !digits.bytes().all(|it| it.is_ascii_digit()) {
            return Err(bad());
        }
        let number: u64 = digits.parse().map_err(|_| bad())?;
        Self::new(number.checked_mul(unit).ok_or_else(bad)?).map_err(|_| bad())
    }
}

/// The name of a WAL segment: timeline, log and number within the log, eight
/// hexadecimal digits each.
///
/// The order is that of the names as text. What position a name stands for
/// depends on the segment size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentName {
    timeline: TimelineId,
    log: u32,
    within: u32,
}

impl SegmentName {
    /// Makes the name of its three parts.
    pub const fn from_parts(timeline: TimelineId, log: u32, within: u32) -> Self {
        Self { timeline, log, within }
    }

    /// Returns the segment with this number, counted over the whole log.
    ///
    /// # Errors
    ///
    /// [`WalError::BadName`] for a number beyond the last segment.
    pub fn new(timeline: TimelineId, number: u64, size: SegmentSize) -> Result<Self, WalError> {
        let per_log = size.segments_per_log();
        let parts = (u32::try_from(number / per_log), u32::try_from(number % per_log));
        let (Ok(log), Ok(within)) = parts else {
            return Err(WalError::BadName { name: format!("segment {number}") });
        };
        Ok(Self { timeline, log, within })
    }

    /// Returns the segment in which a position lies. A boundary belongs to
    /// the segment it begins; the last segment that holds something before
    /// `end` is `SegmentName::ending_at(end, …)`.
    pub fn containing(lsn: Lsn, timeline: TimelineId, size: SegmentSize) -> Self {
        let number = lsn.segment_number(size);
        let [log, within] = [number / size.segments_per_log(), number % size.segments_per_log()]
            // Both are below 2^32, as `lsn` has 64 bits and `size` at least 20.
            .map(|it| u32::try_from(it).unwrap_or(u32::MAX));
        Self { timeline, log, within }
    }

    /// Returns the segment of the last byte before `end`: the last one that a
    /// backup needs whose stop position is `end`. The segment of position 0
    /// is the first one.
    ///
    /// `pg_walfile_name()` says so up to version 16, and names the next
    /// segment from 17 on if `end` is a boundary; this is the same for all.
    pub fn ending_at(end: Lsn, timeline: TimelineId, size: SegmentSize) -> Self {
        Self::containing(Lsn::new(end.bytes().saturating_sub(1)), timeline, size)
    }

    /// Returns the timeline.
    pub const fn timeline(self) -> TimelineId {
        self.timeline
    }

    /// Returns the middle part: the high half of positions in the segment.
    pub const fn log(self) -> u32 {
        self.log
    }

    /// Returns the last part: the number within the log.
    pub const fn within(self) -> u32 {
        self.within
    }

    /// Returns the same segment on another timeline.
    #[must_use]
    pub const fn on(self, timeline: TimelineId) -> Self {
        Self { timeline, ..self }
    }

    /// Returns the number of the segment, counted over the whole log.
    ///
    /// # Errors
    ///
    /// [`WalError::NotOfThisSize`] if there is no such segment.
    pub fn number(self, size: SegmentSize) -> Result<u64, WalError> {
        let per_log = size.segments_per_log();
        if u64::from(self.within) >= per_log {
            return Err(WalError::NotOfThisSize { name: self, size: size.bytes() });
        }
        Ok(u64::from(self.log) * per_log + u64::from(self.within))
    }

    /// Returns the position of the first byte.
    ///
    /// # Errors
    ///
    /// [`WalError::NotOfThisSize`] if there is no such segment.
    pub fn start(self, size: SegmentSize) -> Result<Lsn, WalError> {
        Ok(Lsn::new(self.number(size)? * size.bytes()))
    }

    /// Returns the position of the byte at an offset.
    ///
    /// # Errors
    ///
    /// [`WalError::NotOfThisSize`] if there is no such segment, or none so
    /// large.
    pub fn position(self, offset: u64, size: SegmentSize) -> Result<Lsn, WalError> {
        let start = self.start(size)?;
        let inside = start.checked_add(offset).filter(|_| offset < size.bytes());
        inside.ok_or(WalError::NotOfThisSize { name: self, size: size.bytes() })
    }

    /// Tells whether a position lies in this segment, timelines aside.
    ///
    /// # Errors
    ///
    /// [`WalError::NotOfThisSize`] if there is no such segment.
    pub fn contains(self, lsn: Lsn, size: SegmentSize) -> Result<bool, WalError> {
        Ok(self.number(size)? == lsn.segment_number(size))
    }

    /// Returns the following segment of the same timeline.
    ///
    /// # Errors
    ///
    /// [`WalError::NotOfThisSize`], or [`WalError::NoNeighbour`] after the
    /// last.
    pub fn next(self, size: SegmentSize) -> Result<Self, WalError> {
        let number = self.number(size)?;
        Self::new(self.timeline, number + 1, size)
            .map_err(|_| WalError::NoNeighbour { name: self, direction: "after" })
    }

    /// Returns the preceding segment of the same timeline.
    ///
    /// # Errors
    ///
    /// [`WalError::NotOfThisSize`], or [`WalError::NoNeighbour`] before the
    /// first.
    pub fn previous(self, size: SegmentSize) -> Result<Self, WalError> {
        let number = self.number(size)?.checked_sub(1);
        let number = number.ok_or(WalError::NoNeighbour { name: self, direction: "before" })?;
        Self::new(self.timeline, number, size)
    }

    /// Returns the sixteen digits that an archive may take for a directory:
    /// timeline and log, as Barman's `wals` has them.
    pub fn directory(self) -> String {
        format!("{:08X}{:08X}", self.timeline.get(), self.log)
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08X}{:08X}{:08X}", self.timeline.get(), self.log, self.within)
    }
}

impl FromStr for SegmentName {
    type Err = WalError;

    /// Reads 24 hexadecimal digits. PostgreSQL writes capitals only; small
    /// letters are read too, as `pg_split_walfile_name()` does.
    fn from_str(name: &str) -> Result<Self, WalError> {
        parse(name).ok_or_else(|| WalError::BadName { name: name.to_owned() })
    }
}

fn parse(name: &str) -> Option<SegmentName> {
    if name.len() != 24 || !name.is_ascii() {
        return None;
    }
    let timeline = TimelineId::new(hex32(&name[..8])?)?;
    Some(SegmentName { timeline, log: hex32(&name[8..16])?, within: hex32(&name[16..])? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_size() -> impl Strategy<Value = SegmentSize> {
        (20u32..=30).prop_map(|exponent| SegmentSize::new(1 << exponent).unwrap())
    }

    fn any_timeline() -> impl Strategy<Value = TimelineId> {
        (1..=u32::MAX).prop_map(|it| TimelineId::new(it).unwrap())
    }

    #[test]
    fn sizes_are_powers_of_two_from_one_mebibyte_to_one_gibibyte() {
        assert_eq!(SegmentSize::all().count(), 11);
        for size in SegmentSize::all() {
            assert_eq!(size.to_string().parse::<SegmentSize>().unwrap(), size);
            assert_eq!(size.bytes().to_string().parse::<SegmentSize>().unwrap(), size);
        }
        for bytes in [0, 1, 1 << 19, 3 << 20, (16 << 20) + 1, 1 << 31, u64::MAX] {
            assert!(SegmentSize::new(bytes).is_err(), "{bytes}");
        }
        for text in ["", "MB", "16mb", "16 MB", "-16MB", "99999999999999999999MB", "2GB", "16MBx"] {
            assert!(text.parse::<SegmentSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn there_is_nothing_before_the_first_segment_and_after_the_last() {
        let first: SegmentName = "000000010000000000000000".parse().unwrap();
        let last: SegmentName = "00000001FFFFFFFF000000FF".parse().unwrap();
        let size = SegmentSize::DEFAULT;
        assert!(matches!(first.previous(size), Err(WalError::NoNeighbour { .. })));
        assert!(matches!(last.next(size), Err(WalError::NoNeighbour { .. })));
    }

    #[test]
    fn a_number_too_high_for_the_size_is_noticed() {
        let name: SegmentName = "000000010000000000000100".parse().unwrap();
        assert!(matches!(name.number(SegmentSize::DEFAULT), Err(WalError::NotOfThisSize { .. })));
        assert_eq!(name.number(SegmentSize::MIN).unwrap(), 256);
    }

    #[test]
    fn a_stop_position_at_a_boundary_needs_the_segment_before() {
        let end: Lsn = "0/2000000".parse().unwrap();
        let name = SegmentName::ending_at(end, TimelineId::FIRST, SegmentSize::DEFAULT);
        assert_eq!(name.to_string(), "000000010000000000000001");
        let name = SegmentName::containing(end, TimelineId::FIRST, SegmentSize::DEFAULT);
        assert_eq!(name.to_string(), "000000010000000000000002");
    }

    proptest! {
        #[test]
        fn names_survive_their_text(timeline in any_timeline(), log: u32, within: u32) {
            let name = SegmentName::from_parts(timeline, log, within);
            prop_assert_eq!(name.to_string().parse::<SegmentName>().unwrap(), name);
            prop_assert_eq!(name.to_string().to_lowercase().parse::<SegmentName>().unwrap(), name);
        }

        #[test]
        fn names_are_ordered_as_their_text(
            a in (any_timeline(), any::<u32>(), any::<u32>()),
            b in (any_timeline(), any::<u32>(), any::<u32>()),
        ) {
            let [a, b] = [a, b].map(|(t, log, within)| SegmentName::from_parts(t, log, within));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }

        #[test]
        fn positions_order_segments_of_one_timeline(a: u64, b: u64, size in any_size()) {
            let [a, b] = [a, b].map(|it| SegmentName::containing(Lsn::new(it), TimelineId::FIRST, size));
            prop_assert_eq!(a.cmp(&b), a.start(size).unwrap().cmp(&b.start(size).unwrap()));
        }

        #[test]
        fn a_segment_contains_what_it_was_found_for(bytes: u64, size in any_size(), timeline in any_timeline()) {
            let lsn = Lsn::new(bytes);
            let name = SegmentName::containing(lsn, timeline, size);
            prop_assert!(name.contains(lsn, size).unwrap());
            prop_assert_eq!(name.position(lsn.offset(size), size).unwrap(), lsn);
            prop_assert!(name.position(size.bytes(), size).is_err());
            let number = name.number(size).unwrap();
            prop_assert_eq!(SegmentName::new(timeline, number, size).unwrap(), name);
        }

        #[test]
        fn neighbours_are_mutual_and_touch(bytes: u64, size in any_size()) {
            let name = SegmentName::containing(Lsn::new(bytes), TimelineId::FIRST, size);
            if let Ok(next) = name.next(size) {
                prop_assert_eq!(next.previous(size).unwrap(), name);
                let end = name.start(size).unwrap().checked_add(size.bytes()).unwrap();
                prop_assert_eq!(next.start(size).unwrap(), end);
                prop_assert_eq!(SegmentName::ending_at(end, TimelineId::FIRST, size), name);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = text.parse::<SegmentName>();
            let _ = text.parse::<SegmentSize>();
        }
    }
}
