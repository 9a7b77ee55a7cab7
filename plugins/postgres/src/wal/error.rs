//! Why a text is not what it ought to be.

use thiserror::Error;

use super::{SegmentName, TimelineId};
use crate::error::{ErrorKind, Failure};

/// Why a name, a position or the content of a small file was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WalError {
    /// Not a position: two hexadecimal numbers of at most eight digits with
    /// one slash in between.
    #[error("`{text}` is no WAL position such as 16/B374D848")]
    BadLsn {
        /// What was given.
        text: String,
    },
    /// Not a timeline: a number from 1 to 4,294,967,295.
    #[error("`{text}` is no timeline")]
    BadTimeline {
        /// What was given.
        text: String,
    },
    /// Not a size that segments can have.
    #[error("a WAL segment cannot have {text}: 1 MiB to 1 GiB, in powers of two")]
    BadSegmentSize {
        /// What was given.
        text: String,
    },
    /// Not the name of a WAL file.
    #[error("`{name}` is no name of a WAL file")]
    BadName {
        /// What was given.
        name: String,
    },
    /// The number within the log is too high for segments of this size.
    #[error("there is no segment {name} where segments have {size} bytes")]
    NotOfThisSize {
        /// The segment.
        name: SegmentName,
        /// Bytes in a segment.
        size: u64,
    },
    /// There is nothing before the first segment, or after the last.
    #[error("there is no segment {direction} {name}")]
    NoNeighbour {
        /// Where we stand.
        name: SegmentName,
        /// "before" or "after".
        direction: &'static str,
    },
    /// A range must lie on one timeline.
    #[error("{first} and {last} are on different timelines")]
    TimelinesDiffer {
        /// The first segment.
        first: SegmentName,
        /// The last segment.
        last: SegmentName,
    },
    /// A line of a timeline history file is wrong.
    #[error("line {line} of the history of timeline {timeline}: {reason}")]
    BadHistory {
        /// Whose history it is.
        timeline: TimelineId,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// A timeline history file names no parent.
    #[error("the history of timeline {timeline} is empty")]
    EmptyHistory {
        /// Whose history it is.
        timeline: TimelineId,
    },
    /// The position is not on the way to this timeline.
    #[error("timeline {asked} is not in the history of timeline {timeline}")]
    NotInHistory {
        /// Whose history it is.
        timeline: TimelineId,
        /// The other one.
        asked: TimelineId,
    },
    /// A backup label is wrong.
    #[error("line {line} of the backup label: {reason}")]
    BadLabel {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// A backup label lacks something.
    #[error("the backup label does not tell `{field}`")]
    IncompleteLabel {
        /// The field's name in the file.
        field: &'static str,
    },
}

impl Failure for WalError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotInHistory { .. } | Self::NoNeighbour { .. } => ErrorKind::NotFound,
            _ => ErrorKind::Invalid,
        }
    }
}
