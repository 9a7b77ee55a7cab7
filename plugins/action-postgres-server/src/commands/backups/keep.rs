//! The command `hayloft pg keep`.

use hayloft_plugin_api::{Argument, CommandSpec, Error, Result};
use serde_json::json;

use super::{Call, Subcommand, arguments, find, in_storage};
use crate::catalogue::{Backup, Catalogue, Keep, Place, Status, set_keep};

/// See the module.
pub(in crate::commands) const COMMAND: Subcommand = Subcommand { name: "keep", spec, run };

fn spec() -> CommandSpec {
    let mut arguments = arguments();
    arguments.push(
        Argument::option("target", "TARGET", "full: with all WAL since; standalone: by itself")
            .choices(&["full", "standalone"]),
    );
    arguments.push(Argument::flag("release", "Keep it no longer than the policy does"));
    CommandSpec {
        about: "Keep a base backup, whatever the retention policy says".to_owned(),
        long_about: "Marks a base backup, in every storage that has it, so that neither `expire` \
                     nor `delete` removes it. `--target standalone` keeps it with the WAL that \
                     makes it consistent, to be restored as it was when it ended; `--target full` \
                     with all WAL since, to be recovered to any later time. What it refers to is \
                     kept too. Without any option, the mark is shown."
            .to_owned(),
        arguments,
        after_help: "Examples:\n  hayloft pg keep main latest --target standalone\n  \
                     hayloft pg keep main 20260101T010203 --release"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let server = call.server(call.arguments.get("server"))?;
    let target = call.arguments.get("target").map(str::parse::<Keep>).transpose()?;
    let release = call.arguments.has("release");
    if target.is_some() && release {
        return Err(
            Error::msg("a backup is either kept or released").hint("give --target or --release")
        );
    }
    // A mark that is not in a storage now would be missed there.
    let catalogue = Catalogue::read(call.host, server).complete()?;
    let backup = find(call, &catalogue)?;
    if target.is_none() && !release {
        return tell(call, backup, backup.keep());
    }
    if target.is_some() && !backup.state().is(Status::Done) {
        let message = format!("backup {} is {}", backup.id, backup.state());
        return Err(Error::msg(message).hint("only one that is DONE can be kept"));
    }
    for (name, place) in Place::all(call.host, server) {
        if backup.copies.iter().any(|it| it.storage == name) {
            let set = place.and_then(|it| set_keep(&it.storage, &server.name, backup.id, target));
            set.map_err(|e| in_storage(&name, e))?;
        }
    }
    tell(call, backup, target)
}

fn tell(call: &Call<'_>, backup: &Backup, keep: Option<Keep>) -> Result<u8> {
    let text = if call.arguments.json {
        format!("{}\n", json!({ "id": backup.id, "keep": keep }))
    } else {
        match keep {
            None => format!(
                "backup {} is kept as long as the policy says (--target keeps it longer)\n",
                backup.id
            ),
            Some(keep) => format!("backup {} is kept: {keep}\n", backup.id),
        }
    };
    call.host.print(text)?;
    Ok(0)
}
