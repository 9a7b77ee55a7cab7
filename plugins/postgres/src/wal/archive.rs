//! Whether an archive may be written to by a new cluster.

use thiserror::Error;

use super::{FileName, TimelineId};
use crate::error::{ErrorKind, Failure};

/// Why an archive must not be written to: the segments of two histories
/// would mix.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ArchiveConflict {
    /// There is something although the archive should be empty.
    #[error("the archive is not empty: there is `{name}`")]
    NotEmpty {
        /// The first such file.
        name: String,
    },
    /// There is something of the timeline that is about to begin, or of a
    /// later one.
    #[error("the archive holds `{name}` of timeline {timeline} already")]
    LaterTimeline {
        /// The first such file.
        name: String,
        /// Its timeline.
        timeline: TimelineId,
    },
    /// There is something that does not belong into an archive.
    #[error("the archive holds `{name}`, which is no WAL file")]
    Foreign {
        /// The first such file.
        name: String,
    },
}

impl Failure for ArchiveConflict {
    fn kind(&self) -> ErrorKind {
        ErrorKind::AlreadyExists
    }
}

/// Checks the names in an archive before a server begins to write to it.
///
/// A new cluster (`beginning` is none) needs an empty archive. A recovered
/// one, which begins a new timeline, needs one without files of that timeline
/// or of any later.
///
/// # Errors
///
/// [`ArchiveConflict`], about the first name that stands in the way.
pub fn check_archive_usable<'a>(
    names: impl IntoIterator<Item = &'a str>,
    beginning: Option<TimelineId>,
) -> Result<(), ArchiveConflict> {
    for name in names {
        let owned = || name.to_owned();
        let Some(limit) = beginning else {
            return Err(ArchiveConflict::NotEmpty { name: owned() });
        };
        let Some((file, _)) = FileName::parse_compressed(name) else {
            return Err(ArchiveConflict::Foreign { name: owned() });
        };
        let timeline = file.timeline();
        if timeline >= limit {
            return Err(ArchiveConflict::LaterTimeline { name: owned(), timeline });
        }
    }
    Ok(())
}
