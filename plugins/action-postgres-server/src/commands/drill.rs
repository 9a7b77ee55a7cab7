//! The command `hayloft pg drill`.

use hayloft_plugin_api::{Argument, CommandSpec, Error, ErrorKind, Result};
use serde_json::json;

use super::{Call, Subcommand, restore};
use crate::{
    config::Server,
    drill::{self, Options, Report},
};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "drill", spec, run };

fn spec() -> CommandSpec {
    let mut arguments = vec![
        Argument::positional("server", "SERVER", "The server; may be left out if there is one"),
        Argument::option("backup", "BACKUP", "The backup; the latest that leads to the target"),
        Argument::option("storage", "NAME", "The storage it is read from"),
    ];
    arguments.extend(restore::target_arguments());
    arguments.extend([
        Argument::option("workers", "N", "How many threads restore and look"),
        Argument::flag("report", "Do nothing; show the report of the last drill"),
        Argument::flag("prometheus", "Do nothing; print figures of the last drill for Prometheus"),
    ]);
    CommandSpec {
        about: "Prove that a server can be restored".to_owned(),
        long_about: "Restores a backup into a private directory, replays the archived WAL there \
                     with a server that can touch nothing outside, and looks at what comes of it: \
                     every row is read, indexes and tables are checked with amcheck, page \
                     checksums are tested, and the <assertion>s of the configuration are asked. \
                     Everything is removed afterwards; the report stays. A replay that ends \
                     before the last archived segment, or before the target, is a failure. Exit \
                     code 1: the restore was not proven. 7: it was, but something could not be \
                     looked at."
            .to_owned(),
        arguments,
        after_help: "Examples:\n  hayloft pg drill main\n  hayloft pg drill main --target-time \
                     '2026-11-30 14:05:00+01'\n  hayloft pg drill main --report --json\n  hayloft \
                     pg drill main --prometheus > /var/lib/node_exporter/hayloft.prom"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let server = call.server(call.arguments.get("server"))?;
    match ["report", "prometheus"].map(|it| call.arguments.has(it)) {
        [true, true] => Err(Error::msg("--report and --prometheus exclude one another")),
        [false, true] => {
            let reports = drill::all(&drill::reports(call.host, server)?)?;
            call.host.print(drill::prometheus(&reports))?;
            Ok(0)
        }
        [true, false] => last(call, server),
        [false, false] => {
            let report = drill::drill(call.host, server, &options(call)?)?;
            show(call, &report)?;
            Ok(exit_code(&report))
        }
    }
}

fn last(call: &Call<'_>, server: &Server) -> Result<u8> {
    let reports = drill::all(&drill::reports(call.host, server)?)?;
    let Some(report) = reports.last() else {
        let message = format!("there was no drill of server {} yet", server.name);
        return Err(Error::new(ErrorKind::NOT_FOUND, message)
            .hint(format!("`hayloft pg drill {}` does one", server.name)));
    };
    show(call, report)?;
    Ok(exit_code(report))
}

fn show(call: &Call<'_>, report: &Report) -> Result<()> {
    let text = if call.arguments.json {
        serde_json::to_string_pretty(&json!(report))? + "\n"
    } else {
        report.text()
    };
    call.host.print(text)
}

fn exit_code(report: &Report) -> u8 {
    match (report.proven, report.is_complete()) {
        (false, _) => 1,
        (true, false) => 7,
        (true, true) => 0,
    }
}

fn options(call: &Call<'_>) -> Result<Options> {
    Ok(Options {
        which: restore::which(call),
        target: restore::target(call)?,
        storage: call.arguments.get("storage").map(str::to_owned),
        workers: restore::workers(call, 1)?,
    })
}
