//! From where on WAL is to be received: decided from what is known.

use super::{directory::Newest, error::ReceiveError, figures::News};
use crate::{
    replication::{PhysicalSlot, SystemIdentity},
    wal::{History, Lsn, SegmentSize, TimelineId, WalError},
};

/// From where on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) timeline: TimelineId,
    /// The beginning of a segment.
    pub(super) position: Lsn,
    /// Why from there, for people.
    pub(super) why: &'static str,
}

impl Origin {
    pub(super) fn new(
        timeline: TimelineId,
        lsn: Lsn,
        size: SegmentSize,
        why: &'static str,
    ) -> Self {
        let position = Lsn::new(lsn.bytes() - lsn.offset(size));
        Self { timeline, position, why }
    }

    /// Returns where the directory says, which knows best.
    pub(super) fn of_directory(newest: &Newest, size: SegmentSize) -> Result<Self, WalError> {
        let timeline = newest.segment.timeline();
        let (position, why) = if newest.whole {
            let end = newest.segment.start(size)?.checked_add(size.bytes());
            let none = WalError::NoNeighbour { name: newest.segment, direction: "after" };
            (end.ok_or(none)?, "after the last segment that was received")
        } else {
            (newest.segment.start(size)?, "where it was left")
        };
        Ok(Self { timeline, position, why })
    }

    /// Returns where the slot keeps WAL from, if it does.
    pub(super) fn of_slot(
        slot: &PhysicalSlot,
        server: &SystemIdentity,
        size: SegmentSize,
    ) -> Option<Self> {
        let timeline = slot.timeline.unwrap_or(server.timeline);
        Some(Self::new(timeline, slot.restart?, size, "where the slot keeps WAL from"))
    }

    /// Returns where the server is.
    pub(super) fn of_server(server: &SystemIdentity, size: SegmentSize) -> Self {
        Self::new(server.timeline, server.flushed, size, "where the server is")
    }
}

/// Corrects an origin by where the server's timelines go. `history` is that
/// of the server's timeline; the first one has none.
///
/// # Errors
///
/// [`ReceiveError::ServerBehind`], [`ReceiveError::NotItsHistory`].
pub(super) fn correct(
    origin: Origin,
    server: &SystemIdentity,
    history: Option<&History>,
    size: SegmentSize,
) -> Result<(Origin, Option<News>), ReceiveError> {
    let Origin { timeline, position, .. } = origin;
    let behind = || ReceiveError::ServerBehind {
        timeline,
        position,
        server_timeline: server.timeline,
        server: server.flushed,
    };
    if timeline > server.timeline {
        return Err(behind());
    }
    if timeline == server.timeline {
        return if position > server.flushed { Err(behind()) } else { Ok((origin, None)) };
    }
    let missing = || ReceiveError::NotItsHistory { timeline, server_timeline: server.timeline };
    let history = history.ok_or_else(missing)?;
    let left = history.entries().iter().position(|it| it.timeline == timeline);
    let left = left.ok_or_else(missing)?;
    let switch = history.entries()[left].switch;
    if position <= switch {
        return Ok((origin, None));
    }
    let next = history.timelines().nth(left + 1).unwrap_or(server.timeline);
    let news = News::Diverged { timeline, position, switch };
    Ok((Origin::new(next, switch, size, "where the server's timeline branched off"), Some(news)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::SegmentName;

    const SIZE: SegmentSize = SegmentSize::DEFAULT;

    fn timeline(number: u32) -> TimelineId {
        TimelineId::new(number).unwrap()
    }

    fn server(number: u32, at: &str) -> SystemIdentity {
        SystemIdentity {
            system_identifier: 7,
            timeline: timeline(number),
            flushed: at.parse().unwrap(),
        }
    }

    fn newest(name: &str, whole: bool) -> Newest {
        Newest { segment: name.parse::<SegmentName>().unwrap(), whole, path: name.into() }
    }

    #[test]
    fn it_goes_on_with_a_segment_that_is_not_whole_and_after_one_that_is() {
        let cases = [
            ("000000010000000000000003", false, "0/3000000"),
            ("000000010000000000000003", true, "0/4000000"),
            ("0000000100000001000000FF", true, "2/0"),
        ];
        for (name, whole, position) in cases {
            let origin = Origin::of_directory(&newest(name, whole), SIZE).unwrap();
            assert_eq!(origin.position, position.parse().unwrap(), "{name}");
            assert_eq!(origin.timeline, timeline(1));
        }
        let last = newest("00000001FFFFFFFF000000FF", true);
        assert!(Origin::of_directory(&last, SIZE).is_err());
        assert!(Origin::of_directory(&newest("000000010000000000000FFF", true), SIZE).is_err());
    }

    #[test]
    fn a_slot_says_more_than_the_server() {
        let at = server(3, "0/5000123");
        let origin = Origin::of_server(&at, SIZE);
        assert_eq!((origin.timeline, origin.position), (timeline(3), "0/5000000".parse().unwrap()));
        let slot = |restart: Option<&str>, timeline| PhysicalSlot {
            restart: restart.map(|it| it.parse().unwrap()),
            timeline,
        };
        assert_eq!(Origin::of_slot(&slot(None, None), &at, SIZE), None);
        let origin = Origin::of_slot(&slot(Some("0/2000010"), None), &at, SIZE).unwrap();
        assert_eq!((origin.timeline, origin.position), (timeline(3), "0/2000000".parse().unwrap()));
        let origin = Origin::of_slot(&slot(Some("0/2000010"), Some(timeline(2))), &at, SIZE);
        assert_eq!(origin.unwrap().timeline, timeline(2));
    }

    fn corrected(from: (u32, &str), server: &SystemIdentity) -> Result<(u32, String), String> {
        let content = b"1\t0/3000100\tx\n2\t0/5000000\ty\n";
        let history = History::parse(timeline(3), content).unwrap();
        let history = (server.timeline == timeline(3)).then_some(&history);
        let origin = Origin::new(timeline(from.0), from.1.parse().unwrap(), SIZE, "");
        match correct(origin, server, history, SIZE) {
            Ok((it, news)) => {
                let moved = (it.timeline, it.position) != (origin.timeline, origin.position);
                assert_eq!(news.is_some(), moved);
                Ok((it.timeline.get(), it.position.to_string()))
            }
            Err(ReceiveError::ServerBehind { .. }) => Err("behind".to_owned()),
            Err(ReceiveError::NotItsHistory { .. }) => Err("not its history".to_owned()),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_origin_follows_where_the_server_went() {
        let third = server(3, "0/7000000");
        let good = |timeline, at: &str| Ok((timeline, at.to_owned()));
        let cases = [
            ((3, "0/6000000"), good(3, "0/6000000")),
            ((3, "0/7000000"), good(3, "0/7000000")),
            ((3, "0/8000000"), Err("behind".to_owned())),
            ((4, "0/6000000"), Err("behind".to_owned())),
            // The old timelines are received to their ends first.
            ((1, "0/2000000"), good(1, "0/2000000")),
            ((1, "0/3000000"), good(1, "0/3000000")),
            ((2, "0/5000000"), good(2, "0/5000000")),
            // More of them was received than the server took over.
            ((1, "0/4000000"), good(2, "0/3000000")),
            ((1, "0/9000000"), good(2, "0/3000000")),
            ((2, "0/6000000"), good(3, "0/5000000")),
        ];
        for (from, expected) in cases {
            assert_eq!(corrected(from, &third), expected, "{from:?}");
        }
        let other = server(5, "0/7000000");
        assert_eq!(corrected((4, "0/1000000"), &other), Err("not its history".to_owned()));
    }
}
