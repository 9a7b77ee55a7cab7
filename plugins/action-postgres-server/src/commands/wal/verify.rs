//! The command `hayloft pg wal verify`.

use std::thread;

use hayloft_plugin_api::{Argument, CommandSpec, Error, ErrorKind, Result, config::ByteSize, text};
use hayloft_postgres::wal::{FileName, Inventory, Lsn, SegmentName, Start, TimelineId};
use serde_json::{Value, json};

use super::{
    super::expected::Expected,
    Call, Subcommand,
    list::described,
    place::{self, Place},
};
use crate::archive::{Archive, Backup, Course, Finding, Pace, Verification, Verified};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "verify", spec, run };

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Read the archive and check every bit of it".to_owned(),
        long_about: "Reads every segment that a recovery would read, from the oldest base backup \
                     on to the end of the newest timeline, in every storage: that it is there, \
                     can be decoded, is of the right server, place and timeline, that every record \
                     in it has the right checksum, and that it continues the segment before it. \
                     What is damaged, missing, different, or cannot be decrypted is named, with its \
                     storage. Exit code 0: all is good; 7: all is there, but a storage lacks what \
                     another one has, or no key opens a copy whose bytes are those that were \
                     written; 1: anything worse."
            .to_owned(),
        arguments: vec![
            Argument::positional("server", "SERVER", "The server's name in the configuration")
                .required(),
            Argument::option(
                "from",
                "BACKUP|SEGMENT|LSN",
                "Where to begin: a backup's number, `oldest`, `latest`, a segment or a position",
            ),
            Argument::option(
                "to",
                "SEGMENT|LSN",
                "Where to end [default: what the server has archived last]",
            ),
            Argument::option("timeline", "NUMBER", "The timeline to end on [default: the newest]"),
            Argument::option("storage", "NAME", "Only what is in this storage"),
            Argument::option("rate-limit", "SIZE", "Read no more than this in a second: 20 MB"),
        ],
        after_help: "Examples:\n  hayloft pg wal verify main\n  hayloft pg wal verify main --from \
                     latest --rate-limit 20MB\n  hayloft pg wal verify main --from \
                     0000000100000002000000A4 --storage disk --json"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let server = call.server(call.arguments.get("server"))?;
    let archive = Archive::open(call.host, server)?;
    let storage = place::storage(call, &archive)?;
    let limit = rate_limit(call)?;
    let expected = Expected::ask(call.host, server);
    let size = archive.segment_size()?;
    let mut inventory = archive.inventory(storage, size)?;
    expected.note(&mut inventory);
    let Some(course) = course(call, &archive, &inventory)? else {
        return Err(Error::new(ErrorKind::NOT_FOUND, "there is nothing to verify from there on")
            .hint(format!("`hayloft pg wal list {}` shows what there is", server.name)));
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let pace = Pace::new(limit);
    let verification = Verification {
        archive: &archive,
        course: &course,
        storage,
        workers: server.wal_workers().max(cores),
        pace: &pace,
        total: stored(&archive, storage, &course)?,
    };
    let mut report = Report::new(call);
    let timeline = course.history.timeline_of(course.from);
    for timeline in inventory.gaps(&[Start { timeline, position: course.from }]).histories {
        report.add(&Finding::NoHistory { timeline, storage: None })?;
    }
    let verified = verification.run(&mut |finding| report.add(&finding))?;
    report.end(&course, &verified)
}

fn rate_limit(call: &Call<'_>) -> Result<Option<u64>> {
    let Some(text) = call.arguments.get("rate-limit") else { return Ok(None) };
    let size: ByteSize =
        text.parse().map_err(|e| Error::msg(format!("--rate-limit: {e}")).hint("such as 20 MB"))?;
    if size.bytes() == 0 {
        return Err(Error::msg("--rate-limit: with nothing in a second it never ends"));
    }
    Ok(Some(size.bytes()))
}

/// How many bytes the segments of a stretch have in the storages.
fn stored(archive: &Archive<'_>, storage: Option<&str>, course: &Course) -> Result<u64> {
    let mut bytes = 0;
    let (from, to) = (course.from.segment_number(course.size), course.to);
    archive.for_each(storage, None, &mut |it| {
        let FileName::Segment(name) = it.name else { return Ok(()) };
        let on_the_way = course.history.timelines().any(|it| it == name.timeline());
        let number = name.number(course.size).ok().filter(|_| on_the_way);
        if number.is_some_and(|it| it >= from && it * course.size.bytes() < to.bytes()) {
            bytes += it.object.size;
        }
        Ok(())
    })?;
    Ok(bytes)
}

/// Decides what is verified; nothing if there is nothing.
fn course(call: &Call<'_>, archive: &Archive<'_>, inventory: &Inventory) -> Result<Option<Course>> {
    let size = inventory.size();
    let wrong = |e: hayloft_postgres::wal::WalError| Error::msg(e.to_string());
    let Some(start) = begin(call.arguments.get("from"), archive, inventory)? else {
        return Ok(None);
    };
    let end = Place::option(call, "to")?;
    let timeline = call.arguments.get("timeline").map(str::parse::<TimelineId>);
    let timeline = match (timeline.transpose().map_err(wrong)?, end) {
        (Some(asked), _) => asked,
        (None, Some(Place::Segment(name))) => name.timeline(),
        (None, _) => inventory.latest(start),
    };
    let history = inventory.history(timeline);
    if history.entries().is_empty() && timeline > start.timeline {
        let message = format!("{:08X}.history is in no storage", timeline.get());
        return Err(Error::new(ErrorKind::NOT_FOUND, message)
            .hint("without it no recovery gets to that timeline"));
    }
    if !history.can_follow(start.timeline, start.position) {
        let message = format!(
            "timeline {timeline} cannot be got to from {} of {}",
            start.position, start.timeline
        );
        return Err(Error::msg(message).hint("another --timeline, or a later backup"));
    }
    let to = match end {
        Some(Place::Position(position)) => Lsn::new(position.bytes().saturating_add(1)),
        Some(Place::Segment(name)) => behind(name, inventory)?,
        None => match inventory.last(timeline) {
            Some(name) => behind(name, inventory)?,
            None => history
                .entries()
                .last()
                .map_or(start.position, |it| Lsn::new(it.switch.bytes() - it.switch.offset(size))),
        },
    };
    let course = Course { history, from: start.position, to, size };
    Ok((course.to > course.from).then_some(course))
}

fn behind(name: SegmentName, inventory: &Inventory) -> Result<Lsn> {
    let size = inventory.size();
    let start = name.start(size).map_err(|e| Error::msg(e.to_string()))?;
    Ok(Lsn::new(start.bytes().saturating_add(size.bytes())))
}

/// Where it begins.
fn begin(
    asked: Option<&str>,
    archive: &Archive<'_>,
    inventory: &Inventory,
) -> Result<Option<Start>> {
    match asked.map(|it| (it, Place::parse(it))) {
        Some((_, Some(Place::Segment(name)))) => {
            let position = name.start(inventory.size()).map_err(|e| Error::msg(e.to_string()))?;
            return Ok(Some(Start { timeline: name.timeline(), position }));
        }
        Some((_, Some(Place::Position(position)))) => {
            // The newest timeline of which it is known how to get there.
            let known = inventory.histories().last().copied().unwrap_or(TimelineId::FIRST);
            let timeline = inventory.history(known).timeline_of(position);
            return Ok(Some(Start { timeline, position }));
        }
        _ => {}
    }
    let backups = archive.backups()?;
    let mut good = backups.iter().filter_map(|it| Some((&it.id, it.start()?)));
    match asked {
        None => Ok(good.map(|it| it.1).min_by_key(|it| it.position).or_else(|| first(inventory))),
        Some("oldest") => Ok(good.map(|it| it.1).min_by_key(|it| it.position)),
        Some("latest") => Ok(good.map(|it| it.1).max_by_key(|it| it.position)),
        Some(id) => {
            let found = good.find(|it| it.0 == id).map(|it| it.1);
            found.map(Some).ok_or_else(|| no_backup(id, &backups))
        }
    }
}

fn no_backup(id: &str, backups: &[Backup]) -> Error {
    let known: Vec<&str> = backups.iter().map(|it| it.id.as_str()).collect();
    let hint = if known.is_empty() {
        "there is no backup; a segment or a position will do".to_owned()
    } else {
        let known = known.join(", ");
        format!("backups: {known}; or `oldest`, `latest`, a segment, a position")
    };
    let message = format!("--from: there is no backup `{id}` that can be restored");
    Error::new(ErrorKind::NOT_FOUND, message).hint(hint)
}

/// Without a backup: the first segment that there is.
fn first(inventory: &Inventory) -> Option<Start> {
    let starts = inventory.timelines().into_iter().filter_map(|timeline| {
        let position = inventory.first(timeline)?.start(inventory.size()).ok()?;
        Some(Start { timeline, position })
    });
    starts.min_by_key(|it| (it.position, it.timeline))
}

/// What is told, as it is found.
struct Report<'a> {
    call: &'a Call<'a>,
    findings: Vec<Value>,
    warnings: u64,
    failures: u64,
}

impl<'a> Report<'a> {
    fn new(call: &'a Call<'a>) -> Self {
        Self { call, findings: Vec::new(), warnings: 0, failures: 0 }
    }

    fn add(&mut self, finding: &Finding) -> Result<()> {
        if finding.is_warning() {
            self.warnings += 1;
        } else {
            self.failures += 1;
        }
        if self.call.arguments.json {
            self.findings.push(document(finding));
            return Ok(());
        }
        self.call.host.print(told(finding) + "\n")
    }

    fn end(self, course: &Course, verified: &Verified) -> Result<u8> {
        let (from, to) = (course.from, course.to);
        let timeline = course.history.timeline();
        let code = match (self.failures, self.warnings) {
            (0, 0) => 0,
            (0, _) => 7,
            _ => 1,
        };
        let text = if self.call.arguments.json {
            let document = json!({
                "from": from.to_string(), "to": to.to_string(), "timeline": timeline,
                "good_segments": verified.segments, "copies": verified.copies,
                "bytes": verified.bytes, "records": verified.records,
                "findings": self.findings, "failures": self.failures, "warnings": self.warnings,
            });
            serde_json::to_string_pretty(&document)? + "\n"
        } else {
            let state = match code {
                0 => "all is good".to_owned(),
                7 => format!("warnings: {}", self.warnings),
                _ => format!("NOT good: {}, warnings: {}", self.failures, self.warnings),
            };
            format!(
                "{} good segments from {from} to {to} on timeline {timeline}, {} records; {} \
                 copies read, {}: {state}\n",
                verified.segments,
                verified.records,
                verified.copies,
                text::size(verified.bytes)
            )
        };
        self.call.host.print(text)?;
        Ok(code)
    }
}

fn told(finding: &Finding) -> String {
    let nowhere = |storage: &Option<String>| match storage {
        Some(storage) => format!("not in storage {storage}"),
        None => "missing".to_owned(),
    };
    match finding {
        Finding::Missing { gap, storage } => format!("{}: {gap}", nowhere(storage)),
        Finding::NoHistory { timeline, storage } => {
            format!("{}: {:08X}.history", nowhere(storage), timeline.get())
        }
        Finding::Bad { copy, fault } => {
            let word = fault.word().replace('_', " ");
            format!("{word}: {} in {}: {}", copy.name, copy.place(), fault.why())
        }
        Finding::Differ { name, storages } => {
            format!("different: {name} in storages {}", storages.join(", "))
        }
        Finding::Torn { name, why } => format!("torn: {name} {why}"),
    }
}

fn document(finding: &Finding) -> Value {
    let history = |it: &TimelineId| format!("{:08X}.history", it.get());
    let mut it = match finding {
        Finding::Missing { gap, storage } => json!({
            "kind": "missing", "storage": storage, "first": gap.first.to_string(),
            "last": gap.last.to_string(), "segments": gap.count,
        }),
        Finding::NoHistory { timeline, storage } => {
            json!({ "kind": "missing", "storage": storage, "name": history(timeline) })
        }
        Finding::Bad { copy, fault } => {
            let mut it = described(copy);
            it["kind"] = json!(fault.word());
            it["problem"] = json!(fault.why());
            it
        }
        Finding::Differ { name, storages } => {
            json!({ "kind": "different", "name": name.to_string(), "storages": storages })
        }
        Finding::Torn { name, why } => {
            json!({ "kind": "torn", "name": name.to_string(), "problem": why })
        }
    };
    it["warning"] = json!(finding.is_warning());
    it
}
