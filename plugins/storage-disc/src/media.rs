//! Kinds of discs, and what fits on them.

use std::fmt;

/// The size in bytes of a sector of a data disc.
pub const SECTOR: u64 = 2048;

/// Sectors that the first session on a CD takes for itself, as cdrecord's
/// manual has it.
const FIRST_LEAD_IN: u64 = 11_400;
/// Sectors that every further session on a CD takes for itself.
const LEAD_IN: u64 = 6_900;
/// What is added to the estimate of an image that will be made a little
/// differently, in sectors: growisofs makes the one for a DVD itself.
pub const MARGIN: u64 = 2_500;
/// growisofs counts in blocks of this many sectors.
pub const DVD_BLOCK: u64 = 16;

/// A disc that can be bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Media {
    /// 650 MB, written once.
    CdR74,
    /// 650 MB, rewritable.
    CdRw74,
    /// 700 MB, written once.
    CdR80,
    /// 700 MB, rewritable.
    CdRw80,
    /// 4.4 GB, written once.
    DvdPlusR,
    /// 4.4 GB, rewritable.
    DvdPlusRw,
}

impl Media {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::CdR74, Self::CdRw74, Self::CdR80, Self::CdRw80, Self::DvdPlusR, Self::DvdPlusRw];

    /// Finds it by its name in the configuration.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// Returns its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::CdR74 => "cdr-74",
            Self::CdRw74 => "cdrw-74",
            Self::CdR80 => "cdr-80",
            Self::CdRw80 => "cdrw-80",
            Self::DvdPlusR => "dvd+r",
            Self::DvdPlusRw => "dvd+rw",
        }
    }

    /// Tells whether what is on it can be erased.
    pub fn is_rewritable(self) -> bool {
        matches!(self, Self::CdRw74 | Self::CdRw80 | Self::DvdPlusRw)
    }

    /// Tells whether it is a CD; else it is a DVD.
    pub fn is_cd(self) -> bool {
        !matches!(self, Self::DvdPlusR | Self::DvdPlusRw)
    }

    /// Returns how many sectors it has.
    pub fn sectors(self) -> u64 {
        const MIB: u64 = 1 << 20;
        match self {
            Self::CdR74 | Self::CdRw74 => 650 * MIB / SECTOR,
            Self::CdR80 | Self::CdRw80 => 700 * MIB / SECTOR,
            Self::DvdPlusR | Self::DvdPlusRw => 44 * (MIB << 10) / 10 / SECTOR,
        }
    }
}

impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where the last session of a disc begins and where the next one would, in
/// sectors: what `cdrecord -msinfo` says and `mkisofs -C` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Where the last one begins.
    pub last: u64,
    /// Where the next one begins.
    pub next: u64,
}

/// How full a disc is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes in use.
    pub used: u64,
    /// Bytes that data can take; what a session needs for itself is not in it.
    pub free: u64,
    /// Where an image that is appended has to go; `None` on an empty disc.
    pub session: Option<Session>,
}

impl Room {
    /// Works out the room on a CD.
    pub fn on_cd(media: Media, session: Option<Session>) -> Self {
        let next = session.map_or(0, |it| it.next);
        let lead_in = if next == 0 { FIRST_LEAD_IN } else { LEAD_IN };
        let free = media.sectors().saturating_sub(next).saturating_sub(lead_in);
        Self { used: next.saturating_mul(SECTOR), free: free * SECTOR, session }
    }

    /// Works out the room on a DVD of which so many sectors are in use.
    pub fn on_dvd(media: Media, used: u64) -> Self {
        let free = media.sectors().saturating_sub(used) * SECTOR;
        Self { used: used.saturating_mul(SECTOR), free, session: None }
    }

    /// Returns the bytes in all.
    pub fn total(&self) -> u64 {
        self.used.saturating_add(self.free)
    }

    /// Returns how much of it is in use, in per cent.
    pub fn utilised(&self) -> f64 {
        match (self.free, self.used) {
            (0, _) => 100.0,
            (_, 0) => 0.0,
            (_, used) => approximate(used) / approximate(self.total()) * 100.0,
        }
    }
}

/// Returns a number of bytes for a calculation that need not be exact.
#[expect(clippy::cast_precision_loss, reason = "discs are far smaller than what a f64 can hold")]
pub fn approximate(bytes: u64) -> f64 {
    bytes as f64
}

/// Shows a number of bytes for people.
pub fn shown(bytes: u64) -> String {
    let units = [("GB", 1_u64 << 30), ("MB", 1 << 20), ("kB", 1 << 10)];
    match units.iter().find(|(_, size)| bytes >= *size) {
        Some((unit, size)) => format!("{:.2} {unit}", approximate(bytes) / approximate(*size)),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_room_on_a_disc_is_what_is_left_without_lead_in() {
        let session = |last, next| Some(Session { last, next });
        let cases = [
            (Room::on_cd(Media::CdR74, None), 0, (332_800 - 11_400) * SECTOR),
            (Room::on_cd(Media::CdRw80, None), 0, (358_400 - 11_400) * SECTOR),
            // A drive may say `0,0` of a disc that is empty.
            (Room::on_cd(Media::CdRw80, session(0, 0)), 0, (358_400 - 11_400) * SECTOR),
            (
                Room::on_cd(Media::CdRw80, session(0, 16_544)),
                16_544 * SECTOR,
                (358_400 - 16_544 - 6_900) * SECTOR,
            ),
            (Room::on_cd(Media::CdR74, session(0, 330_000)), 330_000 * SECTOR, 0),
            (Room::on_cd(Media::CdR74, session(0, 400_000)), 400_000 * SECTOR, 0),
            (Room::on_dvd(Media::DvdPlusRw, 0), 0, 2_306_867 * SECTOR),
            (Room::on_dvd(Media::DvdPlusR, 1488), 1488 * SECTOR, (2_306_867 - 1488) * SECTOR),
            (Room::on_dvd(Media::DvdPlusR, 3_000_000), 3_000_000 * SECTOR, 0),
        ];
        for (room, used, free) in cases {
            assert_eq!((room.used, room.free), (used, free));
        }
    }

    #[test]
    fn utilisation_is_of_what_can_be_used() {
        let cases = [((0, 100), 0.0), ((0, 0), 100.0), ((50, 0), 100.0), ((25, 75), 25.0)];
        for ((used, free), percent) in cases {
            let room = Room { used, free, session: None };
            assert!((room.utilised() - percent).abs() < 1e-9, "{room:?}");
        }
    }

    #[test]
    fn names_are_those_of_cedar_backup() {
        for media in Media::ALL {
            assert_eq!(Media::named(media.name()), Some(media));
            assert_eq!(media.is_cd(), media.name().starts_with("cd"));
            assert_eq!(media.is_rewritable(), media.name().contains("rw"));
        }
        assert_eq!(Media::named("dvd-r"), None);
    }

    #[test]
    fn bytes_are_shown_in_the_unit_that_fits() {
        let cases = [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1.00 kB"),
            (700 << 20, "700.00 MB"),
            (4_724_463_616, "4.40 GB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(shown(bytes), text);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_disc_ever_has_more_room_than_it_has_sectors(
            at in 0..Media::ALL.len(),
            next in any::<u64>(),
        ) {
            let media = Media::ALL[at];
            for room in [Room::on_cd(media, Some(Session { last: 0, next })), Room::on_dvd(media, next)] {
                prop_assert!(room.free <= media.sectors() * SECTOR);
                prop_assert!((0.0..=100.0).contains(&room.utilised()));
            }
        }
    }
}
