//! The commands `hayloft pg cluster …`.

mod drop;
mod init;
mod managed;
mod promote;
mod reload;
mod start;
mod status;
mod stop;

use std::{path::PathBuf, time::Duration};

use hayloft_plugin_api::{Argument, CommandSpec, Error, ErrorKind, Result};
use hayloft_postgres::{
    ErrorKind as Kind, Failure,
    cluster::{self, Condition, Patience, StopMode},
    connection::Connection,
    conninfo::{Conninfo, Environment},
};

pub(super) use self::reload::{AfterEdit, after_edit};
use super::{Call, Subcommand, group};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "cluster", spec, run };

/// What there is below.
const BELOW: &[Subcommand] = &[
    init::COMMAND,
    start::START,
    stop::COMMAND,
    start::RESTART,
    reload::COMMAND,
    promote::COMMAND,
    status::COMMAND,
    drop::COMMAND,
];

/// How long everything may take if nothing is said, in seconds.
const TIMEOUT: u64 = 60;

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Make, start, stop, reload, promote and drop clusters of this machine".to_owned(),
        ..group(BELOW)
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    call.enter(BELOW)
}

/// The argument that says which cluster.
fn dir() -> Argument {
    Argument::positional("dir", "DIR", "The data directory, or Debian's /etc/postgresql/VER/NAME")
        .required()
}

fn timeout() -> Argument {
    Argument::option("timeout", "SECONDS", "How long to wait; 60 if not given").short('t')
}

fn bin_dir() -> Argument {
    Argument::option("bin-dir", "DIR", "Where PostgreSQL's programs are; found if not given")
}

fn dry_run() -> Argument {
    Argument::flag("dry-run", "Say what would be done, and change nothing")
}

fn direct() -> Argument {
    Argument::flag("direct", "Do it past pg_ctlcluster or systemd, even if they look after it")
}

fn conninfo() -> Argument {
    Argument::option("conninfo", "CONNINFO", "Ask the server by SQL too, over this connection")
}

/// The data directory that is meant.
fn data(call: &Call<'_>) -> PathBuf {
    let named = PathBuf::from(call.arguments.get("dir").unwrap_or_default());
    if named.join("PG_VERSION").exists() {
        return named;
    }
    cluster::data_directory(&named).unwrap_or(named)
}

fn seconds(call: &Call<'_>) -> Result<Duration> {
    let Some(text) = call.arguments.get("timeout") else {
        return Ok(Duration::from_secs(TIMEOUT));
    };
    let value = text.parse::<f64>().ok().filter(|it| (0.0..=1e9).contains(it));
    value.map(Duration::from_secs_f64).ok_or_else(|| {
        Error::msg(format!("`{text}` is no time to wait")).hint("give seconds, such as 300")
    })
}

/// Does something that the user may interrupt.
fn patiently<T>(
    call: &Call<'_>,
    work: impl FnOnce(&Patience<'_>) -> std::result::Result<T, cluster::ClusterError>,
) -> Result<T> {
    let cancelled = || call.host.cancelled();
    work(&Patience::new(seconds(call)?, &cancelled)).map_err(|it| failed(&it))
}

/// The error at the boundary: kind, causes, hint.
fn failed(error: &dyn Failure) -> Error {
    let kind = match error.kind() {
        Kind::NotFound => ErrorKind::NOT_FOUND,
        Kind::AlreadyExists => ErrorKind::ALREADY_EXISTS,
        Kind::PermissionDenied => ErrorKind::PERMISSION,
        Kind::Unsupported => ErrorKind::UNSUPPORTED,
        Kind::TimedOut => ErrorKind::TIMED_OUT,
        _ => ErrorKind::OTHER,
    };
    let mut words = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(it) = cause {
        words.push(it.to_string());
        cause = it.source();
    }
    let it = Error::new(kind, words.join(": "));
    match error.hint() {
        Some(hint) => it.hint(hint),
        None => it,
    }
}

fn stop_mode(call: &Call<'_>) -> StopMode {
    match call.arguments.get("mode") {
        Some("smart") => StopMode::Smart,
        Some("immediate") => StopMode::Immediate,
        Some("kill") => StopMode::Kill,
        _ => StopMode::Fast,
    }
}

fn mode() -> Argument {
    let help = "How to stop: smart waits for the sessions to end, fast (the default) ends them, \
                immediate does not write, kill is the last resort";
    Argument::option("mode", "MODE", help).short('m').choices(&[
        "smart",
        "fast",
        "immediate",
        "kill",
    ])
}

fn wait_for() -> Argument {
    let help = "When the server counts as started: launched, started, accepting, usable (the \
                default; a recovery to a point in time is at its end), hot-standby, read-write";
    Argument::option("wait-for", "STATE", help).choices(&[
        "launched",
        "started",
        "accepting",
        "usable",
        "hot-standby",
        "read-write",
    ])
}

fn condition(call: &Call<'_>) -> Condition {
    match call.arguments.get("wait-for") {
        Some("launched") => Condition::Launched,
        Some("started") => Condition::Started,
        Some("accepting") => Condition::Accepting,
        Some("hot-standby") => Condition::HotStandby,
        Some("read-write") => Condition::ReadWrite,
        _ => Condition::Usable,
    }
}

/// Opens the session that `--conninfo` asks for.
fn session(call: &Call<'_>) -> Result<Option<Connection>> {
    let Some(text) = call.arguments.get("conninfo") else { return Ok(None) };
    let conninfo: Conninfo = text.parse().map_err(|it| failed(&it))?;
    let target = conninfo.resolve(&Environment::of_process()).map_err(|it| failed(&it))?;
    let connection =
        Connection::open_within(&target, Some(seconds(call)?)).map_err(|it| failed(&it))?;
    Ok(Some(connection))
}
