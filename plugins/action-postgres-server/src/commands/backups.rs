//! The commands that look after base backups: `hayloft pg list` and the like.

pub(super) mod delete;
pub(super) mod expire;
pub(super) mod keep;
pub(super) mod list;
pub(super) mod show;
mod table;
mod view;

use hayloft_plugin_api::{Argument, Error, Result};

use super::{Call, Subcommand, which_servers, worse};
use crate::{
    catalogue::{Backup, BackupId, Catalogue, Selection},
    config::Server,
};

/// How a backup is named on the command line.
const WHICH: &str = "Its id, its name, or latest, oldest, latest-full, last-failed";

fn arguments() -> Vec<Argument> {
    vec![
        Argument::positional("server", "SERVER", "The server's name in the configuration")
            .required(),
        Argument::positional("backup", "BACKUP", WHICH).required(),
    ]
}

/// Finds the backup that is named.
fn find<'c>(call: &Call<'_>, catalogue: &'c Catalogue) -> Result<&'c Backup> {
    let selection: Selection = call.arguments.get("backup").unwrap_or_default().parse()?;
    catalogue.find(&selection)
}

/// Returns the id of a backup that is named as an option.
///
/// # Errors
///
/// If there is none, or several are called so.
pub(super) fn id(call: &Call<'_>, server: &Server, text: &str) -> Result<BackupId> {
    match text.parse::<Selection>()? {
        // Whether there is one is found out where it is used.
        Selection::Id(id) => Ok(id),
        other => Catalogue::read(call.host, server).find(&other).map(|it| it.id),
    }
}

/// Says of an error which storage it is about.
fn in_storage(name: &str, error: Error) -> Error {
    let kind = error.kind();
    error.context(format!("storage {name}")).with_kind(kind)
}
