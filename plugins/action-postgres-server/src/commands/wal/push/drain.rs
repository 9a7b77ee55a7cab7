//! The process that stores files ahead while PostgreSQL is given its answers.
//!
//! With many files waiting, the calls for those that are stored already, each
//! some milliseconds of one processor, would keep the other ones from the work.
//! So a process of its own does it, never more than `<push_ahead>` files ahead.
//! It ends when nothing is left to do, or when anything is wrong; PostgreSQL is
//! told of that by the call for the file.

use std::{
    path::{self, Path},
    thread,
};

use hayloft_plugin_api::{Arguments, CommandSpec, Error, Host, Result};
use hayloft_postgres::wal::FileName;

use super::{
    super::{Call, Subcommand},
    AHEAD,
    ahead::{Queue, Waiting},
};
use crate::{
    archive::{Archive, Ledger, Spool},
    config::Server,
};

/// See the module.
pub(in super::super) const COMMAND: Subcommand = Subcommand { name: "drain", spec, run };

/// Where its messages go, in the spool.
const LOG: &str = "push.log";

fn spec() -> CommandSpec {
    CommandSpec::default()
}

/// Tells whether so many files wait that a process of its own is worth its
/// start. Hooks are not called by two processes at the same time: scripts may
/// not be made for it.
pub(super) fn is_worth(host: &Host, server: &Server, ledger: &Ledger, waiting: &Waiting) -> bool {
    let enough = 2 * server.wal_workers();
    let left = waiting.next.iter().filter(|it| !ledger.has(**it)).take(enough + 1).count();
    left > enough && server.wal_workers() > 1 && host.document().child("hooks").is_none()
}

/// Starts it for what waits besides a file; tells whether somebody is at work.
pub(super) fn start(host: &Host, server: &str, spool: &Spool, asked: &Path) -> bool {
    let started = path::absolute(asked).map_err(Error::from).and_then(|asked| {
        let values = [("server", server.to_owned()), ("path", text(&asked)?)];
        let arguments = Arguments {
            subcommands: vec!["wal".to_owned(), COMMAND.name.to_owned()],
            values: values.into_iter().map(|(k, v)| (k.to_owned(), vec![v])).collect(),
            json: false,
        };
        host.detach("pg", &arguments, &spool.path(LOG))
    });
    if let Err(error) = &started {
        tracing::info!("no process of its own stores ahead: {error}");
    }
    started.is_ok()
}

fn text(path: &Path) -> Result<String> {
    let text = path.to_str().ok_or_else(|| Error::msg("the path is no text"))?;
    Ok(text.to_owned())
}

fn run(call: &Call<'_>) -> Result<u8> {
    let server = call.server(call.arguments.get("server"))?;
    let path = Path::new(call.arguments.get("path").unwrap_or_default());
    let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
    let asked: FileName =
        name.parse().map_err(|_| Error::msg(format!("{} is no WAL", path.display())))?;
    let archive = Archive::open(call.host, server)?.in_parallel();
    let ledger = archive
        .spool()
        .and_then(Ledger::open)
        .ok_or_else(|| Error::msg("there is no place in the spool"))?;
    let Some(_lock) = ledger.lock()? else { return Ok(0) };
    let most = server.wal.push_ahead.unwrap_or(AHEAD);
    while !call.host.cancelled() {
        let mut waiting = Waiting::beside(path, asked, most);
        waiting.next.retain(|it| !ledger.has(*it));
        if !all_stored(&archive, &ledger, waiting, server.wal_jobs()) {
            break;
        }
    }
    Ok(0)
}

/// Stores files; tells whether there were any, and none failed.
fn all_stored(archive: &Archive<'_>, ledger: &Ledger, waiting: Waiting, jobs: usize) -> bool {
    let queue = Queue::new(archive, Some(ledger), waiting, None);
    thread::scope(|scope| {
        for _ in 1..jobs {
            scope.spawn(|| queue.work());
        }
        queue.work();
    });
    queue.went_well()
}
