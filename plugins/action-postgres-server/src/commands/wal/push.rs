//! The command `hayloft pg wal push`: for `archive_command`.

mod ahead;
pub(super) mod drain;

use std::{path::Path, thread, time::Duration};

use hayloft_plugin_api::{Argument, CommandSpec, Error, Result};
use hayloft_postgres::wal::FileName;

use self::ahead::Waiting;
use super::{Call, Subcommand, get};
use crate::archive::{Archive, Ledger};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "push", spec, run };

/// How many further files are stored ahead, unless told otherwise.
const AHEAD: u32 = 32;
/// How often it is looked whether a file that somebody else stores is stored.
const PULSE: Duration = Duration::from_millis(1);

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Archive a file of WAL: for archive_command".to_owned(),
        long_about: "Stores a segment, a timeline's history or a backup's label in every storage \
                     of the server. Ends with 0 only when it is durable in all of them; any other \
                     exit code lets PostgreSQL keep the file and try again. A file that is not of \
                     this server is refused, and what is stored is never overwritten: the same \
                     content once more is success, other content is an error. When more segments \
                     wait, some of them are stored before they are asked for, so that the calls \
                     for them are short."
            .to_owned(),
        arguments: vec![
            Argument::positional("server", "SERVER", "The server's name in the configuration")
                .required(),
            Argument::positional("path", "PATH", "The file: what PostgreSQL calls %p").required(),
        ],
        after_help: "Example, in postgresql.conf:\n  archive_mode = on\n  archive_command = \
                     'hayloft pg wal push main %p'"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let server = call.server(call.arguments.get("server"))?;
    let path = Path::new(call.arguments.get("path").unwrap_or_default());
    let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
    let name: FileName = name.parse().map_err(|_| {
        Error::msg(format!("{} has no name that PostgreSQL gives to WAL", path.display()))
    })?;
    let archive = Archive::open(call.host, server)?;
    let ledger = archive.spool().and_then(Ledger::open);
    if let Some(ledger) = &ledger
        && is_stored_ahead(call, &archive, ledger, (name, path))?
    {
        tracing::info!("{name} was stored ahead");
        return Ok(0);
    }
    if let Some(spool) = archive.spool() {
        get::sweep(spool);
    }
    let most = server.wal.push_ahead.unwrap_or(AHEAD);
    let waiting = Waiting::beside(path, name, most);
    let at_work = ledger.as_ref().is_some_and(Ledger::is_at_work);
    if let Some(ledger) = ledger.as_ref().filter(|_| !at_work) {
        ledger.tidy(&waiting.all);
    }
    match (&ledger, archive.spool()) {
        _ if waiting.next.is_empty() => store(&archive, None, (name, path))?,
        (Some(ledger), Some(spool))
            if at_work
                || drain::is_worth(call.host, server, ledger, &waiting)
                    && drain::start(call.host, server, spool, path) =>
        {
            store(&archive.in_parallel(), Some(ledger), (name, path))?;
        }
        _ => {
            let workers = server.wal_jobs();
            ahead::push(&archive.in_parallel(), ledger.as_ref(), (name, path), waiting, workers)?;
        }
    }
    Ok(0)
}

/// Stores the file, and nothing else.
fn store(
    archive: &Archive<'_>,
    ledger: Option<&Ledger>,
    (name, path): (FileName, &Path),
) -> Result<()> {
    // So that nobody else does it meanwhile. If one has just begun, it is done twice.
    let _mark = ledger.and_then(|it| it.mark(name).ok().flatten());
    let receipt = archive.save(name, path)?;
    let when = if receipt.is_new() { "now" } else { "already" };
    tracing::info!("{name} is {when} in every storage");
    Ok(())
}

/// Waits for whoever stores the file ahead. What is noted of it may be of no
/// use: then it is stored as any other.
fn is_stored_ahead(
    call: &Call<'_>,
    archive: &Archive<'_>,
    ledger: &Ledger,
    (name, path): (FileName, &Path),
) -> Result<bool> {
    while !ledger.has(name) {
        if !ledger.is_marked(name) {
            // The note comes before the mark goes.
            if ledger.has(name) {
                break;
            }
            return Ok(false);
        }
        call.host.check_cancelled()?;
        thread::sleep(PULSE);
    }
    let noted = archive.is_noted(ledger, name, path);
    ledger.forget(name);
    Ok(noted.unwrap_or_else(|error| {
        tracing::info!("what is noted of {name} is of no use: {error}");
        false
    }))
}
