//! The command `hayloft pg show`.

use std::fmt::Write as _;

use hayloft_plugin_api::{CommandSpec, Result, text};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Call, Subcommand, arguments, find, view};
use crate::{
    catalogue::{Backup, BackupInfo, Catalogue, State, Verdict},
    intake::chain,
};

/// See the module.
pub(in crate::commands) const COMMAND: Subcommand = Subcommand { name: "show", spec, run };

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Show all that is known of a base backup".to_owned(),
        long_about: "Shows what `backup.info` says of a base backup, which backups it refers to \
                     and which refer to it, whether it is kept, and what each storage has of it."
            .to_owned(),
        arguments: arguments(),
        after_help: "Examples:\n  hayloft pg show main latest\n  \
                     hayloft pg show main 20260101T010203 --json"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let server = call.server(call.arguments.get("server"))?;
    let catalogue = Catalogue::read(call.host, server);
    for (name, error) in &catalogue.unread {
        tracing::warn!("storage {name} could not be asked: {}", chain(error));
    }
    let backup = find(call, &catalogue)?;
    let verdicts = view::verdicts(&catalogue, server, Timestamp::now());
    let at = catalogue.backups.iter().position(|it| it.id == backup.id);
    let verdict = at.and_then(|at| verdicts.get(at).copied()).unwrap_or(Verdict::None);
    let shown = if call.arguments.json {
        let mut document = view::json(&catalogue, backup, verdict);
        document["server"] = json!(server.name);
        document["info"] = Value::Object(fields(backup));
        serde_json::to_string_pretty(&document)? + "\n"
    } else {
        people(&catalogue, backup, verdict)
    };
    call.host.print(shown)?;
    Ok(if catalogue.unread.is_empty() { 0 } else { 7 })
}

/// All fields of `backup.info`, as they are written there.
fn fields(backup: &Backup) -> Map<String, Value> {
    let text = backup.info().map(ToString::to_string).unwrap_or_default();
    let lines = text.lines().filter_map(|it| it.split_once('='));
    let value = |it: &str| if it == "None" { Value::Null } else { json!(it) };
    lines.map(|(key, text)| (key.to_owned(), value(text))).collect()
}

fn people(catalogue: &Catalogue, backup: &Backup, verdict: Verdict) -> String {
    let mut shown = format!("Backup {} of server {}\n", backup.id, catalogue.server);
    let mut line = |name: &str, value: String| {
        let _ = writeln!(shown, "  {name:22} {}", text::one_line(value));
    };
    line("status", backup.state().to_string());
    if let Some(remark) = view::remark(backup) {
        line("why", remark);
    }
    line("retention", verdict.to_string());
    if let Some(keep) = backup.keep() {
        line("keep", keep.to_string());
    }
    let children: Vec<String> =
        catalogue.children(backup.id).iter().map(ToString::to_string).collect();
    if !children.is_empty() {
        line("referred to by", children.join(", "));
    }
    for copy in &backup.copies {
        let why =
            if let State::Broken(why) = copy.state() { format!(": {why}") } else { String::new() };
        let (state, layout) = (copy.state(), copy.layout.name());
        line("in storage", format!("{}: {state}, {layout}{why}", copy.storage));
    }
    if let Some(info) = backup.info() {
        describe(backup, info, &mut line);
    }
    shown
}

/// Shows what `backup.info` says.
fn describe(backup: &Backup, info: &BackupInfo, line: &mut impl FnMut(&str, String)) {
    line("type", info.kind().name().to_owned());
    for (name, bytes) in [
        ("size", info.size),
        ("stored", info.deduplicated_size),
        ("cluster size", info.cluster_size),
    ] {
        if let Some(bytes) = bytes {
            line(name, text::size(bytes));
        }
    }
    for space in info.tablespaces.iter().flatten() {
        line("tablespace", format!("{} ({}) at {}", space.name, space.oid, space.location));
    }
    // What was said above is not said again.
    let said = [
        "status",
        "error",
        "size",
        "deduplicated_size",
        "cluster_size",
        "tablespaces",
        "children_backup_ids",
    ];
    for (key, value) in fields(backup) {
        if let (Value::String(value), false) = (value, said.contains(&key.as_str())) {
            line(&key.replace('_', " "), value);
        }
    }
}
