//! The processes that store files ahead while PostgreSQL is given its answers.
//!
//! With many files waiting, the calls for those that are stored already, each
//! some milliseconds of one processor, would keep the other ones from the work.
//! So processes of their own do it, never more than `<push_ahead>` files ahead:
//! one for each worker, each of which holds one segment as a whole, so that
//! none needs more memory than a push may. They end when nothing is left to do,
//! or when anything is wrong; PostgreSQL is told of that by the call for the
//! file.

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

/// Where their messages go, in the spool.
const LOG: &str = "push.log";
/// How many files each stores at the same time, so that one is worked on while
/// the other waits for its storages.
const JOBS: usize = 2;

fn spec() -> CommandSpec {
    CommandSpec::default()
}

/// Tells whether so many files wait that processes of their own are worth their
/// start. Hooks are not called by two processes at the same time: scripts may
/// not be made for it.
pub(super) fn is_worth(host: &Host, server: &Server, ledger: &Ledger, waiting: &Waiting) -> bool {
    let enough = 2 * server.wal_workers();
    let left = waiting.next.iter().filter(|it| !ledger.has(**it)).take(enough + 1).count();
    left > enough && server.wal_workers() > 1 && host.document().child("hooks").is_none()
}

/// Starts them for what waits besides a file; tells whether one is at work.
pub(super) fn start(host: &Host, server: &Server, spool: &Spool, asked: &Path) -> bool {
    let start_one = || {
        let values = [("server", server.name.clone()), ("path", text(&path::absolute(asked)?)?)];
        let arguments = Arguments {
            subcommands: vec!["wal".to_owned(), COMMAND.name.to_owned()],
            values: values.into_iter().map(|(k, v)| (k.to_owned(), vec![v])).collect(),
            json: false,
        };
        host.detach("pg", &arguments, &spool.path(LOG))
    };
    let mut at_work = false;
    for _ in 0..server.wal_workers() {
        match start_one() {
            Ok(_) => at_work = true,
            Err(error) => tracing::info!("no process of its own stores ahead: {error}"),
        }
    }
    at_work
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
    let archive = Archive::open(call.host, server)?.in_parallel().in_one_piece(1);
    let ledger = archive
        .spool()
        .and_then(Ledger::open)
        .ok_or_else(|| Error::msg("there is no place in the spool"))?;
    let Some(_lock) = ledger.lock(server.wal_workers())? else { return Ok(0) };
    let most = server.wal.push_ahead.unwrap_or(AHEAD);
    while !call.host.cancelled() {
        let mut waiting = Waiting::beside(path, asked, most);
        waiting.next.retain(|it| !ledger.has(*it));
        if !all_stored(&archive, &ledger, waiting) {
            break;
        }
    }
    Ok(0)
}

/// Stores files; tells whether there were any, and none failed.
fn all_stored(archive: &Archive<'_>, ledger: &Ledger, waiting: Waiting) -> bool {
    let queue = Queue::new(archive, Some(ledger), waiting, None);
    thread::scope(|scope| {
        for _ in 1..JOBS {
            scope.spawn(|| queue.work());
        }
        queue.work();
    });
    queue.went_well()
}
