//! The rows of a status.

mod loss;

use std::fmt::Write as _;

use hayloft_postgres::{
    check::{Facts, Trouble},
    server::{
        ArchiverStats, ClientKind, Privileges, Reading, ReplicationClient, ServerStatus, Slot, Why,
        standby_names,
    },
    wal::SegmentSize,
};
use serde_json::{Value, json};

pub(super) use self::loss::Receiver;
use crate::config::Server;

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// Its name, for programs.
    pub(super) name: &'static str,
    /// What people see.
    text: String,
    /// What programs see; `{"unknown": …}` for what could not be found out.
    pub(super) json: Value,
}

fn row(name: &'static str, reading: &Reading<impl Into<Value> + ToString + Clone>) -> Row {
    let (text, json) = match reading {
        Reading::Value(value) => (value.to_string(), value.clone().into()),
        Reading::No => ("none".to_owned(), Value::Null),
        Reading::Unknown(why) => (format!("unknown: {why}"), json!({ "unknown": why.to_string() })),
    };
    Row { name, text, json }
}

fn plain(name: &'static str, text: impl Into<String>) -> Row {
    let text = text.into();
    Row { name, json: Value::String(text.clone()), text }
}

/// What could not be asked.
fn unknown(name: &'static str, trouble: &Trouble) -> Row {
    row(name, &Reading::<String>::Unknown(Why::Failed(trouble.problem.clone())))
}

/// The rows of a server that did not answer in its time.
pub(super) fn late(server: &Server) -> Vec<Row> {
    let limit = server.check_timeout().as_secs_f32();
    vec![plain("problem", format!("it did not answer within {limit} s"))]
}

/// All rows.
pub(super) fn of(server: &Server, facts: &Facts, receiver: &Receiver, now: f64) -> Vec<Row> {
    let mut rows = Vec::new();
    if let Some(description) = &server.description {
        rows.push(plain("description", description));
    }
    let sql = match &facts.sql {
        Ok(sql) => sql,
        Err(trouble) => {
            rows.push(plain("problem", &trouble.problem));
            return rows;
        }
    };
    rows.extend(identity(&sql.status));
    rows.extend(privileges(&sql.status));
    rows.extend(configuration(&sql.status));
    rows.extend(positions(&sql.status));
    match &facts.streaming {
        Some(Ok(it)) => {
            rows.push(plain("streaming", format!("timeline {}, {}", it.timeline, it.position)));
        }
        Some(Err(trouble)) => rows.push(unknown("streaming", trouble)),
        None => {}
    }
    match &facts.primary {
        Some(Ok(it)) => rows.push(row("primary", &it.in_recovery().map(role))),
        Some(Err(trouble)) => rows.push(unknown("primary", trouble)),
        None => {}
    }
    rows.extend(archiving(&sql.status));
    rows.extend(replication(&sql.status));
    rows.extend(loss::rows(server, &sql.status, receiver, now));
    rows
}

fn identity(status: &ServerStatus) -> Vec<Row> {
    let identity = status.identity.as_ref();
    vec![
        row("version", &status.version().map(|it| it.to_string())),
        row("version_text", &identity.clone().map(|it| it.version_text.clone())),
        row("role", &status.in_recovery().map(role)),
        row("system_identifier", &status.system_identifier.clone().map(|it| it.to_string())),
        row("user", &identity.clone().map(|it| it.user.clone())),
        row("superuser", &identity.clone().map(|it| it.superuser)),
        row("up_seconds", &identity.clone().map(|it| (it.now - it.started).round())),
        row("configured_seconds_ago", &identity.map(|it| (it.now - it.configured).round())),
        row("size_bytes", &status.size),
    ]
}

fn role(standby: bool) -> String {
    if standby { "standby" } else { "primary" }.to_owned()
}

/// What our role may do.
fn privileges(status: &ServerStatus) -> Vec<Row> {
    let all = status.privileges.as_ref();
    vec![
        row("may_back_up", &all.clone().map(Privileges::backup)),
        row("may_monitor", &all.clone().map(|it| it.monitoring)),
        row("may_replicate", &all.clone().map(|it| it.replication)),
        row("may_checkpoint", &all.map(|it| it.checkpoint)),
    ]
}

fn configuration(status: &ServerStatus) -> Vec<Row> {
    let setting = |name: &'static str| row(name, &status.setting(name).map(str::to_owned));
    let bytes =
        |name, setting: &str| row(name, &status.settings.as_ref().and_then(|it| it.bytes(setting)));
    vec![
        setting("data_directory"),
        setting("config_file"),
        setting("hba_file"),
        setting("ident_file"),
        list("included_files", &status.included_files, Clone::clone),
        list("hba_files", &status.hba_files, Clone::clone),
        list("tablespaces", &status.tablespaces, |it| {
            format!("{} ({}) at {}", it.name, it.oid, it.shown_location())
        }),
        setting("wal_level"),
        setting("wal_compression"),
        bytes("wal_keep_bytes", "wal_keep_size"),
        setting("hot_standby"),
        setting("data_checksums"),
        setting("max_wal_senders"),
        setting("max_replication_slots"),
    ]
}

fn positions(status: &ServerStatus) -> Vec<Row> {
    let wal = status.wal.as_ref();
    let size = status.settings.as_ref().and_then(|it| it.bytes("wal_segment_size"));
    let position = wal.clone().and_then(|it| option(it.position.map(|it| it.to_string())));
    let received = wal.clone().and_then(|it| option(it.received.map(|it| it.to_string())));
    let segment = wal.clone().and_then(|wal| {
        let name = || {
            let size = SegmentSize::new(*size.value()?).ok()?;
            Some(wal.segment(*status.timeline.value()?, size)?.to_string())
        };
        option(name())
    });
    let replayed = wal.and_then(|it| option(it.replayed.map(|at| (it.now - at).max(0.0).round())));
    let mut rows = vec![
        row("timeline", &status.timeline.as_ref().map(|it| it.get())),
        row("wal_position", &position),
        row("wal_segment", &segment),
        row("wal_segment_size", &size),
    ];
    if status.in_recovery() == Reading::Value(true) {
        rows.push(row("received_position", &received));
        rows.push(row("replayed_seconds_ago", &replayed));
    }
    rows
}

fn option<T>(value: Option<T>) -> Reading<T> {
    value.map_or(Reading::No, Reading::Value)
}

fn archiving(status: &ServerStatus) -> Vec<Row> {
    let archiver = status.archiver.as_ref();
    let seconds = |name: &'static str| {
        row(name, &status.settings.as_ref().and_then(|it| it.duration(name)).map(|it| it.as_secs()))
    };
    let ago = |at: Option<f64>, now: f64| option(at.map(|at| (now - at).max(0.0).round()));
    vec![
        row("archive_mode", &status.setting("archive_mode").map(str::to_owned)),
        seconds("archive_timeout"),
        seconds("checkpoint_timeout"),
        row("is_archiving", &status.is_archiving()),
        row("archiver_is_healthy", &archiver.clone().map(ArchiverStats::is_healthy)),
        row("archived_count", &archiver.clone().map(|it| it.archived_count)),
        row("archived_per_second", &archiver.clone().and_then(|it| option(it.rate()))),
        row(
            "last_archived_wal",
            &archiver.clone().and_then(|it| option(it.last_archived_wal.clone())),
        ),
        row(
            "last_archived_seconds_ago",
            &archiver.clone().and_then(|it| ago(it.last_archived, it.now)),
        ),
        row("failed_count", &archiver.clone().map(|it| it.failed_count)),
        row("last_failed_wal", &archiver.clone().and_then(|it| option(it.last_failed_wal.clone()))),
        row("last_failed_seconds_ago", &archiver.and_then(|it| ago(it.last_failed, it.now))),
        row("waiting_to_archive", &status.waiting_to_archive),
    ]
}

fn replication(status: &ServerStatus) -> Vec<Row> {
    let names = status.setting("synchronous_standby_names").map(standby_names);
    vec![
        list("synchronous_standby_names", &names, Clone::clone),
        list("replication_slots", &status.slots, slot),
        list("replication_clients", &status.clients, client),
    ]
}

fn client(client: &ReplicationClient) -> String {
    let user = client.user.as_deref().unwrap_or("?");
    let slot = client.slot.as_ref().map_or_else(String::new, |it| format!(", slot {it}"));
    let details = match &client.details {
        Reading::Value(details) => details,
        other => {
            return format!(
                "process {} of {user}{slot}: {}",
                client.pid,
                other.as_ref().map(|_| "")
            );
        }
    };
    let kind = match client.kind() {
        Reading::Value(ClientKind::Standby) => "standby",
        _ => "receiver",
    };
    let place = details.address.as_deref().unwrap_or("local");
    let at = details.flushed.map_or_else(|| "nothing yet".to_owned(), |it| it.to_string());
    let lag = details.flush_lag.map_or_else(String::new, |it| format!(", {it:.1} s behind"));
    let (name, state, sync) = (&details.application_name, &details.state, &details.sync_state);
    format!("{name} from {place}: {kind}, {state}, {sync}, {at}{slot}{lag}")
}

fn slot(slot: &Slot) -> String {
    let state = if slot.active { "active" } else { "not active" };
    let from = slot.restart.map_or_else(|| "nothing kept".to_owned(), |it| it.to_string());
    let kept = slot.wal_status.as_deref().unwrap_or("-");
    format!("{} ({}): {state}, {from}, {kept}", slot.name, slot.kind)
}

fn list<T: Clone>(name: &'static str, all: &Reading<Vec<T>>, show: impl Fn(&T) -> String) -> Row {
    let shown = all.as_ref().map(|all| all.iter().map(show).collect::<Vec<_>>());
    match shown {
        Reading::Value(all) => {
            let text = if all.is_empty() { "none".to_owned() } else { all.join("\n") };
            Row { name, text, json: json!(all) }
        }
        other => row(name, &other.map(|it| it.join(", "))),
    }
}

/// All rows of a server for people.
pub(super) fn text(server: &Server, rows: &[Row]) -> String {
    let width = rows.iter().map(|it| it.name.len()).max().unwrap_or_default();
    let mut text = format!("Server {}\n", server.name);
    for row in rows {
        let mut name = row.name.replace('_', " ");
        for line in row.text.lines() {
            let _ = writeln!(text, "  {name:width$}  {line}");
            name.clear();
        }
    }
    text
}
