//! The command `hayloft pg backup`.

use std::fmt::Write;

use hayloft_plugin_api::{
    Argument, CommandSpec, Error, ErrorKind, Result,
    config::{ByteSize, Duration},
    text,
};

use super::{Call, Subcommand, backups};
use crate::{
    backup::{self, Base, Options, Report},
    catalogue,
    config::{Method, Server},
};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "backup", spec, run };

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Take a base backup".to_owned(),
        long_about: "Copies the files of a server into its storages while it works, and waits \
                     until the WAL that makes them consistent is archived. Only then is the backup \
                     DONE. Pages whose checksum is wrong are read again, and listed if they stay \
                     wrong: exit code 7 then, as when the WAL does not come in time. Exit code 1: \
                     a storage does not have the backup. A backup that was killed is no backup: \
                     the next one removes what it has left. With --incremental only what differs \
                     from an older backup is stored; it is restored like any other."
            .to_owned(),
        arguments: vec![
            Argument::positional("server", "SERVER", "The server; may be left out if there is one"),
            Argument::option(
                "method",
                "METHOD",
                "`local` reads the files, `stream` asks the server",
            )
            .choices(&["local", "stream"]),
            Argument::flag("incremental", "Store only what the latest backup does not have"),
            Argument::option("parent", "BACKUP", "Store only what this backup does not have"),
            Argument::flag("resume", "Go on with a backup that was killed, or do nothing"),
            Argument::option("name", "NAME", "Give the backup a name"),
            Argument::flag("fast", "Let the server make a checkpoint at once").short('f'),
            Argument::option("workers", "N", "How many threads read and compress"),
            Argument::option("max-rate", "SIZE", "How much is read a second at most, as 50MB"),
            Argument::flag("no-wait", "Do not wait for the WAL: the backup is not DONE yet"),
            Argument::option("wait-timeout", "TIME", "How long to wait for the WAL, as 10m"),
        ],
        after_help:
            "Examples:\n  hayloft pg backup main\n  hayloft pg backup main --incremental --fast\n  \
                     hayloft pg backup main --name before-upgrade --max-rate 50MB"
                .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let server = call.server(call.arguments.get("server"))?;
    let options = options(call, server)?;
    let report = backup::take(call.host, server, &options)?;
    for file in &report.damaged {
        let pages: Vec<String> = file.pages.iter().take(20).map(ToString::to_string).collect();
        tracing::warn!(
            "{} has {} damaged pages, among them {}",
            file.path,
            file.pages.len(),
            pages.join(", ")
        );
    }
    let text = if call.arguments.json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        describe(&report)
    };
    call.host.print(text)?;
    if let Some(failure) = report.failures.first() {
        let others = if report.failures.len() > 1 { ", and others" } else { "" };
        return Err(Error::msg(format!("{failure}{others}"))
            .context(format!("backup {} is not in all storages", report.id)));
    }
    let waited_in_vain = report.waits_for.is_some() && options.patience.is_some();
    if waited_in_vain {
        tracing::warn!(
            "backup {} waits for WAL: {} is not archived; `hayloft pg check` tells why",
            report.id,
            report.waits_for.as_deref().unwrap_or_default()
        );
    }
    Ok(if waited_in_vain || !report.damaged.is_empty() { 7 } else { 0 })
}

fn options(call: &Call<'_>, server: &Server) -> Result<Options> {
    let arguments = call.arguments;
    let base = match (arguments.get("parent"), arguments.has("incremental")) {
        (Some(parent), _) => Base::Backup(backups::id(call, server, parent)?),
        (None, true) => Base::Latest,
        (None, false) => Base::Nothing,
    };
    let workers = parsed::<usize>(call, "workers", |it| (1..=64).contains(it), "1 to 64")?;
    let rate = parsed::<ByteSize>(call, "max-rate", |it| it.bytes() >= 64 << 10, "64kB or more")?;
    let timeout = parsed::<Duration>(call, "wait-timeout", |_| true, "a time, as 10m")?;
    let usual = Options::configured(server, base);
    Ok(Options {
        method: match arguments.get("method") {
            Some("local") => Method::Local,
            Some(_) => Method::Stream,
            None => usual.method,
        },
        name: arguments.get("name").map(name).transpose()?,
        fast: arguments.has("fast") || usual.fast,
        workers: workers.unwrap_or(usual.workers),
        max_rate: rate.map(ByteSize::bytes).or(usual.max_rate),
        patience: timeout
            .map(Duration::get)
            .or(usual.patience)
            .filter(|_| !arguments.has("no-wait")),
        resume: arguments.has("resume"),
        base,
    })
}

fn parsed<T: std::str::FromStr>(
    call: &Call<'_>,
    name: &str,
    good: impl Fn(&T) -> bool,
    expected: &str,
) -> Result<Option<T>> {
    let Some(text) = call.arguments.get(name) else { return Ok(None) };
    let wrong = || {
        Error::new(ErrorKind::NOT_FOUND, format!("`{text}` cannot be used for --{name}"))
            .hint(format!("give {expected}"))
    };
    text.parse().ok().filter(good).map(Some).ok_or_else(wrong)
}

fn name(text: &str) -> Result<String> {
    catalogue::check_name(text).map(|()| text.to_owned())
}

fn describe(report: &Report) -> String {
    let Report { id, status, tally, .. } = report;
    let mut text = format!(
        "{id} {status}: {} files, {}, {} stored in {:.1} s\n",
        tally.files,
        text::size(tally.size),
        text::size(tally.stored),
        report.seconds
    );
    // Writing to a string cannot fail.
    if let Some(parent) = report.parent {
        let _ = writeln!(text, "  {} as in {parent} and before", text::size(tally.inherited));
    }
    if tally.resumed > 0 {
        let _ =
            writeln!(text, "  {} as stored before it was interrupted", text::size(tally.resumed));
    }
    let _ = writeln!(text, "  WAL {} to {}", report.begin_wal, report.end_wal);
    let _ = writeln!(text, "  in {}", report.storages.join(", "));
    text
}
