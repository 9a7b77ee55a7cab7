//! Going on behind WAL that cannot be had any more.

use super::{
    course::Origin,
    directory::StreamingDirectory,
    error::ReceiveError,
    options::{ReceiveOptions, Supervisor},
    run::{Line, Run},
    session::connect,
    slot,
};
use crate::wal::{Lsn, SegmentName, SegmentSize, TimelineId};

/// What a reset did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    /// Nothing: receiving goes on from here, and nothing is in its way.
    Aligned {
        /// The timeline.
        timeline: TimelineId,
        /// From where on.
        position: Lsn,
    },
    /// Receiving goes on from elsewhere.
    Moved {
        /// From where on it would have gone on, if anything said so.
        from: Option<(TimelineId, Lsn)>,
        /// The timeline.
        timeline: TimelineId,
        /// From where on it goes on: a segment's beginning.
        position: Lsn,
    },
}

/// Makes a directory begin where the slot keeps WAL from, or where the server
/// is. No file is removed: a `….partial` begins there, and is the newest.
/// Nobody may receive into the directory meanwhile.
///
/// # Errors
///
/// [`ReceiveError::ServerBehind`] if what was received is ahead of the
/// server, and whatever keeps us from asking it.
pub fn reset(options: &ReceiveOptions, supervisor: &dyn Supervisor) -> Result<Reset, ReceiveError> {
    let directory = StreamingDirectory::open(&options.directory)?;
    let line = Line::default();
    let mut run = Run::new(options, supervisor, &directory, &line);
    let mut connection = connect(&mut run)?;
    let server = connection.identify()?;
    run.check_cluster(server.system_identifier)?;
    let size: SegmentSize = connection.show("wal_segment_size")?.parse()?;
    let slot = slot::prepare(&mut connection, options, supervisor)?;
    let to = slot.as_ref().and_then(|it| Origin::of_slot(it, &server, size));
    let to = to.unwrap_or_else(|| Origin::of_server(&server, size));
    let from = match directory.newest()? {
        Some(newest) => {
            StreamingDirectory::check_size(&newest, size)?;
            Some(Origin::of_directory(&newest, size)?)
        }
        None => None,
    };
    if let Some(Origin { timeline, position, .. }) = from {
        if (timeline, position) > (server.timeline, server.flushed) {
            return Err(ReceiveError::ServerBehind {
                timeline,
                position,
                server_timeline: server.timeline,
                server: server.flushed,
            });
        }
        if (timeline, position) >= (to.timeline, to.position) {
            return Ok(Reset::Aligned { timeline, position });
        }
    }
    let Origin { timeline, position, .. } = to;
    directory.begin(SegmentName::containing(position, timeline, size))?;
    let from = from.map(|it| (it.timeline, it.position));
    Ok(Reset::Moved { from, timeline, position })
}
