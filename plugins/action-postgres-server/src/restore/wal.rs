//! The WAL that a restored server will ask for.

use hayloft_plugin_api::{Error, ErrorKind, Host, Result};
use hayloft_postgres::wal::{FileName, History, SegmentRange};

use super::target::Timeline;
use crate::{archive::Archive, backup::Found, config::Server};

/// Makes sure that the WAL without which the backup is not consistent is
/// archived.
///
/// # Errors
///
/// [`ErrorKind::NOT_FOUND`] with the first segment that is not.
pub(super) fn check(host: &Host, server: &Server, found: &Found) -> Result<()> {
    let id = found.id;
    let Some(info) = &found.info else { return Ok(()) };
    let (Some(first), Some(last)) = (info.begin_wal, info.end_wal) else { return Ok(()) };
    let archive = Archive::open(host, server)?;
    let range = SegmentRange::new(first, last, info.xlog_segment_size)
        .map_err(|e| Error::new(ErrorKind::CORRUPT, e.to_string()))?;
    for segment in range {
        if !archive.copies(FileName::Segment(segment)).any(|it| it.is_ok()) {
            let message = format!("backup {id} needs {segment}, which is in no storage");
            return Err(Error::new(ErrorKind::NOT_FOUND, message).hint(
                "without it a restored server is not consistent; is archiving behind? \
                 `hayloft pg wal archive` takes what waits",
            ));
        }
    }
    Ok(())
}

/// Reads the history of the timeline that is to be followed, if it is named.
///
/// # Errors
///
/// [`ErrorKind::NOT_FOUND`] if the archive does not know it.
pub(super) fn history(host: &Host, server: &Server, timeline: Timeline) -> Result<Option<History>> {
    let Timeline::Number(number) = timeline else { return Ok(None) };
    if number.get() == 1 {
        return Ok(None);
    }
    let archive = Archive::open(host, server)?;
    let mut last = None;
    for copy in archive.copies(FileName::History(number)) {
        let mut content = Vec::new();
        let read = copy.and_then(|it| archive.fetch(&it, &mut content));
        match read.and_then(|_| {
            History::parse(number, &content)
                .map_err(|e| Error::new(ErrorKind::CORRUPT, e.to_string()))
        }) {
            Ok(history) => return Ok(Some(history)),
            Err(error) => last = Some(error),
        }
    }
    let unknown = || {
        let message = format!("the archive knows no timeline {}", number.get());
        Error::new(ErrorKind::NOT_FOUND, message).hint("its history is not archived")
    };
    Err(last.unwrap_or_else(unknown))
}
