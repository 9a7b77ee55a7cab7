//! The command `hayloft pg wal get`: for `restore_command`.

mod ahead;
pub(super) mod prefetch;

use std::{fs, path::Path};

use hayloft_plugin_api::{Argument, CommandSpec, Error, Result};
use hayloft_postgres::wal::{FileName, SegmentSize};

pub(super) use self::ahead::sweep;
use self::ahead::{Ahead, Position};
use super::{Call, Subcommand};
use crate::archive::{
    Archive,
    deliver::{self, Delivery},
};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "get", spec, run };

/// What PostgreSQL takes for: there is no such file.
const NOT_THERE: u8 = 1;
/// How many segments are fetched before they are asked for, unless told
/// otherwise.
const AHEAD: u32 = 8;

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Fetch a file of WAL: for restore_command".to_owned(),
        long_about: "Looks for a file in the storages of the server, however it was compressed or \
                     encrypted, checks it, and writes it to PATH. Ends with 1 if no storage has \
                     it, and above 125 if that cannot be told, or if what is stored is damaged: \
                     PostgreSQL then stops instead of taking it for the end of the archive. While \
                     PostgreSQL replays one segment after the other, the next ones are fetched \
                     ahead into the server's <spool>."
            .to_owned(),
        arguments: vec![
            Argument::positional("server", "SERVER", "The server's name in the configuration")
                .required(),
            Argument::positional("name", "NAME", "The file's name: what PostgreSQL calls %f")
                .required(),
            Argument::positional("path", "PATH", "Where to: what PostgreSQL calls %p").required(),
        ],
        after_help:
            "Example, in postgresql.conf:\n  restore_command = 'hayloft pg wal get main %f \
                     %p'"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let server = call.server(call.arguments.get("server"))?;
    let name = call.arguments.get("name").unwrap_or_default();
    let path = std::path::absolute(Path::new(call.arguments.get("path").unwrap_or_default()))?;
    let name: FileName =
        name.parse().map_err(|_| Error::msg(format!("`{name}` is no name of a file of WAL")))?;
    let archive = Archive::open(call.host, server)?;
    let delivery = Delivery::to(&path);
    let most = server.wal.get_ahead.unwrap_or(AHEAD);
    let ahead = match (name, archive.spool()) {
        (FileName::Segment(segment), Some(spool)) if most > 0 => {
            Ahead::open(spool, &path).map(|ahead| (segment, ahead))
        }
        _ => None,
    };
    let taken = ahead.as_ref().is_some_and(|(segment, it)| it.take(*segment, &delivery).is_some());
    if !taken && !deliver::fetch(&archive, name, &delivery)? {
        tracing::info!("{name} is in no storage");
        return Ok(NOT_THERE);
    }
    if let Some((segment, ahead)) = ahead {
        let size = fs::metadata(&path).ok().and_then(|it| SegmentSize::new(it.len()).ok());
        if let Some(size) = size {
            go_on(call, &ahead, &server.name, Position { segment, size });
        }
    }
    Ok(0)
}

/// Sees to it that the next segments are fetched, if they are asked for one
/// after the other.
fn go_on(call: &Call<'_>, ahead: &Ahead, server: &str, position: Position) {
    let follows = ahead.advance(position);
    if follows && !ahead.is_at_work() {
        let arguments = prefetch::arguments(server, ahead);
        if let Err(error) = call.host.detach("pg", &arguments, &ahead.log()) {
            tracing::info!("nothing is fetched ahead: {error}");
        }
    }
}
