//! The command `hayloft pg wal push`: for `archive_command`.

mod ahead;

use std::path::Path;

use hayloft_plugin_api::{Argument, CommandSpec, Error, Result};
use hayloft_postgres::wal::FileName;

use self::ahead::Waiting;
use super::{Call, Subcommand, get};
use crate::archive::{Archive, Ledger};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "push", spec, run };

/// How many further files are stored in one call, unless told otherwise.
const AHEAD: u32 = 32;

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Archive a file of WAL: for archive_command".to_owned(),
        long_about: "Stores a segment, a timeline's history or a backup's label in every storage \
                     of the server. Ends with 0 only when it is durable in all of them; any other \
                     exit code lets PostgreSQL keep the file and try again. A file that is not of \
                     this server is refused, and what is stored is never overwritten: the same \
                     content once more is success, other content is an error. When more segments \
                     wait, some of them are stored in the same call, so that the calls for them \
                     are short."
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
        && is_stored_ahead(&archive, ledger, name, path)
    {
        tracing::info!("{name} was stored ahead");
        return Ok(0);
    }
    if let Some(spool) = archive.spool() {
        get::sweep(spool);
    }
    let most = server.wal.push_ahead.unwrap_or(AHEAD);
    let waiting = Waiting::beside(path, name, most);
    if let Some(ledger) = &ledger {
        ledger.tidy(&waiting.all);
    }
    if waiting.next.is_empty() {
        let receipt = archive.save(name, path)?;
        let when = if receipt.is_new() { "now" } else { "already" };
        tracing::info!("{name} is {when} in every storage");
    } else {
        let workers = server.wal_jobs();
        ahead::push(&archive.in_parallel(), ledger.as_ref(), (name, path), waiting, workers)?;
    }
    Ok(0)
}

/// What is noted of a file may be of no use: then it is stored as any other.
fn is_stored_ahead(archive: &Archive<'_>, ledger: &Ledger, name: FileName, path: &Path) -> bool {
    if !ledger.has(name) {
        return false;
    }
    let noted = archive.is_noted(ledger, name, path);
    ledger.forget(name);
    noted.unwrap_or_else(|error| {
        tracing::info!("what is noted of {name} is of no use: {error}");
        false
    })
}
