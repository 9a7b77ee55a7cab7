//! The command `hayloft pg delete`.

use hayloft_plugin_api::{Argument, CommandSpec, Error, ErrorKind, Result};
use serde_json::json;

use super::{Call, Subcommand, arguments, find, in_storage};
use crate::{
    catalogue::{
        self, Backup, Catalogue, Copy, Guard, Place, State, Status, Work, refused, remove,
    },
    config::Server,
};

/// See the module.
pub(in crate::commands) const COMMAND: Subcommand = Subcommand { name: "delete", spec, run };

fn spec() -> CommandSpec {
    let mut arguments = arguments();
    arguments.push(Argument::flag("children", "Delete what refers to it, too"));
    arguments.push(Argument::flag("force", "Even if it seems to be under way"));
    arguments.push(Argument::flag("dry-run", "Only tell what would be deleted").short('n'));
    CommandSpec {
        about: "Delete a base backup".to_owned(),
        long_about: "Deletes a base backup from every storage that has it. One that is marked to \
                     be kept, that others refer to, that the minimum redundancy needs, or that \
                     the storage itself protects, is left as it is. What is interrupted, the next \
                     `expire` ends. WAL stays until `expire`. Hooks: pre_delete, post_delete."
            .to_owned(),
        arguments,
        after_help: "Examples:\n  hayloft pg delete main 20260101T010203\n  \
                     hayloft pg delete main oldest --dry-run"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let server = call.server(call.arguments.get("server"))?;
    let mut places = Vec::new();
    for (name, place) in Place::all(call.host, server) {
        places.push(place.map_err(|e| in_storage(&name, e))?);
    }
    let dry_run = call.arguments.has("dry-run");
    let guard = if dry_run {
        None
    } else {
        match Guard::take(call.host, (&server.name, Work::Catalogue), &places)? {
            Ok(guard) => Some(guard),
            Err(who) => {
                tracing::error!("the catalogue of server {} is in use: {who}", server.name);
                return Ok(3);
            }
        }
    };
    let catalogue = Catalogue::of(&places, &server.name, Vec::new()).complete()?;
    let doomed = chosen(call, &catalogue, server)?;
    let copies = catalogue.backups.iter().flat_map(|it| &it.copies);
    let is_doomed = |id| doomed.iter().any(|it| it.id == id);
    if let Some(error) = catalogue::unasked(copies, &is_doomed) {
        return Err(error.context("whether something refers to it is not known"));
    }
    for place in &places {
        for backup in doomed.iter().filter(|it| it.copies.iter().any(|it| it.storage == place.name))
        {
            let why = refused(&place.storage, &server.name, backup.id)
                .map_err(|e| in_storage(&place.name, e))?;
            if let Some(why) = why {
                let error = Error::new(ErrorKind::PERMISSION, why);
                return Err(in_storage(&place.name, error));
            }
        }
    }
    if let Some(guard) = guard {
        for place in &places {
            carry_out(call, &catalogue, place, &doomed, &guard)?;
        }
        guard.release();
    }
    tell(call, &doomed, dry_run)
}

/// The backups that are meant: what refers to others before them.
fn chosen<'c>(
    call: &Call<'_>,
    catalogue: &'c Catalogue,
    server: &Server,
) -> Result<Vec<&'c Backup>> {
    let backup = find(call, catalogue)?;
    let mut chosen = vec![backup];
    let mut at = 0;
    while let Some(it) = chosen.get(at) {
        for id in catalogue.children(it.id) {
            let known = chosen.iter().any(|it| it.id == id);
            chosen.extend(catalogue.backups.iter().filter(|it| it.id == id && !known));
        }
        at += 1;
    }
    if chosen.len() > 1 && !call.arguments.has("children") {
        let ids: Vec<String> = chosen[1..].iter().map(|it| it.id.to_string()).collect();
        let message = format!("other backups refer to {}: {}", backup.id, ids.join(", "));
        return Err(Error::msg(message).hint("--children deletes them, too"));
    }
    for it in &chosen {
        if let Some(keep) = it.keep() {
            let message = format!("backup {} is marked: keep {keep}", it.id);
            let hint = format!("`hayloft pg keep {} {} --release`", server.name, it.id);
            return Err(Error::msg(message).hint(hint));
        }
        let open = [Status::Empty, Status::Started, Status::Syncing];
        if open.iter().any(|status| it.state().is(*status)) && !call.arguments.has("force") {
            let message = format!("backup {} is {}: it may be under way", it.id, it.state());
            return Err(Error::msg(message).hint("--force deletes it all the same"));
        }
    }
    enough_stays(catalogue, &chosen, server)?;
    chosen.sort_by_key(|it| std::cmp::Reverse(it.id));
    Ok(chosen)
}

/// The minimum redundancy counts full backups that can be restored.
fn enough_stays(catalogue: &Catalogue, chosen: &[&Backup], server: &Server) -> Result<()> {
    let counts = |it: &Backup| {
        it.state().is(Status::Done) && it.info().is_some_and(|it| it.parent_backup_id.is_none())
    };
    let going = chosen.iter().filter(|it| counts(it)).count();
    let there = catalogue.backups.iter().filter(|it| counts(it)).count();
    let minimum = server.minimum_redundancy as usize;
    if going > 0 && there - going < minimum {
        let message = format!(
            "{} full backups would be left, and <minimum_redundancy> of server {} is {minimum}",
            there - going,
            server.name,
        );
        return Err(Error::msg(message).hint("make another backup first, or lower it"));
    }
    Ok(())
}

fn carry_out(
    call: &Call<'_>,
    catalogue: &Catalogue,
    place: &Place,
    chosen: &[&Backup],
    guard: &Guard,
) -> Result<()> {
    let all: Vec<&Copy> = catalogue.copies_in(&place.name).collect();
    let doomed: Vec<&Copy> =
        chosen.iter().flat_map(|it| &it.copies).filter(|it| it.storage == place.name).collect();
    let server = &catalogue.server;
    let removed = remove(call.host, place, server, (&doomed, &all), guard)?;
    match removed.stays.into_iter().next() {
        None => Ok(()),
        Some((id, error)) => {
            let kind = error.kind();
            let about = format!("backup {id} is not deleted from storage {}", place.name);
            Err(error.context(about).with_kind(kind))
        }
    }
}

fn tell(call: &Call<'_>, doomed: &[&Backup], dry_run: bool) -> Result<u8> {
    let ids: Vec<_> = doomed.iter().map(|it| it.id).collect();
    let text = if call.arguments.json {
        format!("{}\n", json!({ "deleted": ids, "dry_run": dry_run }))
    } else {
        let done = if dry_run { "would be deleted" } else { "deleted" };
        let one = |it: &&Backup| {
            let state = it.state();
            let state = if let State::Is(best) = state { best.0.name() } else { "broken" };
            let places: Vec<&str> = it.copies.iter().map(|it| it.storage.as_str()).collect();
            format!("backup {} ({state}) {done} from {}\n", it.id, places.join(", "))
        };
        doomed.iter().map(one).collect()
    };
    call.host.print(text)?;
    Ok(0)
}
