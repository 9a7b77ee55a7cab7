//! The command `hayloft pg list`.

use std::fmt::Write as _;

use hayloft_plugin_api::{CommandSpec, Result, text};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Call, Subcommand, table::Table, view, which_servers};
use crate::{
    catalogue::{Catalogue, Verdict},
    config::Server,
    intake::chain,
};

/// See the module.
pub(in crate::commands) const COMMAND: Subcommand = Subcommand { name: "list", spec, run };

fn spec() -> CommandSpec {
    CommandSpec {
        about: "List base backups".to_owned(),
        long_about: "Lists the base backups in the storages of the servers named, or of all \
                     active ones, newest first; what the retention policy says of each; and what \
                     is left of those that failed or were interrupted. The storages are asked \
                     each time: nothing is remembered. Backups of Barman's, at home or in a \
                     bucket, are listed too. Exit code 7 if a storage could not be asked."
            .to_owned(),
        arguments: vec![which_servers()],
        after_help: "Examples:\n  hayloft pg list\n  hayloft pg list main --json".to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let (mut text, mut documents, mut code) = (String::new(), Vec::new(), 0);
    let servers = call.chosen()?;
    for (i, server) in servers.iter().enumerate() {
        let catalogue = Catalogue::read(call.host, server);
        for (name, error) in &catalogue.unread {
            tracing::warn!("storage {name} could not be asked: {}", chain(error));
            code = 7;
        }
        let verdicts = view::verdicts(&catalogue, server, Timestamp::now());
        if call.arguments.json {
            documents.push(document(&catalogue, &verdicts));
        } else {
            let blank = if i == 0 { "" } else { "\n" };
            text.push_str(blank);
            write_text(&mut text, server, &catalogue, &verdicts);
        }
    }
    if call.arguments.json {
        text = serde_json::to_string_pretty(&json!({ "servers": documents }))? + "\n";
    }
    call.host.print(text)?;
    Ok(code)
}

fn document(catalogue: &Catalogue, verdicts: &[Verdict]) -> Value {
    let backups = catalogue.backups.iter().zip(verdicts).rev();
    let backups: Vec<Value> =
        backups.map(|(it, verdict)| view::json(catalogue, it, *verdict)).collect();
    let unread = catalogue.unread.iter();
    let unread: Vec<Value> = unread
        .map(|(storage, error)| json!({ "storage": storage, "error": chain(error) }))
        .collect();
    json!({ "name": catalogue.server, "backups": backups, "unread": unread })
}

fn write_text(text: &mut String, server: &Server, catalogue: &Catalogue, verdicts: &[Verdict]) {
    let count = catalogue.backups.len();
    let backups = if count == 1 { "backup" } else { "backups" };
    let policy = server.retention_policy.map(|it| format!(", {it}")).unwrap_or_default();
    let _ = writeln!(text, "Server {}: {count} {backups}{policy}", server.name);
    if count == 0 {
        return;
    }
    let mut table = Table::new(&[
        "ID",
        "STATUS",
        "TYPE",
        "ENDED",
        "SIZE",
        "STORED",
        "RETENTION",
        "IN",
        "NAME",
        "REMARK",
    ]);
    for (backup, verdict) in catalogue.backups.iter().zip(verdicts).rev() {
        let info = backup.info();
        let size = |it: Option<u64>| it.map(text::size).unwrap_or_default();
        let verdict = if *verdict == Verdict::None { String::new() } else { verdict.to_string() };
        let ended = info.and_then(|it| it.end_time).map(|it| it.to_string()).unwrap_or_default();
        table.row(vec![
            backup.id.to_string(),
            backup.state().to_string(),
            info.map(|it| it.kind().name()).unwrap_or_default().to_owned(),
            ended.split('.').next().unwrap_or_default().get(..19).unwrap_or_default().to_owned(),
            size(info.and_then(|it| it.size)),
            size(info.and_then(|it| it.deduplicated_size)),
            verdict,
            view::places(backup),
            text::one_line(info.and_then(|it| it.backup_name.clone()).unwrap_or_default()),
            text::one_line(view::remark(backup).unwrap_or_default()),
        ]);
    }
    text.push_str(&table.show(2));
}
