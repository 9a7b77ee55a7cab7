//! The command `hayloft pg wal show`.

use std::fmt::Write as _;

use hayloft_plugin_api::{Argument, CommandSpec, Error, ErrorKind, Result, text};
use hayloft_postgres::wal::{FileName, SegmentHeader, Walked};
use serde_json::{Value, json};

use super::{
    Call, Subcommand,
    list::{described, kind, stored_at},
};
use crate::archive::{Archive, Examined, Fault, Pace, Stored};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "show", spec, run };

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Show one file of WAL: each copy of it, read and checked".to_owned(),
        long_about: "Reads every copy of a file that the storages have, checks all of it, and \
                     shows what is in it. Exit code 0: all copies are good and the same; 7: no key \
                     opens one, or the log ends within the segment, which is right only where its \
                     timeline was left or the server ended; 1: a copy is damaged, cannot be read, \
                     or differs, or there is none."
            .to_owned(),
        arguments: vec![
            Argument::positional("server", "SERVER", "The server's name in the configuration")
                .required(),
            Argument::positional("name", "NAME", "The file's name").required(),
        ],
        after_help: "Example:\n  hayloft pg wal show main 0000000100000002000000A4".to_owned(),
        ..CommandSpec::default()
    }
}

type Looked = (Stored, Result<Examined, Fault>);

fn run(call: &Call<'_>) -> Result<u8> {
    let server = call.server(call.arguments.get("server"))?;
    let name = call.arguments.get("name").unwrap_or_default();
    let name: FileName =
        name.parse().map_err(|_| Error::msg(format!("`{name}` is no name of a file of WAL")))?;
    let archive = Archive::open(call.host, server)?;
    let history = archive.history(name.timeline())?;
    let (mut looked, mut failures) = (Vec::new(), Vec::new());
    for copy in archive.copies(name) {
        match copy {
            Ok(copy) => {
                let examined = archive.examine(&copy, history.as_ref(), &Pace::new(None));
                looked.push((copy, examined));
            }
            Err(error) => failures.push(error.to_string()),
        }
    }
    if looked.is_empty() && failures.is_empty() {
        return Err(Error::new(ErrorKind::NOT_FOUND, format!("{name} is in no storage"))
            .hint(format!("`hayloft pg wal list {}` shows what there is", server.name)));
    }
    let same = all_the_same(&looked);
    let text = if call.arguments.json {
        serde_json::to_string_pretty(&document(name, &looked, &failures, same))? + "\n"
    } else {
        told(name, &looked, &failures, same)
    };
    call.host.print(text)?;
    Ok(if failures.is_empty() && same { code(&looked) } else { 1 })
}

fn all_the_same(looked: &[Looked]) -> bool {
    let mut contents = looked.iter().filter_map(|it| it.1.as_ref().ok()).map(|it| &it.content);
    let first = contents.next();
    contents.all(|it| Some(it) == first)
}

fn code(looked: &[Looked]) -> u8 {
    let one = |it: &Looked| match &it.1 {
        Ok(examined) if ends_early(it.0.name, examined).is_some() => 7,
        Ok(_) => 0,
        Err(fault) if fault.is_only_locked() => 7,
        Err(_) => 1,
    };
    let codes: Vec<u8> = looked.iter().map(one).collect();
    if codes.contains(&1) { 1 } else { codes.into_iter().max().unwrap_or(0) }
}

/// Where the log ends in a segment that should be whole.
fn ends_early(name: FileName, examined: &Examined) -> Option<String> {
    let ended = examined.walked.as_ref()?.ended.as_ref()?;
    matches!(name, FileName::Segment(_)).then(|| ended.to_string())
}

fn document(name: FileName, looked: &[Looked], failures: &[String], same: bool) -> Value {
    let copies = looked.iter().map(|(copy, examined)| {
        let mut it = described(copy);
        it["verdict"] = match examined {
            Ok(_) => json!("good"),
            Err(fault) => json!(fault.word()),
        };
        match examined {
            Err(fault) => it["problem"] = json!(fault.why()),
            Ok(examined) => {
                it["content_bytes"] = json!(examined.length);
                it["blake3"] = json!(examined.content);
                it["text"] = json!(examined.text);
                it["header"] = examined.header.as_ref().map_or(Value::Null, header);
                it["records"] = json!(examined.walked.as_ref().map(|it| it.records));
                it["ends_early"] = json!(ends_early(name, examined));
            }
        }
        it
    });
    json!({
        "name": name.to_string(), "kind": kind(name), "same": same,
        "copies": copies.collect::<Vec<_>>(), "problems": failures,
    })
}

fn header(it: &SegmentHeader) -> Value {
    json!({
        "version": it.major, "system_identifier": it.system_identifier.to_string(),
        "timeline": it.timeline, "start": it.start.to_string(),
        "segment_size": it.segment_size.bytes(), "block_size": it.block_size,
    })
}

fn told(name: FileName, looked: &[Looked], failures: &[String], same: bool) -> String {
    let mut text = format!("{name}: {}\n", kind(name));
    let first = looked.iter().find_map(|it| it.1.as_ref().ok());
    if let Some(header) = first.and_then(|it| it.header) {
        let end = header.start.checked_add(header.segment_size.bytes());
        let end = end.map(|it| format!(" to {it}")).unwrap_or_default();
        let _ = writeln!(
            text,
            "  PostgreSQL {}, system {}, begins on timeline {}\n  from {}{end}",
            header.major, header.system_identifier, header.timeline, header.start
        );
    }
    for line in first.and_then(|it| it.text.as_deref()).unwrap_or_default().lines() {
        let _ = writeln!(text, "  {}", text::one_line(line));
    }
    for (copy, examined) in looked {
        let size = text::size(copy.object.size);
        let _ = writeln!(
            text,
            "storage {}\n  {}\n  {size}, stored {}",
            copy.storage,
            copy.object.key,
            stored_at(copy)
        );
        let _ = writeln!(text, "  {}", verdict(name, examined));
    }
    for failure in failures {
        let _ = writeln!(text, "not looked at: {failure}");
    }
    if !same {
        text.push_str("the copies differ\n");
    }
    text
}

fn verdict(name: FileName, examined: &Result<Examined, Fault>) -> String {
    let examined = match examined {
        Ok(examined) => examined,
        Err(fault) => return format!("{}: {}", fault.word().replace('_', " "), fault.why()),
    };
    let size = text::size(examined.length);
    let records = |it: &Walked| format!(", {} records", it.records);
    let records = examined.walked.as_ref().map(records).unwrap_or_default();
    let hash = &examined.content[..16];
    let good = format!("good: {size}{records}, BLAKE3 {hash}…");
    match ends_early(name, examined) {
        Some(ended) => {
            format!("{good}\n  its log ends {ended} (right only where its timeline was left)")
        }
        None => good,
    }
}
