//! The command `hayloft storage check`.

mod probe;
mod report;
mod right;
mod steps;

use hayloft_plugin_api::{Argument, CommandSpec, Error, ErrorKind, Result};

use self::{
    report::{Report, State},
    steps::Check,
};
use super::{Call, Subcommand};
use crate::names::{self, Configured};

pub(super) const COMMAND: Subcommand = Subcommand { name: "check", spec, run };

/// The megabytes that are sent there and back.
const MEGABYTES: u64 = 8;

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Check that storages can do what backups need".to_owned(),
        long_about: "Writes, reads, lists and removes an object of its own in each storage that \
                     is named, or in all; tries whether conditions hold, which leases of many \
                     machines need; and measures how long requests take and how fast bytes go. \
                     What is not permitted is said with the right that is missing. Its objects \
                     are below .hayloft-check/ and are removed at the end; those of a check that \
                     was killed are removed by the next. The exit code is 0 if all is good, 7 if \
                     there are warnings, 1 if something is wrong."
            .to_owned(),
        arguments: vec![
            Argument::positional("storage", "STORAGE", "The storages; all if none is named")
                .multiple(),
            Argument::option(
                "size",
                "MB",
                "How many megabytes to send there and back [default: 8]",
            ),
            Argument::flag(
                "sweep",
                "Remove what others began to write and never finished, if it is older than a day",
            ),
        ],
        after_help: "Examples:\n  hayloft storage check\n  hayloft storage check offsite --size \
                     100\n  hayloft storage check --json"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let megabytes = call.number("size", 0, 100_000)?.unwrap_or(MEGABYTES);
    let mut reports = Vec::new();
    for configured in wanted(call)? {
        let report = check(call, &configured, megabytes << 20)?;
        if !call.arguments.json {
            call.host.print(report.text())?;
        }
        reports.push(report);
    }
    if call.arguments.json {
        call.host.print(format!("{}\n", report::json(&reports)?))?;
    }
    let worst = reports.iter().flat_map(|it| &it.lines).map(|it| it.state).max();
    Ok(match worst {
        Some(State::Failed) => 1,
        Some(State::Warning) => 7,
        _ => 0,
    })
}

fn wanted(call: &Call<'_>) -> Result<Vec<Configured>> {
    let all = names::all(call.host)?;
    let named = call.arguments.all("storage");
    if named.is_empty() {
        if all.is_empty() {
            return Err(Error::new(ErrorKind::NOT_FOUND, "no storage is configured")
                .hint("add <storages><storage> to the configuration"));
        }
        return Ok(all);
    }
    let find = |name: &String| {
        // As in the other commands.
        let name = name.strip_suffix(':').unwrap_or(name);
        all.iter().find(|it| it.name == name).cloned().ok_or_else(|| {
            let known: Vec<_> = all.iter().map(|it| it.name.as_str()).collect();
            Error::new(ErrorKind::NOT_FOUND, format!("there is no storage `{name}`"))
                .hint(format!("there are: {}", known.join(", ")))
        })
    };
    named.iter().map(find).collect()
}

fn check(call: &Call<'_>, configured: &Configured, size: u64) -> Result<Report> {
    let mut report = Report::new(&configured.name, &configured.kind);
    let storage = match call.host.storage(&configured.name) {
        Ok(storage) => storage,
        Err(error) => {
            report.not_opened(&error, &call.host.settings()?.configuration);
            return Ok(report);
        }
    };
    match storage.takes_trees(call.host, call.request) {
        Ok(false) => {}
        Ok(true) => {
            let detail = "it takes whole trees, not objects; `hayloft run validate` checks it";
            report.ok("open", detail.to_owned());
            return Ok(report);
        }
        Err(error) => {
            report.failed("open", &error, None);
            return Ok(report);
        }
    }
    let mut check = Check::new(call, &storage, &mut report);
    check.run(size, call.arguments.has("sweep"))?;
    Ok(report)
}
