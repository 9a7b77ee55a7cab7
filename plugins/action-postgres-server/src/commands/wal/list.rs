//! The command `hayloft pg wal list`.

use std::fmt::Write as _;

use hayloft_plugin_api::{Argument, CommandSpec, Error, Host, Result, text};
use hayloft_postgres::wal::{FileName, SegmentSize, TimelineId};
use serde_json::{Value, json};

use super::{
    Call, Subcommand,
    place::{self, Place},
};
use crate::archive::{Archive, Stored};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "list", spec, run };

/// So much text is gathered before it is printed, in bytes.
const CHUNK: usize = 64 << 10;

fn spec() -> CommandSpec {
    CommandSpec {
        about: "List the files of WAL in the storages".to_owned(),
        long_about: "Lists the segments, partial segments, histories of timelines and labels of \
                     backups that the storages of a server have, one storage after the other: the \
                     name, the storage, the size there, when it was stored, and what is appended \
                     to the name there. However many there are, little memory is needed."
            .to_owned(),
        arguments: vec![
            Argument::positional("server", "SERVER", "The server's name in the configuration")
                .required(),
            Argument::option("timeline", "NUMBER", "Only files of this timeline"),
            Argument::option("from", "SEGMENT|LSN", "Only from this segment on, of any timeline"),
            Argument::option("to", "SEGMENT|LSN", "Only up to this segment, of any timeline"),
            Argument::option("storage", "NAME", "Only what is in this storage"),
        ],
        after_help:
            "Examples:\n  hayloft pg wal list main\n  hayloft pg wal list main --timeline 2 \
                     --from 1/A4000000 --json"
                .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let server = call.server(call.arguments.get("server"))?;
    let archive = Archive::open(call.host, server)?;
    let filter = Filter::read(call, &archive)?;
    let width = archive.storages(false).map(str::len).max().unwrap_or_default();
    let mut out = Out::new(call.host, call.arguments.json);
    archive.for_each(place::storage(call, &archive)?, None, &mut |stored| {
        call.host.check_cancelled()?;
        if filter.takes(stored.name) { out.add(&stored, width) } else { Ok(()) }
    })?;
    out.end()?;
    Ok(0)
}

/// Which files are wanted.
#[derive(Debug, Clone, Copy, Default)]
struct Filter {
    timeline: Option<TimelineId>,
    from: Option<u64>,
    to: Option<u64>,
    size: Option<SegmentSize>,
}

impl Filter {
    fn read(call: &Call<'_>, archive: &Archive<'_>) -> Result<Self> {
        let timeline = call.arguments.get("timeline").map(str::parse::<TimelineId>);
        let timeline = timeline.transpose().map_err(|e| Error::msg(format!("--timeline: {e}")))?;
        let (from, to) = (Place::option(call, "from")?, Place::option(call, "to")?);
        if from.is_none() && to.is_none() {
            return Ok(Self { timeline, ..Self::default() });
        }
        let size = archive.segment_size()?;
        let number = |it: Option<Place>| it.map(|it| it.number(size)).transpose();
        Ok(Self { timeline, from: number(from)?, to: number(to)?, size: Some(size) })
    }

    fn takes(&self, name: FileName) -> bool {
        if self.timeline.is_some_and(|it| it != name.timeline()) {
            return false;
        }
        let Some(size) = self.size else { return true };
        let number = name.segment().and_then(|it| it.number(size).ok());
        number.is_some_and(|it| {
            self.from.is_none_or(|from| it >= from) && self.to.is_none_or(|to| it <= to)
        })
    }
}

/// What is printed, a piece at a time.
struct Out<'a> {
    host: &'a Host,
    json: bool,
    text: String,
    begun: bool,
}

impl<'a> Out<'a> {
    fn new(host: &'a Host, json: bool) -> Self {
        let text = if json { "{\"files\": [" } else { "" };
        Self { host, json, text: text.to_owned(), begun: false }
    }

    fn add(&mut self, stored: &Stored, width: usize) -> Result<()> {
        if self.json {
            self.text.push_str(if self.begun { ",\n" } else { "\n" });
            self.text.push_str(&serde_json::to_string(&described(stored))?);
            self.begun = true;
        } else {
            let (name, storage) = (stored.name.to_string(), &stored.storage);
            let size = text::size(stored.object.size);
            let (at, suffix) = (stored_at(stored), &stored.suffix);
            let line = format!("{name:<24}  {storage:<width$}  {size:>9}  {at}  {suffix}");
            let _ = writeln!(self.text, "{}", line.trim_end());
        }
        if self.text.len() > CHUNK { self.print() } else { Ok(()) }
    }

    fn print(&mut self) -> Result<()> {
        self.host.print(std::mem::take(&mut self.text))
    }

    fn end(mut self) -> Result<()> {
        if self.json {
            self.text.push_str("\n]}\n");
        }
        self.print()
    }
}

/// What programs see of a copy.
pub(super) fn described(stored: &Stored) -> Value {
    json!({
        "name": stored.name.to_string(),
        "kind": kind(stored.name),
        "timeline": stored.name.timeline(),
        "storage": stored.storage,
        "key": stored.object.key,
        "suffix": stored.suffix,
        "size": stored.object.size,
        "stored": stored_at(stored),
    })
}

/// What a file is, in a word.
pub(super) fn kind(name: FileName) -> &'static str {
    match name {
        FileName::Segment(_) => "segment",
        FileName::Partial(_) => "partial",
        FileName::History(_) => "history",
        FileName::Backup { .. } => "label",
    }
}

/// When it was stored, in seconds of UTC.
pub(super) fn stored_at(stored: &Stored) -> String {
    let at = jiff::Timestamp::from_nanosecond(stored.object.modified_ns.into());
    at.map(|it| it.strftime("%FT%TZ").to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_filtered_by_timeline_and_place() {
        let all = Filter::default();
        let second = Filter { timeline: TimelineId::new(2), ..all };
        let middle = Filter { from: Some(4), to: Some(5), size: Some(SegmentSize::DEFAULT), ..all };
        let cases = [
            ("000000010000000000000004", true, false, true),
            ("000000020000000000000006", true, true, false),
            ("000000020000000000000005.partial", true, true, true),
            ("000000010000000000000003.00000028.backup", true, false, false),
            ("00000002.history", true, true, false),
        ];
        for (name, by_none, by_timeline, by_place) in cases {
            let name = name.parse().unwrap();
            let taken = (all.takes(name), second.takes(name), middle.takes(name));
            assert_eq!(taken, (by_none, by_timeline, by_place), "{name}");
        }
    }
}
