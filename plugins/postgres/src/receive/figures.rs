//! How a receiver is, in figures and in words.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use crate::wal::{Lsn, SegmentName, TimelineId};

/// What a receiver does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It connects, and finds out where to begin.
    #[default]
    Connecting,
    /// It receives.
    Streaming,
    /// It failed, and waits for the next attempt.
    Waiting,
    /// It has ended.
    Ended,
}

impl Phase {
    /// Returns the word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Streaming => "streaming",
            Self::Waiting => "waiting",
            Self::Ended => "ended",
        }
    }
}

/// How a receiver is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// What it does.
    pub phase: Phase,
    /// The number of the cluster, once it is known.
    pub system_identifier: Option<u64>,
    /// The timeline that is received, once it is known.
    pub timeline: Option<TimelineId>,
    /// Up to where WAL was written.
    pub written: Lsn,
    /// Up to where it is safe.
    pub flushed: Lsn,
    /// How far the server's WAL goes, as it said last.
    pub server_end: Lsn,
    /// When everything that the server had was safe here, last.
    pub complete: Option<SystemTime>,
    /// Whether everything is synced and reported at once.
    pub synchronous: bool,
    /// How often it failed in a row.
    pub failures: u32,
    /// Why, the last time.
    pub problem: Option<String>,
}

impl Figures {
    /// Returns how many bytes of the server's WAL are not safe here, as far as
    /// it said.
    pub fn lag(&self) -> u64 {
        self.server_end.bytes().saturating_sub(self.flushed.bytes())
    }

    /// Notes how far the server is, or we are.
    pub(super) fn note(&mut self, server_end: Lsn, written: Lsn, flushed: Lsn, now: SystemTime) {
        self.server_end = server_end;
        self.written = written;
        self.flushed = flushed;
        if server_end <= flushed {
            self.complete = Some(now);
        }
    }
}

/// What a person may want to know. Shown as a sentence's middle, in lower
/// case.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum News {
    /// WAL is streamed.
    Begun {
        /// The timeline.
        timeline: TimelineId,
        /// From where on.
        position: Lsn,
        /// Why from there.
        why: &'static str,
        /// Whether transactions may wait for it.
        synchronous: bool,
    },
    /// A slot was made.
    SlotMade {
        /// Its name.
        slot: String,
    },
    /// Nothing tells where WAL was received up to: what lies before may be
    /// missing.
    NoOrigin {
        /// From where on it is received.
        position: Lsn,
    },
    /// The server has no history of its timeline.
    NoHistory {
        /// The timeline.
        timeline: TimelineId,
    },
    /// A timeline ended.
    TimelineEnded {
        /// The timeline.
        timeline: TimelineId,
        /// Where.
        switch: Lsn,
        /// The one that follows.
        next: TimelineId,
    },
    /// More was received of a timeline than the server took over.
    Diverged {
        /// The timeline.
        timeline: TimelineId,
        /// Up to where it was received.
        position: Lsn,
        /// Where the server left it.
        switch: Lsn,
    },
    /// It is far behind the server.
    Behind {
        /// How many bytes.
        bytes: u64,
    },
    /// It is not far behind any more.
    CaughtUp,
    /// It failed, and will try again.
    Retry {
        /// Why, with causes.
        problem: String,
        /// How often in a row.
        failures: u32,
        /// When.
        wait: Duration,
    },
    /// A segment is whole.
    Segment {
        /// Its name.
        name: SegmentName,
    },
}

impl News {
    /// Tells whether somebody should look at it.
    pub fn is_warning(&self) -> bool {
        matches!(
            self,
            Self::NoOrigin { .. }
                | Self::NoHistory { .. }
                | Self::Diverged { .. }
                | Self::Behind { .. }
                | Self::Retry { .. }
        )
    }

    /// Tells whether it comes all the time.
    pub fn is_chatter(&self) -> bool {
        matches!(self, Self::Segment { .. })
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begun { timeline, position, why, synchronous } => {
                let how = if *synchronous { ", synchronously" } else { "" };
                write!(f, "streaming timeline {timeline} from {position}{how} ({why})")
            }
            Self::SlotMade { slot } => write!(f, "made the replication slot {slot}"),
            Self::NoOrigin { position } => write!(
                f,
                "neither the directory nor a slot tells what was received: WAL before {position} \
                 is not received"
            ),
            Self::NoHistory { timeline } => {
                write!(f, "the server has no history file of its timeline {timeline}")
            }
            Self::TimelineEnded { timeline, switch, next } => {
                write!(f, "timeline {timeline} ended at {switch}; timeline {next} follows")
            }
            Self::Diverged { timeline, position, switch } => write!(
                f,
                "timeline {timeline} was received up to {position}, and the server left it at \
                 {switch}: what lies between is kept, and is not part of the server's history"
            ),
            Self::Behind { bytes } => write!(f, "{} MiB behind the server", bytes >> 20),
            Self::CaughtUp => f.write_str("not far behind the server any more"),
            Self::Retry { problem, failures, wait } => {
                let seconds = crate::connection::seconds(*wait);
                write!(f, "{problem}; attempt {} follows in {seconds} s", failures + 1)
            }
            Self::Segment { name } => write!(f, "received {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_complete_when_all_that_the_server_has_is_safe() {
        let mut figures = Figures::default();
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        figures.note(Lsn::new(10), Lsn::new(10), Lsn::new(5), at(1));
        assert_eq!((figures.complete, figures.lag()), (None, 5));
        figures.note(Lsn::new(10), Lsn::new(10), Lsn::new(10), at(2));
        figures.note(Lsn::new(20), Lsn::new(10), Lsn::new(10), at(3));
        assert_eq!((figures.complete, figures.lag()), (Some(at(2)), 10));
        figures.note(Lsn::new(8), Lsn::new(10), Lsn::new(10), at(4));
        assert_eq!((figures.complete, figures.lag()), (Some(at(4)), 0));
    }
}
