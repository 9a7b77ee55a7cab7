//! The commands `hayloft pg conf …`.

mod check;
mod diff;
mod edit;
mod get;
mod show;
mod text;

use hayloft_plugin_api::{CommandSpec, Result};

use super::{Call, Subcommand, group};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "conf", spec, run };

/// What there is below.
const BELOW: &[Subcommand] = &[
    get::COMMAND,
    show::COMMAND,
    edit::SET,
    edit::UNSET,
    edit::REMOVE,
    check::COMMAND,
    diff::COMMAND,
];

fn spec() -> CommandSpec {
    CommandSpec { about: "Read, check and edit postgresql.conf".to_owned(), ..group(BELOW) }
}

fn run(call: &Call<'_>) -> Result<u8> {
    call.enter(BELOW)
}
