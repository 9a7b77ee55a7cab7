//! The command `hayloft pg check`.

mod archived;
mod backups;
mod data;
mod directories;
mod encodings;
mod gaps;
mod report;
mod storage;
mod waiting;

use hayloft_plugin_api::{Argument, CommandSpec, Result};
use hayloft_postgres::check::{CheckLine, judge};

use self::report::Report;
use super::{Call, Subcommand, expected::Expected, which_servers};
use crate::{
    config::Server,
    directories::Directories,
    probe::{self, Deadline},
    several,
};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "check", spec, run };

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Check everything that backups and WAL archiving need".to_owned(),
        long_about: "Checks every condition that backups and the archiving of WAL need, of the \
                     servers named or of all active ones, all at the same time. Nothing is \
                     changed. What is not good is shown with why it matters and what mends it. \
                     The exit code is 0 if all is good, 7 if there are warnings, 1 if something \
                     is wrong; with --nagios it is 0, 1 and 2, and 3 if nothing can be checked."
            .to_owned(),
        arguments: vec![
            which_servers(),
            Argument::flag("nagios", "Print one line for Nagios, Icinga and the like"),
        ],
        after_help: "Examples:\n  hayloft pg check\n  hayloft pg check main --json\n  \
                     hayloft pg check --nagios"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let nagios = call.arguments.has("nagios");
    let checked = call.chosen().and_then(|servers| check(call, &servers));
    let reports = match checked {
        Ok(reports) => reports,
        Err(error) if nagios => {
            call.host.print(report::nagios_unknown(&error))?;
            return Ok(3);
        }
        Err(error) => return Err(error),
    };
    if nagios {
        call.host.print(report::nagios(&reports))?;
        return Ok(report::nagios_code(&reports));
    }
    let text = if call.arguments.json { report::json(&reports)? } else { report::text(&reports) };
    call.host.print(text)?;
    Ok(report::exit_code(&reports))
}

/// The lines, and what must be in the storages.
type Answer = (Vec<CheckLine>, Expected);

fn check(call: &Call<'_>, servers: &[&Server]) -> Result<Vec<Report>> {
    let opened = |it: &&Server| {
        let directories = Directories::of(call.host, it).ok();
        let codecs = encodings::of(call.host, it);
        (storage::of(call.host, it), backups::of(call.host, it), codecs, directories)
    };
    let opened = servers.iter().map(opened).collect();
    let done = several::for_each(
        call.host,
        servers,
        opened,
        |server, (storages, places, codecs, directories)| {
            let deadline = Deadline::after(server.check_timeout());
            // Asked at the same time as the server.
            let asked = storage::ask(server, storages);
            let catalogue = backups::ask(server, places);
            let codecs = encodings::ask(codecs);
            let facts = probe::facts(server, deadline, false);
            let mut lines = judge(&facts, &probe::wanted(server));
            lines.extend(data::line(server, &facts));
            lines.extend(codecs.lines(deadline));
            lines.extend(asked.lines(deadline, storage::cluster(&facts).as_ref()));
            lines.extend(catalogue.lines(deadline));
            (lines, Expected::of(server, &facts, directories.as_ref()))
        },
    )?;
    let report = |(server, done): (&&Server, Option<Answer>)| {
        let (mut lines, expected) =
            done.unwrap_or_else(|| (vec![late(server)], Expected::default()));
        lines.extend(directories::line(call.host, server));
        lines.extend(waiting::lines(call.host, server));
        let gaps = gaps::lines(call.host, server, &lines, &expected);
        lines.extend(gaps);
        Report { name: server.name.clone(), lines }
    };
    Ok(servers.iter().zip(done).map(report).collect())
}

fn late(server: &Server) -> CheckLine {
    CheckLine::failed(
        "check_timeout",
        format!("the server did not answer within {} s", server.check_timeout().as_secs_f32()),
        "nobody knows whether the rest is good",
        "look whether the server hangs, or raise <check_timeout>",
    )
}
