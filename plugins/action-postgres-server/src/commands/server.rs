//! The commands `hayloft pg server …`.

mod grant_sql;

use hayloft_plugin_api::{CommandSpec, Result};

use super::{Call, Subcommand, group};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "server", spec, run };

/// What there is below.
const BELOW: &[Subcommand] = &[grant_sql::COMMAND];

fn spec() -> CommandSpec {
    CommandSpec { about: "Prepare a server for backups".to_owned(), ..group(BELOW) }
}

fn run(call: &Call<'_>) -> Result<u8> {
    call.enter(BELOW)
}
