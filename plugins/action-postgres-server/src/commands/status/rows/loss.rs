//! What would be lost if the server were lost now, and who sees to it that it
//! is little.

use hayloft_postgres::{
    server::ServerStatus,
    wal::{FileName, Lsn, SegmentSize},
};
use serde_json::Value;

use super::{Row, plain};
use crate::{config::Server, receive::Record};

/// What is known of the receiver of a server.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Receiver {
    /// What it says of itself.
    pub(crate) record: Option<Record>,
    /// Who it is, if it runs.
    pub(crate) holder: Option<String>,
    /// Why that cannot be told.
    pub(crate) problem: Option<String>,
}

/// How much would be lost: bytes of WAL, and since when.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Loss {
    bytes: u64,
    seconds: Option<f64>,
}

/// The rows of the receiver, and of what would be lost. `now` is in seconds
/// since 1970.
pub(super) fn rows(
    server: &Server,
    status: &ServerStatus,
    receiver: &Receiver,
    now: f64,
) -> Vec<Row> {
    let mut rows = of_receiver(server, receiver);
    if !server.archiver && !server.streaming_archiver {
        return rows;
    }
    let position = status.wal.value().and_then(|it| it.position);
    let streamed = || streamed(position?, receiver.record.as_ref()?, now);
    let archived = || archived(position?, status);
    let ways = [
        server.streaming_archiver.then(streamed).flatten(),
        server.archiver.then(archived).flatten(),
    ];
    let least = ways.into_iter().flatten().min_by_key(|it| it.bytes);
    let bytes = least.map(|it| it.bytes);
    let seconds = least.and_then(|it| it.seconds).map(f64::round);
    rows.push(figure("rpo_bytes", bytes.map(|it| it.to_string()), bytes.into()));
    rows.push(figure("rpo_seconds", seconds.map(|it| it.to_string()), seconds.into()));
    rows
}

/// A figure that there may not be yet.
fn figure(name: &'static str, text: Option<String>, json: Value) -> Row {
    let none = || "none: nothing tells of WAL that is safe".to_owned();
    Row { name, text: text.unwrap_or_else(none), json }
}

fn of_receiver(server: &Server, receiver: &Receiver) -> Vec<Row> {
    if !server.streaming_archiver && receiver.record.is_none() && receiver.holder.is_none() {
        return Vec::new();
    }
    let record = receiver.record.clone().unwrap_or_default();
    let state = match (&receiver.holder, &receiver.problem) {
        (Some(who), _) => format!("{} ({who})", record.phase.as_str()),
        (None, Some(problem)) => format!("unknown: {problem}"),
        (None, None) => "not running".to_owned(),
    };
    let mut rows = vec![plain("wal_receiver", state)];
    let problem = record.problem.or(record.archive_problem);
    if let Some(problem) = problem {
        rows.push(plain("wal_receiver_problem", problem));
    }
    if receiver.record.is_some() {
        rows.push(plain("received_lsn", record.flushed_lsn));
        rows.push(plain("received_last_file", record.archived.unwrap_or("none".to_owned())));
        rows.push(Row {
            name: "received_waiting",
            text: record.waiting.to_string(),
            json: record.waiting.into(),
        });
    }
    rows
}

/// What is not on the receiver's disk.
fn streamed(position: Lsn, record: &Record, now: f64) -> Option<Loss> {
    let bytes = position.bytes().saturating_sub(record.flushed()?.bytes());
    let seconds = record.complete.map(|it| (now - it).max(0.0));
    Some(Loss { bytes, seconds: if bytes == 0 { Some(0.0) } else { seconds } })
}

/// What the server has not archived.
fn archived(position: Lsn, status: &ServerStatus) -> Option<Loss> {
    let archiver = status.archiver.value()?;
    let Some(FileName::Segment(last)) = FileName::parse(archiver.last_archived_wal.as_deref()?)
    else {
        return None;
    };
    let size = status.settings.as_ref().and_then(|it| it.bytes("wal_segment_size"));
    let size = SegmentSize::new(*size.value()?).ok()?;
    let end = last.next(size).and_then(|it| it.start(size)).ok()?;
    let seconds = archiver.last_archived.map(|at| (archiver.now - at).max(0.0));
    Some(Loss { bytes: position.bytes().saturating_sub(end.bytes()), seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_when_everything_is_safe() {
        let record = |flushed: &str, complete| Record {
            flushed_lsn: flushed.to_owned(),
            complete,
            ..Record::default()
        };
        let position: Lsn = "0/5000100".parse().unwrap();
        let cases = [
            (record("0/5000100", Some(10.0)), Some((0, Some(0.0)))),
            (record("0/5000000", Some(10.0)), Some((0x100, Some(5.0)))),
            (record("0/5000000", None), Some((0x100, None))),
            // A receiver may be ahead of what was asked a moment before.
            (record("0/6000000", Some(10.0)), Some((0, Some(0.0)))),
            (record("0/0", None), None),
            (record("", None), None),
        ];
        for (record, expected) in cases {
            let loss = streamed(position, &record, 15.0);
            assert_eq!(loss.map(|it| (it.bytes, it.seconds)), expected, "{record:?}");
        }
    }
}
