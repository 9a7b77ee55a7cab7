//! The command `hayloft pg expire`.

use std::fmt::Write as _;

use hayloft_plugin_api::{Argument, CommandSpec, Error, ErrorKind, Result, text};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Call, Subcommand, table::Table, which_servers, worse};
use crate::{
    catalogue::{self, Decision, Expiry, StorageExpiry, Verdict, WalExpiry},
    config::Server,
    intake::chain,
};

/// See the module.
pub(in crate::commands) const COMMAND: Subcommand = Subcommand { name: "expire", spec, run };

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Delete the base backups and the WAL that the retention policy does not keep"
            .to_owned(),
        long_about: "Decides, for each storage by itself, which base backups the retention policy \
                     keeps, deletes the others, and then the WAL that no backup needs which \
                     stays. What a backup refers to stays with it, and so does the newest one. \
                     Also ends deletions that were interrupted. --dry-run tells, backup by \
                     backup, what would become of it and why. Also an action of a run \
                     (postgresexpire). Exit code 7: a hook or the storage itself kept something; \
                     3: somebody else is at it."
            .to_owned(),
        arguments: vec![
            which_servers(),
            Argument::flag("dry-run", "Only tell what would be deleted, and why").short('n'),
        ],
        after_help: "Examples:\n  hayloft pg expire main --dry-run\n  hayloft pg expire".to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let dry_run = call.arguments.has("dry-run");
    let (mut documents, mut code, mut shown) = (Vec::new(), 0, String::new());
    for server in call.chosen()? {
        let name = &server.name;
        let expiry = match catalogue::expire(call.host, server, Timestamp::now(), dry_run)? {
            Ok(expiry) => expiry,
            Err(who) => {
                let _ = writeln!(shown, "{name}: its catalogue is in use: {who}");
                documents.push(json!({ "name": name, "held_by": who }));
                code = worse(code, 3);
                continue;
            }
        };
        for problem in problems(&expiry) {
            tracing::error!("server {name}: {problem}");
        }
        code = worse(code, code_of(&expiry));
        documents.push(document(server, &expiry, dry_run));
        write_text(&mut shown, server, &expiry, dry_run);
    }
    if call.arguments.json {
        shown = serde_json::to_string_pretty(&json!({ "servers": documents }))? + "\n";
    }
    call.host.print(shown)?;
    Ok(code)
}

fn code_of(expiry: &Expiry) -> u8 {
    if expiry.is_complete() {
        return 0;
    }
    let mut errors: Vec<&Error> = expiry.unread.iter().map(|it| &it.1).collect();
    errors.extend(expiry.storages.iter().flat_map(|it| &it.failures).map(|it| &it.1));
    if let WalExpiry::Failed(error) = &expiry.wal {
        errors.push(error);
    }
    let is_kept = |it: &&Error| [ErrorKind::VETOED, ErrorKind::PERMISSION].contains(&it.kind());
    if errors.iter().all(is_kept) { 7 } else { 1 }
}

fn problems(expiry: &Expiry) -> Vec<String> {
    let mut found = Vec::new();
    for (storage, error) in &expiry.unread {
        found.push(format!("storage {storage} could not be asked: {}", chain(error)));
    }
    for it in &expiry.storages {
        for (id, error) in &it.failures {
            let storage = &it.storage;
            found.push(format!("backup {id} stays in storage {storage}: {}", chain(error)));
        }
    }
    if let WalExpiry::Failed(error) = &expiry.wal {
        found.push(format!("not all WAL is deleted: {}", chain(error)));
    }
    found
}

fn document(server: &Server, expiry: &Expiry, dry_run: bool) -> Value {
    let decision = |it: &Decision| {
        json!({
            "id": it.copy.id, "status": it.state, "retention": it.verdict,
            "step": it.step, "stays": it.step.stays(), "why": it.why,
        })
    };
    let storage = |it: &StorageExpiry| {
        let decisions: Vec<Value> = it.plan.decisions.iter().map(decision).collect();
        let failures: Vec<Value> = it
            .failures
            .iter()
            .map(|(id, error)| json!({ "id": id, "error": chain(error) }))
            .collect();
        json!({
            "storage": it.storage, "first_backup": it.plan.first,
            "backups": decisions, "failures": failures,
        })
    };
    let wal = match &expiry.wal {
        WalExpiry::Held(why) => json!({ "files": 0, "bytes": 0, "held": why }),
        WalExpiry::Failed(error) => json!({ "error": chain(error) }),
        WalExpiry::Deleted(deleted, kept) => json!({
            "files": deleted.files, "bytes": deleted.bytes, "ranges": deleted.ranges,
            "kept_from": kept.from.map(|it| it.to_string()),
            "kept_spans": kept.spans.iter()
                .map(|(a, b)| [a.to_string(), b.to_string()]).collect::<Vec<_>>(),
        }),
    };
    let unread: Vec<Value> = expiry
        .unread
        .iter()
        .map(|(storage, error)| json!({ "storage": storage, "error": chain(error) }))
        .collect();
    json!({
        "name": server.name, "policy": server.retention_policy.map(|it| it.to_string()),
        "dry_run": dry_run, "storages": expiry.storages.iter().map(storage).collect::<Vec<_>>(),
        "wal": wal, "unread": unread,
    })
}

fn write_text(shown: &mut String, server: &Server, expiry: &Expiry, dry_run: bool) {
    let policy = server
        .retention_policy
        .map_or_else(|| "no retention policy".to_owned(), |it| it.to_string());
    let _ = writeln!(shown, "Server {}: {policy}", server.name);
    let done = if dry_run { "would be deleted" } else { "deleted" };
    for it in &expiry.storages {
        let _ = writeln!(shown, "  Storage {}:", it.storage);
        write_backups(shown, it, done);
    }
    write_wal(shown, &expiry.wal, done);
}

fn write_backups(shown: &mut String, expiry: &StorageExpiry, done: &str) {
    if expiry.plan.decisions.is_empty() {
        shown.push_str("    no backups\n");
        return;
    }
    let mut table = Table::new(&["ID", "STATUS", "RETENTION", "", "WHY"]);
    for it in expiry.plan.decisions.iter().rev() {
        let verdict = if it.verdict == Verdict::None { "" } else { it.verdict.name() };
        let step = if it.step.stays() { "stays" } else { done };
        table.row(vec![
            it.copy.id.to_string(),
            it.state.to_string(),
            verdict.to_owned(),
            step.to_owned(),
            text::one_line(&it.why),
        ]);
    }
    shown.push_str(&table.show(4));
}

fn write_wal(shown: &mut String, expiry: &WalExpiry, done: &str) {
    match expiry {
        WalExpiry::Held(why) => {
            let _ = writeln!(shown, "  WAL: nothing {done}: {why}");
        }
        WalExpiry::Failed(_) => {}
        WalExpiry::Deleted(deleted, kept) => {
            let size = text::size(deleted.bytes);
            let from = kept.from.map(|it| it.to_string()).unwrap_or_default();
            let _ = writeln!(
                shown,
                "  WAL: {} files, {size}, {done}; all from {from} on is needed",
                deleted.files
            );
            for it in &deleted.ranges {
                let _ = writeln!(
                    shown,
                    "    {} to {} in {}: {} files",
                    it.first, it.last, it.storage, it.files
                );
            }
        }
    }
}
