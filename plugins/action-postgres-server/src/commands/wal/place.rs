//! Places in the log, as they are given on the command line.

use hayloft_plugin_api::{Error, ErrorKind, Result};
use hayloft_postgres::wal::{FileName, Lsn, SegmentName, SegmentSize};

use super::Call;
use crate::archive::Archive;

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A segment, or a file that is about one.
    Segment(SegmentName),
    /// A position.
    Position(Lsn),
}

impl Place {
    /// Reads what was given with an option, if it was.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub(super) fn option(call: &Call<'_>, name: &str) -> Result<Option<Self>> {
        let Some(text) = call.arguments.get(name) else { return Ok(None) };
        Self::parse(text).map(Some).ok_or_else(|| {
            Error::msg(format!("--{name}: `{text}` is neither a segment nor a position")).hint(
                "a segment is 24 digits such as 0000000100000002000000A4, a position 2/A4000028",
            )
        })
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let segment = FileName::parse(text).and_then(FileName::segment).map(Self::Segment);
        segment.or_else(|| text.parse().ok().map(Self::Position))
    }

    /// Returns the number of the segment, counted over the whole log.
    ///
    /// # Errors
    ///
    /// If there is no such segment.
    pub(super) fn number(self, size: SegmentSize) -> Result<u64> {
        match self {
            Self::Segment(it) => it.number(size).map_err(|e| Error::msg(e.to_string())),
            Self::Position(it) => Ok(it.segment_number(size)),
        }
    }
}

/// Returns the storage that is asked for; all if none is.
///
/// # Errors
///
/// [`ErrorKind::NOT_FOUND`] if the server has no such storage.
pub(super) fn storage<'c>(call: &Call<'c>, archive: &Archive<'_>) -> Result<Option<&'c str>> {
    let Some(name) = call.arguments.get("storage") else { return Ok(None) };
    let known: Vec<&str> = archive.storages(false).collect();
    if known.contains(&name) {
        return Ok(Some(name));
    }
    let message = format!("no WAL of the server is kept in a storage `{name}`");
    Err(Error::new(ErrorKind::NOT_FOUND, message).hint(format!("there are: {}", known.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_segment_or_a_position() {
        let number = |text: &str| Place::parse(text).map(|it| it.number(SegmentSize::DEFAULT).ok());
        assert_eq!(number("0000000200000001000000A4"), Some(Some(0x1A4)));
        assert_eq!(number("0000000200000001000000A4.00000028.backup"), Some(Some(0x1A4)));
        assert_eq!(number("1/A4000028"), Some(Some(0x1A4)));
        assert_eq!(number("0000000200000001000001A4"), Some(None));
        for text in ["", "x", "20261117T020000", "00000002.history"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
