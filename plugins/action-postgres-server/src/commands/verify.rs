//! The command `hayloft pg verify`.

use std::{fmt::Write, thread};

use hayloft_plugin_api::{Argument, CommandSpec, Error, ErrorKind, Result, config::ByteSize, text};

use super::{Call, Subcommand, backups};
use crate::{
    config::Server,
    verify::{self, Options, Report},
};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "verify", spec, run };

/// How many threads read at most, unless told otherwise.
const MOST_WORKERS: usize = 8;

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Read backups and compare them with their hashes".to_owned(),
        long_about: "Reads every object of a server's backups in every storage, and the WAL that \
                     makes them consistent, and compares it with its hashes: that of the stored \
                     bytes, and that of the content of each piece. Whatever differs is named with \
                     its storage, backup and file. Nothing is changed. Where no key opens what is \
                     encrypted, only the stored bytes are compared. With --changed, only what is \
                     new since the last time; that does not find what was damaged since. Exit code 1 if anything is \
                     damaged or missing."
            .to_owned(),
        arguments: vec![
            Argument::positional("server", "SERVER", "The server; may be left out if there is one"),
            Argument::option("backup", "BACKUP", "Only this backup").multiple(),
            Argument::option("storage", "NAME", "Only this storage"),
            Argument::option("sample", "PERCENT", "Read only so many of a hundred parts, by chance"),
            Argument::flag("changed", "Leave out what was read here before and was good"),
            Argument::flag("no-wal", "Do not read WAL"),
            Argument::option("max-rate", "SIZE", "How much is read a second at most, as 50MB"),
            Argument::option("workers", "N", "How many threads read"),
        ],
        after_help: "Examples:\n  hayloft pg verify main\n  hayloft pg verify main --storage offsite \
                     --sample 5 --max-rate 20MB\n  hayloft pg verify main --backup 20261130T020000 --json"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let server = call.server(call.arguments.get("server"))?;
    let options = options(call, server)?;
    let report = verify::verify(call.host, server, &options)?;
    let text = if call.arguments.json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        describe(&report)
    };
    call.host.print(text)?;
    Ok(u8::from(!report.problems.is_empty()))
}

fn options(call: &Call<'_>, server: &Server) -> Result<Options> {
    let arguments = call.arguments;
    let wrong = |name: &str, expected: &str| {
        Error::new(ErrorKind::NOT_FOUND, format!("--{name} cannot be used so"))
            .hint(format!("give {expected}"))
    };
    let number = |name: &str, most: usize, expected: &str| match arguments.get(name) {
        None => Ok(None),
        Some(text) => match text.trim_end_matches('%').parse::<usize>() {
            Ok(number) if (1..=most).contains(&number) => Ok(Some(number)),
            _ => Err(wrong(name, expected)),
        },
    };
    let usual = thread::available_parallelism().map_or(2, std::num::NonZero::get).min(MOST_WORKERS);
    let percent = number("sample", 100, "1 to 100")?.unwrap_or(100);
    let rate = arguments.get("max-rate").map(str::parse::<ByteSize>);
    let rate = rate.transpose().map_err(|_| wrong("max-rate", "a size, as 50MB"))?;
    if rate.is_some_and(|it| it.bytes() < 64 << 10) {
        return Err(wrong("max-rate", "64kB or more"));
    }
    let backups = arguments.all("backup").iter().map(|it| backups::id(call, server, it));
    Ok(Options {
        backups: backups.collect::<Result<_>>()?,
        storage: arguments.get("storage").map(ToOwned::to_owned),
        percent: u8::try_from(percent).unwrap_or(100),
        changed: arguments.has("changed"),
        wal: !arguments.has("no-wal"),
        max_rate: rate.map(ByteSize::bytes),
        workers: number("workers", 64, "1 to 64")?.unwrap_or(usual),
    })
}

fn describe(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for it in &report.problems {
        let file = it.file.as_ref().map_or_else(String::new, |it| format!(" ({it})"));
        let _ = match (&*it.backup, &*it.storage) {
            ("", storage) => writeln!(text, "storage {storage}: {}", it.why),
            (backup, "") => {
                writeln!(text, "backup {backup} in all storages: {}{file}: {}", it.object, it.why)
            }
            (backup, storage) => {
                writeln!(text, "backup {backup} in {storage}: {}{file}: {}", it.object, it.why)
            }
        };
    }
    let left_out = match report.left_out {
        0 => String::new(),
        number => format!(", {number} objects left out"),
    };
    let _ = writeln!(
        text,
        "{}: {} backups, {} objects, {} read in {:.1} s{left_out}: {}",
        report.server,
        report.backups,
        report.objects,
        text::size(report.bytes),
        report.seconds,
        match report.problems.len() {
            0 if report.backups == 0 => "there is nothing to verify".to_owned(),
            0 => "all good".to_owned(),
            1 => "1 problem".to_owned(),
            number => format!("{number} problems"),
        }
    );
    text
}
