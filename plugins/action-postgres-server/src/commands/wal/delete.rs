//! The command `hayloft pg wal delete`.

use hayloft_plugin_api::{Argument, CommandSpec, Error, ErrorKind, Result, text};
use hayloft_postgres::wal::FileName;
use serde_json::json;

use super::{Call, Subcommand};
use crate::archive::{Archive, Deleted};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "delete", spec, run };

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Delete WAL that no backup needs".to_owned(),
        long_about:
            "Deletes the segments before the one that is named, and the labels and partial \
                     segments among them, from every storage of the server. Histories of timelines \
                     stay. What a backup in one of the storages needs stays too, whatever is named."
                .to_owned(),
        arguments: vec![
            Argument::positional("server", "SERVER", "The server's name in the configuration")
                .required(),
            Argument::option(
                "before",
                "NAME",
                "The first segment that is to stay, or the label of the first backup",
            )
            .required(),
            Argument::flag("dry-run", "Only tell what would be deleted").short('n'),
        ],
        after_help: "Example:\n  hayloft pg wal delete main --before \
                     0000000100000002000000A4.00000028.backup --dry-run"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let server = call.server(call.arguments.get("server"))?;
    let name = call.arguments.get("before").unwrap_or_default();
    let bad = || Error::new(ErrorKind::NOT_FOUND, format!("`{name}` is no name of a segment"));
    let segment = FileName::parse(name).and_then(FileName::segment).ok_or_else(bad)?;
    let archive = Archive::open(call.host, server)?;
    let size = archive.segment_size()?;
    let asked = segment.start(size).map_err(|e| Error::msg(e.to_string()))?;
    let kept = archive.kept_backups()?.and_from(asked);
    let deleted = if call.arguments.has("dry-run") {
        archive.doomed(&kept, size)?
    } else {
        archive.delete_before(&kept, size)?
    };
    let stays = kept.from.filter(|it| *it < asked);
    let text = if call.arguments.json {
        let value = json!({
            "files": deleted.files, "bytes": deleted.bytes,
            "kept_from": kept.from.map(|it| it.to_string()),
            "dry_run": call.arguments.has("dry-run"),
        });
        format!("{value}\n")
    } else {
        describe(&deleted, call.arguments.has("dry-run"), stays.map(|it| it.to_string()))
    };
    call.host.print(text)?;
    Ok(0)
}

fn describe(deleted: &Deleted, dry_run: bool, stays: Option<String>) -> String {
    let done = if dry_run { "would be deleted" } else { "deleted" };
    let files = if deleted.files == 1 { "file" } else { "files" };
    let stays = stays.map(|it| format!("a backup needs what comes from {it} on\n"));
    let size = text::size(deleted.bytes);
    format!("{} {files}, {size}, {done}\n{}", deleted.files, stays.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_deleted_is_told() {
        let deleted = Deleted { files: 1, bytes: 2048, ..Deleted::default() };
        let told = describe(&deleted, true, Some("0/3000000".to_owned()));
        assert!(told.starts_with("1 file, ") && told.contains("would be deleted"), "{told}");
        assert!(told.contains("from 0/3000000 on"), "{told}");
        assert_eq!(describe(&Deleted::default(), false, None).lines().count(), 1);
    }
}
