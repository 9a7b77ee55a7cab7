//! The command `hayloft pg wal receive`.

use hayloft_plugin_api::{Argument, CommandSpec, Error, ErrorKind, Result};
use hayloft_postgres::{
    Failure,
    conninfo::{Conninfo, Environment, Target},
    receive::{News, ReceiveOptions, Reset, SlotUse, Supervisor, reset},
    replication::{ReplicationConnection, ReplicationError, SlotOptions},
    wal::{FileName, Lsn},
};
use serde_json::json;

use super::{Call, Subcommand};
use crate::{
    archive::Archive,
    config::{CreateSlot, Server},
    directories::Directories,
    probe::{self, Way},
    receive::{self, Receiving},
};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "receive", spec, run };

/// What the server calls us, unless it is configured.
const NAME: &str = "hayloft_receive_wal";

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Stream WAL from a server, for ever".to_owned(),
        long_about: "Streams WAL into the server's streaming directory, segment by segment, and \
                     archives each segment in every storage as soon as it is whole. Goes on until \
                     it is told to end (Ctrl-C, SIGTERM, SIGHUP); then what has come is synced, \
                     the server is told so, and the exit code is 0. A server that is away is \
                     waited for. When it is started again it goes on where it was, however it \
                     ended. The server hears that WAL is safe only when it is on this machine's \
                     disk; so transactions may wait for it: put its name (hayloft_receive_wal) \
                     into synchronous_standby_names. With a slot (<slot_name>) the server keeps \
                     what was not received yet."
            .to_owned(),
        arguments: vec![
            Argument::positional("server", "SERVER", "The server's name in the configuration")
                .required(),
            Argument::flag("synchronous", "Sync and report everything at once, in any case"),
            Argument::option("until", "LSN", "End when everything before this position is safe"),
            Argument::flag("once", "End when the connection is lost, with an error"),
            Argument::flag(
                "reset",
                "Do not stream: begin anew where the slot keeps WAL from, or where the server is",
            ),
            Argument::flag("create-slot", "Do not stream: make the slot"),
            Argument::flag("drop-slot", "Do not stream: remove the slot"),
        ],
        after_help: "Examples:\n  hayloft -v pg wal receive main\n  hayloft pg wal receive main \
                     --create-slot\n  hayloft pg wal receive main --reset"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let server = call.server(call.arguments.get("server"))?;
    match ["reset", "create-slot", "drop-slot"].map(|it| call.arguments.has(it)) {
        [false, false, false] => stream(call, server),
        [true, false, false] => begin_anew(call, server),
        [false, true, false] => create_slot(call, server),
        [false, false, true] => drop_slot(call, server),
        _ => Err(Error::msg("--reset, --create-slot and --drop-slot exclude one another")),
    }
}

fn stream(call: &Call<'_>, server: &Server) -> Result<u8> {
    let directories = Directories::of(call.host, server)?;
    let archive = Archive::open(call.host, server)?;
    let receiving = Receiving::begin(&directories.streaming)?;
    let options = options(call, server, &directories)?;
    receiving.run(call.host, &archive, server, &options)?;
    Ok(0)
}

fn options(call: &Call<'_>, server: &Server, directories: &Directories) -> Result<ReceiveOptions> {
    let mut options = ReceiveOptions::new(target(server)?, &directories.streaming);
    options.sql = probe::conninfo(server, Way::Sql).ok().and_then(|it| resolve(&it).ok());
    options.slot = server
        .slot_name
        .clone()
        .map(|name| SlotUse { name, create: server.create_slot == CreateSlot::Auto });
    if let Some(limit) = server.streaming_lag_warning {
        options.lag_warning = limit.bytes();
    }
    if let Some(limit) = server.streaming_timeout {
        options.patience = limit.get();
    }
    options.synchronous = call.arguments.has("synchronous");
    options.once = call.arguments.has("once");
    options.system_identifier = receive::known_cluster(&directories.streaming)?;
    options.until = match call.arguments.get("until") {
        None => None,
        Some(text) => {
            Some(text.parse::<Lsn>().map_err(|e| Error::msg(e.to_string()).context("--until"))?)
        }
    };
    Ok(options)
}

fn target(server: &Server) -> Result<Target> {
    let mut conninfo = probe::conninfo(server, Way::Streaming)?;
    // One that is in the connection string was meant for something else too.
    let name = server.streaming_archiver_name.as_deref().unwrap_or(NAME);
    conninfo
        .set("application_name", name)
        .map_err(|e| probe::wrong(server, "streaming_archiver_name", &e))?;
    resolve(&conninfo)
}

fn resolve(conninfo: &Conninfo) -> Result<Target> {
    conninfo.resolve(&Environment::of_process()).map_err(|error| {
        let trouble = probe::trouble(&error);
        let failed = Error::new(ErrorKind::CONFIGURATION, trouble.problem);
        match error.hint() {
            Some(hint) => failed.hint(hint),
            None => failed,
        }
    })
}

/// Somebody who only listens.
struct Listener<'a>(&'a hayloft_plugin_api::Host);

impl Supervisor for Listener<'_> {
    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }

    fn observe(&self, _: &hayloft_postgres::receive::Figures) {}

    fn say(&self, news: &News) {
        tracing::info!("{news}");
    }

    fn complete(&self, _: FileName) {}
}

fn begin_anew(call: &Call<'_>, server: &Server) -> Result<u8> {
    let directories = Directories::of(call.host, server)?;
    let _receiving = Receiving::begin(&directories.streaming)?;
    let options = options(call, server, &directories)?;
    let done = reset(&options, &Listener(call.host)).map_err(|e| receive::failed(&e))?;
    let (text, document, code) = match done {
        Reset::Aligned { timeline, position } => (
            format!("nothing is in the way: timeline {timeline} goes on from {position}\n"),
            json!({ "moved": false, "timeline": timeline.get(), "lsn": position.to_string() }),
            0,
        ),
        Reset::Moved { from, timeline, position } => {
            let gap = from.map(
                |(timeline, lsn)| json!({ "timeline": timeline.get(), "lsn": lsn.to_string() }),
            );
            let lost = from.map_or_else(String::new, |(timeline, lsn)| {
                format!(
                    "; WAL from {lsn} of timeline {timeline} to there was not received: \
                     make a base backup"
                )
            });
            (
                format!("timeline {timeline} goes on from {position}{lost}\n"),
                json!({
                    "moved": true, "timeline": timeline.get(), "lsn": position.to_string(),
                    "missing_from": gap,
                }),
                if from.is_some() { 7 } else { 0 },
            )
        }
    };
    if call.arguments.json {
        call.host.print(serde_json::to_string_pretty(&document)? + "\n")?;
    } else {
        call.host.print(text)?;
    }
    Ok(code)
}

fn create_slot(call: &Call<'_>, server: &Server) -> Result<u8> {
    let name = slot_name(server)?;
    let options = SlotOptions { temporary: false, reserve_wal: true };
    let text = match open(server)?.create_slot(name, options) {
        Ok(()) => format!("made the replication slot {name}; it keeps WAL from now on\n"),
        Err(ReplicationError::SlotExists { .. }) => {
            format!("the replication slot {name} is there already\n")
        }
        Err(error) => return Err(receive::failed(&error.into())),
    };
    call.host.print(text)?;
    Ok(0)
}

fn drop_slot(call: &Call<'_>, server: &Server) -> Result<u8> {
    let name = slot_name(server)?;
    open(server)?.drop_slot(name, false).map_err(|e| receive::failed(&e.into()))?;
    call.host.print(format!("removed the replication slot {name}\n"))?;
    Ok(0)
}

fn open(server: &Server) -> Result<ReplicationConnection> {
    let limit = Some(server.check_timeout());
    ReplicationConnection::open_within(&target(server)?, limit)
        .map_err(|e| receive::failed(&e.into()))
}

fn slot_name(server: &Server) -> Result<&str> {
    server.slot_name.as_deref().ok_or_else(|| {
        Error::new(
            ErrorKind::CONFIGURATION,
            format!("no replication slot is configured for server {}", server.name),
        )
        .hint("give the server a <slot_name>")
    })
}
