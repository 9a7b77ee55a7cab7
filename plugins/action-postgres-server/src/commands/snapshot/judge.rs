//! Whether a backup is good: only one that is complete is.

use hayloft_plugin_api::{Error, Result};
use hayloft_postgres::snapshot::{Phase, Record};

/// The exit code of a session that has come to its end.
///
/// # Errors
///
/// If the backup is not good, with the reason.
pub(super) fn judge(record: &Record) -> Result<u8> {
    let reason = || record.reason.clone().unwrap_or_else(|| "nobody knows why".to_owned());
    let phase = record.phase;
    match phase {
        Phase::Complete if record.warnings.is_empty() => Ok(0),
        Phase::Complete => Ok(7),
        Phase::Aborted => Err(Error::msg(reason()).context("the backup was given up")),
        Phase::Incomplete => Err(Error::msg(reason())
            .context("the backup cannot be used yet")
            .hint("look into the server's log; the copy is good only with all of its WAL")),
        Phase::Failed => Err(Error::msg(reason())
            .context("the backup is void")
            .hint("throw the snapshot away, and make another one")),
        _ => Err(Error::msg(reason())
            .context(format!("the backup has not come to its end: it is {}", phase.as_str()))),
    }
}

/// The error of a session that never began.
pub(super) fn not_begun(record: &Record) -> Error {
    let reason = record.reason.clone().unwrap_or_else(|| "nobody knows why".to_owned());
    Error::msg(reason).context("the snapshot session did not begin")
}
