//! A backup as it is shown.

use serde_json::{Value, json};

use crate::{
    catalogue::{Backup, BackupInfo, Candidate, Catalogue, Copy, Moment, State, Verdict},
    config::Server,
};

/// What the policy of a server says of each backup, in their order.
pub(super) fn verdicts(
    catalogue: &Catalogue,
    server: &Server,
    now: jiff::Timestamp,
) -> Vec<Verdict> {
    let candidate = |it: &Backup| {
        let info = it.info();
        Candidate {
            id: it.id,
            status: if let State::Is(best) = it.state() { Some(best.0) } else { None },
            end_time: info.and_then(|it| it.end_time).map(Moment::timestamp),
            keep: it.keep(),
            parent: info.and_then(|it| it.parent_backup_id),
        }
    };
    let candidates: Vec<Candidate> = catalogue.backups.iter().map(candidate).collect();
    let Some(policy) = server.retention_policy else {
        return candidates.iter().map(|it| it.keep.map_or(Verdict::None, Verdict::from)).collect();
    };
    let report = policy.report(&candidates, server.minimum_redundancy, now);
    candidates.iter().map(|it| report.verdict(it.id)).collect()
}

/// What programs are told of a backup.
pub(super) fn json(catalogue: &Catalogue, backup: &Backup, verdict: Verdict) -> Value {
    let info = backup.info();
    let text = |get: fn(&BackupInfo) -> Option<String>| info.and_then(get);
    let number = |get: fn(&BackupInfo) -> Option<u64>| info.and_then(get);
    json!({
        "id": backup.id,
        "name": text(|it| it.backup_name.clone()),
        "status": backup.state(),
        "type": info.map(|it| it.kind().name()),
        "begin_time": text(|it| it.begin_time.map(|it| it.to_string())),
        "end_time": text(|it| it.end_time.map(|it| it.to_string())),
        "size": number(|it| it.size),
        "stored": number(|it| it.deduplicated_size),
        "keep": backup.keep(),
        "retention": verdict,
        "parent": info.and_then(|it| it.parent_backup_id),
        "children": catalogue.children(backup.id),
        "timeline": info.and_then(|it| it.timeline),
        "begin_wal": text(|it| it.begin_wal.map(|it| it.to_string())),
        "end_wal": text(|it| it.end_wal.map(|it| it.to_string())),
        "error": text(|it| it.error.clone()),
        "copies": backup.copies.iter().map(copy).collect::<Vec<_>>(),
    })
}

fn copy(copy: &Copy) -> Value {
    let state = copy.state();
    let why = if let State::Broken(why) = &state { Some(why.clone()) } else { None };
    json!({
        "storage": copy.storage,
        "status": state,
        "why": why,
        "layout": copy.layout.name(),
        "keep": copy.keep,
    })
}

/// What people are told of why a backup is as it is.
pub(super) fn remark(backup: &Backup) -> Option<String> {
    match backup.state() {
        State::Broken(why) => Some(why),
        State::Deleting => Some("its deletion was interrupted, or is under way".to_owned()),
        State::Remains => Some("there is no backup.info".to_owned()),
        State::Is(_) => backup.info().and_then(|it| it.error.clone()),
    }
}

/// Where it is: the storages, and of those that have less than the best, what.
pub(super) fn places(backup: &Backup) -> String {
    let best = backup.state();
    let one = |it: &Copy| match it.state() {
        state if state == best => it.storage.clone(),
        state => format!("{} ({state})", it.storage),
    };
    backup.copies.iter().map(one).collect::<Vec<_>>().join(", ")
}
