//! The command `hayloft pg restore`.

use std::{fmt::Write, path::PathBuf, thread};

use hayloft_plugin_api::{Argument, CommandSpec, Error, ErrorKind, Result, text};
use jiff::{Timestamp, tz::TimeZone};

use super::{Call, Subcommand};
use crate::restore::{self, Action, Goal, Options, Report, Target, Timeline, Which};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "restore", spec, run };

/// The options that say where recovery stops; one of them at most.
const GOALS: [&str; 5] =
    ["target-time", "target-lsn", "target-xid", "target-name", "target-immediate"];
/// How many threads restore at most, unless told otherwise.
const MOST_WORKERS: usize = 12;
/// How many of them each processor has: while one waits for the disk that it
/// writes to, another decompresses.
const WORKERS: usize = 2;

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Restore a base backup, and recover to a point".to_owned(),
        long_about: "Writes the files of a backup into DIR, and tells the server to fetch WAL \
                     with `hayloft pg wal get` and to recover to the target; start it then. \
                     Without a target it recovers everything that is archived. The backup is the \
                     latest that leads there. Every piece is compared with its hash before it is \
                     written. DIR must be empty or not there; with --delta it may be a stopped \
                     copy of the same cluster, of which only what differs is written. A restored \
                     server does not archive (archive_mode is off in postgresql.auto.conf): it \
                     would archive into the archive of the one that it is a copy of."
            .to_owned(),
        arguments: arguments(),
        after_help: "Examples:\n  hayloft pg restore main /srv/restored\n  hayloft pg restore main \
                     /srv/restored --target-time '2026-11-30 14:05:00+01' --target-action promote\n  \
                     hayloft pg restore main /var/lib/postgresql/15/main --delta\n  \
                     hayloft pg restore main /srv/restored --tablespace fast=/srv/restored-fast"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn arguments() -> Vec<Argument> {
    let mut all = vec![
        Argument::positional("server", "SERVER", "The server's name in the configuration")
            .required(),
        Argument::positional("directory", "DIR", "The data directory that is to be").required(),
        Argument::option("backup", "ID", "Which backup: an id, a name, `latest`, `oldest`"),
    ];
    all.extend(target_arguments());
    all.extend([
        Argument::option(
            "target-action",
            "ACTION",
            "What the server does at the target: pause (the default), promote, shutdown",
        ),
        Argument::option("tablespace", "NAME=DIR", "Where a tablespace goes").multiple(),
        Argument::flag("delta", "Compare with what is there, and write what differs"),
        Argument::option("database", "NAME", "Only the content of this database").multiple(),
        Argument::option("storage", "NAME", "The storage to be read"),
        Argument::option("workers", "N", "How many threads fetch, check and write"),
    ]);
    all
}

/// The options that say what is recovered to.
pub(super) fn target_arguments() -> Vec<Argument> {
    let about_time = "Up to a time, as '2026-11-30 14:05:00+01'; without a zone, this machine's";
    vec![
        Argument::option("target-time", "TIME", about_time),
        Argument::option("target-lsn", "LSN", "Up to a position, as 1A/2B00028"),
        Argument::option("target-xid", "XID", "Up to the end of a transaction"),
        Argument::option("target-name", "NAME", "Up to a restore point"),
        Argument::flag("target-immediate", "Only until it is consistent"),
        Argument::option(
            "target-timeline",
            "TIMELINE",
            "Along which timeline: `latest` (the default), `current`, or a number",
        ),
        Argument::flag("exclusive", "Stop just before the target, not just after"),
    ]
}

fn run(call: &Call<'_>) -> Result<u8> {
    let server = call.server(call.arguments.get("server"))?;
    let options = options(call)?;
    let report = restore::restore(call.host, server, &options)?;
    for warning in &report.warnings {
        tracing::warn!("{warning}");
    }
    let text = if call.arguments.json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        describe(&report)
    };
    call.host.print(text)?;
    Ok(if report.warnings.is_empty() { 0 } else { 7 })
}

fn options(call: &Call<'_>) -> Result<Options> {
    let arguments = call.arguments;
    let target = target(call)?;
    let reaches_end = target.goal == Goal::End;
    if reaches_end && arguments.has("target-action") {
        return Err(wrong("--target-action needs a target".to_owned()));
    }
    let tablespaces = arguments.all("tablespace").iter().map(|it| tablespace(it));
    Ok(Options {
        which: which(call),
        target,
        directory: PathBuf::from(arguments.get("directory").unwrap_or_default()),
        tablespaces: tablespaces.collect::<Result<_>>()?,
        tablespaces_below: None,
        announced: true,
        delta: arguments.has("delta"),
        databases: arguments.all("database").to_vec(),
        storage: arguments.get("storage").map(ToOwned::to_owned),
        cached: false,
        workers: workers(call, WORKERS)?,
    })
}

/// Reads which backup is meant.
pub(super) fn which(call: &Call<'_>) -> Which {
    call.arguments.get("backup").map_or(Which::Auto, Which::parse)
}

/// Reads how many threads are to work; unless that is said, so many for each
/// processor.
pub(super) fn workers(call: &Call<'_>, each: usize) -> Result<usize> {
    match call.arguments.get("workers").map(str::parse) {
        None => {
            let processors = thread::available_parallelism().map_or(2, std::num::NonZero::get);
            Ok((each * processors).min(MOST_WORKERS))
        }
        Some(Ok(workers)) if (1..=64).contains(&workers) => Ok(workers),
        Some(_) => Err(wrong("--workers is a number from 1 to 64".to_owned())),
    }
}

/// Reads what is to be recovered to.
pub(super) fn target(call: &Call<'_>) -> Result<Target> {
    let arguments = call.arguments;
    let given: Vec<&str> = GOALS.into_iter().filter(|it| arguments.has(it)).collect();
    if let [first, second, ..] = given.as_slice() {
        return Err(wrong(format!("--{first} and --{second} are two targets"))
            .hint("recovery stops at one point"));
    }
    let text = |name: &str| arguments.get(name).unwrap_or_default();
    let goal = match given.first() {
        None => Goal::End,
        Some(&"target-time") => {
            Goal::time(text("target-time"), Timestamp::now(), &TimeZone::system())?
        }
        Some(&"target-lsn") => Goal::position(text("target-lsn"))?,
        Some(&"target-xid") => Goal::transaction(text("target-xid"))?,
        Some(&"target-name") => Goal::name(text("target-name"))?,
        Some(_) => Goal::Immediate,
    };
    let timeline =
        arguments.get("target-timeline").map_or(Ok(Timeline::Latest), Timeline::parse)?;
    let action = arguments.get("target-action").map_or(Ok(Action::Pause), Action::parse)?;
    Target { goal, timeline, exclusive: arguments.has("exclusive"), action }.check()
}

fn tablespace(text: &str) -> Result<(String, PathBuf)> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => {
            Ok((name.to_owned(), PathBuf::from(path)))
        }
        _ => Err(wrong(format!("`{text}` is no place for a tablespace")).hint("as NAME=/DIR")),
    }
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::NOT_FOUND, message)
}

fn describe(report: &Report) -> String {
    let mut text = format!(
        "backup {} of {} from {}: {} files, {}, in {:.1} s\n",
        report.id,
        report.server,
        report.storage,
        report.files,
        text::size(report.size),
        report.seconds
    );
    // Writing to a string cannot fail.
    if report.written < report.size {
        let _ = writeln!(text, "  {} were written", text::size(report.written));
    }
    let directory = report.directory.display();
    let _ = writeln!(text, "  start it: hayloft pg cluster start {directory}");
    let _ = writeln!(text, "  it does not archive: archive_mode is off in postgresql.auto.conf");
    text
}
