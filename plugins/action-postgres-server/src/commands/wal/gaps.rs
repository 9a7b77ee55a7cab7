//! The command `hayloft pg wal gaps`.

use std::fmt::Write as _;

use hayloft_plugin_api::{Argument, CommandSpec, ErrorKind, Result};
use hayloft_postgres::wal::{Gap, Gaps, Inventory, SegmentName, SegmentSize, Start};
use serde_json::{Value, json};

use super::{super::expected::Expected, Call, Subcommand, place};
use crate::archive::Archive;

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "gaps", spec, run };

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Name the segments that are missing".to_owned(),
        long_about: "Looks by their names which segments are missing from the oldest base backup \
                     on, on every timeline that a recovery can get to; without a base backup, from \
                     the first segment on. A server that archives with `push` is asked what it has \
                     archived last, and one that streams, on the receiver's machine, what its slot \
                     was told is safe, so that what is missing at the end is noticed too. Exit code \
                     1: something is in none of the storages; 7: one of them lacks what another \
                     one has. `verify` reads the segments as well."
            .to_owned(),
        arguments: vec![
            Argument::positional("server", "SERVER", "The server's name in the configuration")
                .required(),
            Argument::option("storage", "NAME", "Only look into this storage"),
        ],
        after_help: "Examples:\n  hayloft pg wal gaps main\n  hayloft pg wal gaps main --json"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let server = call.server(call.arguments.get("server"))?;
    let archive = Archive::open(call.host, server)?;
    let only = place::storage(call, &archive)?;
    // Asked first: what it was told by then is in what is listed.
    let expected = Expected::ask(call.host, server);
    let size = match archive.segment_size() {
        // It tells nothing of how large segments are, but that one is missing.
        Err(error) if error.kind() == ErrorKind::NOT_FOUND => SegmentSize::DEFAULT,
        other => other?,
    };
    let look = Look { archive: &archive, size, expected, starts: archive.starts()? };
    let found = look.at(only)?;
    let mut lacking = Vec::new();
    let several = archive.storages(true).count() > 1 && only.is_none();
    for storage in archive.storages(true).filter(|_| several) {
        let gaps = without(&look.at(Some(storage))?.gaps, &found.gaps, size);
        if !gaps.is_empty() {
            lacking.push((storage, gaps));
        }
    }
    let text = if call.arguments.json {
        serde_json::to_string_pretty(&document(&found, &lacking))? + "\n"
    } else {
        told(&found, &lacking)
    };
    call.host.print(text)?;
    Ok(match (found.gaps.is_empty(), lacking.is_empty()) {
        (false, _) => 1,
        (true, false) => 7,
        (true, true) => 0,
    })
}

/// How it is looked for.
struct Look<'a> {
    archive: &'a Archive<'a>,
    size: SegmentSize,
    expected: Expected,
    starts: Vec<Start>,
}

/// What was found.
struct Found {
    gaps: Gaps,
    /// Each timeline's first and last segment.
    ends: Vec<(SegmentName, SegmentName)>,
    from: Option<Start>,
}

impl Look<'_> {
    fn at(&self, storage: Option<&str>) -> Result<Found> {
        let mut inventory = self.archive.inventory(storage, self.size)?;
        self.expected.note(&mut inventory);
        let gaps = inventory.gaps(&self.starts);
        let from = self.starts.iter().min_by_key(|it| it.position).copied();
        Ok(Found { gaps, ends: ends(&inventory), from })
    }
}

fn ends(inventory: &Inventory) -> Vec<(SegmentName, SegmentName)> {
    let ends = |it| inventory.first(it).zip(inventory.last(it));
    inventory.timelines().into_iter().filter_map(ends).collect()
}

/// What one storage lacks and another one has.
fn without(gaps: &Gaps, everywhere: &Gaps, size: SegmentSize) -> Gaps {
    let mut others = Inventory::new(size);
    let all = everywhere.segments.iter();
    all.for_each(|it| names(it, size).for_each(|name| others.add(name.into())));
    let mut segments: Vec<Gap> = Vec::new();
    for name in gaps.segments.iter().flat_map(|it| names(it, size)).filter(|it| !others.has(*it)) {
        match segments.last_mut() {
            Some(gap) if gap.last.next(size) == Ok(name) => {
                gap.last = name;
                gap.count += 1;
            }
            _ => segments.push(Gap { first: name, last: name, count: 1 }),
        }
    }
    let mut histories = gaps.histories.clone();
    histories.retain(|it| !everywhere.histories.contains(it));
    Gaps { segments, histories }
}

fn names(gap: &Gap, size: SegmentSize) -> impl Iterator<Item = SegmentName> {
    let last = gap.last;
    let next = move |it: &SegmentName| it.next(size).ok().filter(|it| *it <= last);
    std::iter::successors(Some(gap.first), next)
}

fn document(found: &Found, lacking: &[(&str, Gaps)]) -> Value {
    let lacking: Vec<Value> = lacking
        .iter()
        .map(|(storage, gaps)| {
            let mut it = listed(gaps);
            it["storage"] = json!(storage);
            it
        })
        .collect();
    let mut it = listed(&found.gaps);
    it["from"] = json!(found.from.map(|it| it.position.to_string()));
    it["timelines"] = found
        .ends
        .iter()
        .map(|(first, last)| {
            json!({
                "timeline": first.timeline(),
                "first": first.to_string(), "last": last.to_string(),
            })
        })
        .collect();
    it["lacking"] = json!(lacking);
    it
}

fn listed(gaps: &Gaps) -> Value {
    let segments = gaps.segments.iter().map(|it| {
        json!({
            "first": it.first.to_string(), "last": it.last.to_string(), "segments": it.count,
        })
    });
    let histories = gaps.histories.iter().map(|it| format!("{:08X}.history", it.get()));
    json!({
        "gaps": segments.collect::<Vec<_>>(),
        "histories": histories.collect::<Vec<_>>(),
    })
}

fn told(found: &Found, lacking: &[(&str, Gaps)]) -> String {
    let mut text = String::new();
    let mut tell = |what: &str, gaps: &Gaps| {
        for gap in &gaps.segments {
            let _ = writeln!(text, "{what}: {gap}");
        }
        for timeline in &gaps.histories {
            let _ = writeln!(text, "{what}: {:08X}.history", timeline.get());
        }
    };
    tell("missing", &found.gaps);
    for (storage, gaps) in lacking {
        tell(&format!("not in storage {storage}"), gaps);
    }
    if found.ends.is_empty() {
        text.push_str("there is no segment yet\n");
    }
    if found.gaps.is_empty() {
        for (first, last) in &found.ends {
            let _ = writeln!(text, "timeline {}: {first} to {last}", first.timeline());
        }
        let from =
            found.from.map(|it| format!(" from {}, where the oldest backup begins,", it.position));
        let _ = writeln!(
            text,
            "no segment is missing{} on",
            from.unwrap_or_else(|| " from the first".to_owned())
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(first: &str, last: &str, count: u64) -> Gap {
        Gap { first: first.parse().unwrap(), last: last.parse().unwrap(), count }
    }

    #[test]
    fn what_is_nowhere_is_no_fault_of_one_storage() {
        let one = Gaps {
            segments: vec![gap("0000000100000000000000FE", "000000010000000100000002", 5)],
            histories: vec![],
        };
        let all = Gaps {
            segments: vec![gap("0000000100000000000000FF", "0000000100000000000000FF", 1)],
            histories: vec![],
        };
        let found = without(&one, &all, SegmentSize::DEFAULT);
        let expected = [
            gap("0000000100000000000000FE", "0000000100000000000000FE", 1),
            gap("000000010000000100000000", "000000010000000100000002", 3),
        ];
        assert_eq!(found.segments, expected);
        assert!(without(&all, &all, SegmentSize::DEFAULT).is_empty());
    }
}
