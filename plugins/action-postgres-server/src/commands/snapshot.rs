//! The commands `hayloft pg snapshot …`, and `pgpre` and `pgpost`.

mod abort;
mod begin;
mod end;
mod hold;
mod judge;
mod options;
mod report;
mod run;
pub(crate) mod safe_backup;
mod source;
mod status;

use hayloft_plugin_api::{CommandSpec, Error, ErrorKind, Result};
use hayloft_postgres::{ErrorKind as PgKind, Failure, snapshot::SnapshotError};

use super::{Call, Subcommand, group};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "snapshot", spec, run: enter };

/// What there is below.
const BELOW: &[Subcommand] =
    &[begin::COMMAND, end::COMMAND, abort::COMMAND, status::COMMAND, run::COMMAND];
/// The process that holds the session; nobody calls it by hand.
const HIDDEN: &[Subcommand] = &[hold::COMMAND];

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Hold a backup session around a snapshot of a server's files".to_owned(),
        long_about: "Tells a server that its files are about to be copied or snapshotted, and \
                     holds the session that this needs, until the end is told. What the server \
                     says then (the label, without which a copy is no backup) becomes files. \
                     SERVER is a name of <postgres_servers>, or - for the server that libpq's \
                     environment leads to (PGHOST, PGPORT, PGUSER, PGDATABASE, PGSERVICE, …)."
            .to_owned(),
        ..group(BELOW)
    }
}

fn enter(call: &Call<'_>) -> Result<u8> {
    if call.arguments.subcommands.get(call.depth).is_some_and(|it| it == hold::COMMAND.name) {
        return call.enter(HIDDEN);
    }
    call.enter(BELOW)
}

/// An error of the library at the boundary.
fn failed(error: &SnapshotError) -> Error {
    let kind = match error.kind() {
        PgKind::NotFound => ErrorKind::NOT_FOUND,
        PgKind::AlreadyExists => ErrorKind::ALREADY_EXISTS,
        PgKind::TimedOut => ErrorKind::TIMED_OUT,
        _ => return with_hint(Error::msg(chain(error)), error.hint()),
    };
    with_hint(Error::new(kind, chain(error)), error.hint())
}

fn with_hint(error: Error, hint: Option<String>) -> Error {
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// An error with its causes, each once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(it) = cause {
        let more = it.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = it.source();
    }
    text
}
