//! The commands `hayloft pg wal …`.

mod archive;
mod delete;
mod gaps;
mod get;
mod list;
mod place;
mod push;
mod receive;
mod show;
mod verify;

use hayloft_plugin_api::{CommandSpec, Result};

use super::{Call, Subcommand, group};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "wal", spec, run: enter };

/// What there is below.
const BELOW: &[Subcommand] = &[
    push::COMMAND,
    get::COMMAND,
    receive::COMMAND,
    archive::COMMAND,
    list::COMMAND,
    show::COMMAND,
    verify::COMMAND,
    gaps::COMMAND,
    delete::COMMAND,
];
/// The processes that fetch and store ahead; nobody calls them by hand.
const HIDDEN: &[Subcommand] = &[get::prefetch::COMMAND, push::drain::COMMAND];

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Archive WAL and fetch it again".to_owned(),
        long_about: "Keeps the WAL of a server in its storages. `push` is for archive_command, \
                     `get` for restore_command; `receive` streams it, and `archive` takes what \
                     somebody else has brought. `gaps` tells what is missing, and `verify` \
                     whether all of it is good."
            .to_owned(),
        ..group(BELOW)
    }
}

fn enter(call: &Call<'_>) -> Result<u8> {
    let next = call.arguments.subcommands.get(call.depth);
    if next.is_some_and(|next| HIDDEN.iter().any(|it| it.name == next)) {
        return call.enter(HIDDEN);
    }
    call.enter(BELOW)
}
