//! What is known of a session, for people and programs.

use std::time::{SystemTime, UNIX_EPOCH};

use hayloft_plugin_api::Result;
use hayloft_postgres::snapshot::{ArchiveState, Record};
use serde_json::json;

/// Either.
pub(super) fn text_or_json(record: Option<&Record>, json: bool) -> Result<String> {
    if json {
        return Ok(serde_json::to_string_pretty(&json!(record))? + "\n");
    }
    Ok(record.map_or_else(|| "no snapshot session is known\n".to_owned(), text))
}

/// One line that tells a session from others.
pub(super) fn who(record: &Record) -> String {
    format!(
        "{} of process {}, {} for {} s",
        record.id,
        record.holder.pid,
        record.phase.as_str(),
        age(record)
    )
}

fn age(record: &Record) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    now.saturating_sub(record.begun)
}

fn text(record: &Record) -> String {
    let archive = record.archive.as_ref().map(|it| match it {
        ArchiveState::Archived => "archived".to_owned(),
        ArchiveState::Waiting(why) => why.clone(),
        ArchiveState::Unchecked(why) => format!("not checked: {why}"),
        ArchiveState::Missing(why) => format!("missing: {why}"),
    });
    let range = record.stop_wal.as_ref().map(|last| {
        let first = record.start_wal.as_deref().unwrap_or_default();
        format!("{first} to {last} ({})", record.segments.unwrap_or_default())
    });
    let path = |it: &Option<std::path::PathBuf>| it.as_ref().map(|it| it.display().to_string());
    let ended = |it: u64| format!("{} s after its beginning", it.saturating_sub(record.begun));
    let rows = [
        ("session", Some(record.id.clone())),
        ("server", Some(record.server.clone())),
        ("state", Some(record.phase.as_str().to_owned())),
        ("reason", record.reason.clone()),
        ("process", Some(record.holder.pid.to_string())),
        (
            "machine",
            (!record.is_of_here()).then(|| format!("{}, which is not this one", record.machine)),
        ),
        ("begun", Some(format!("{} s ago", age(record)))),
        ("ended", record.ended.map(ended)),
        ("timeline", record.timeline.map(|it| it.to_string())),
        ("start", record.start_lsn.clone()),
        ("stop", record.stop_lsn.clone()),
        ("WAL", range.or_else(|| record.start_wal.as_ref().map(|it| format!("from {it}")))),
        ("archive", archive),
        ("label", path(&record.label_file)),
        ("tablespaces", path(&record.map_file)),
    ];
    let rows = rows.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let warnings = record.warnings.iter().map(|it| ("warning", it.clone()));
    let lines = rows.chain(warnings).map(|(name, value)| format!("{name:<12}{value}\n"));
    lines.collect::<Vec<_>>().concat()
}
