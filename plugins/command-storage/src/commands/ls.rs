//! The command `hayloft storage ls`.

use std::sync::Arc;

use hayloft_plugin_api::{
    Argument, CommandSpec, ObjectMeta, Result, StorageHandle,
    text::{one_line, size},
};
use serde_json::json;

use super::{Call, Subcommand};
use crate::{
    listing::{Entry, Objects, children},
    names,
    place::Place,
    shown::{JsonObject, Lines, local_time},
    transfer::missing,
};

pub(super) const COMMAND: Subcommand = Subcommand { name: "ls", spec, run };

fn spec() -> CommandSpec {
    CommandSpec {
        about: "List objects".to_owned(),
        long_about: "Lists what is directly below a key, in the order of the keys; what is deeper \
                     stands there as one line that ends with a slash. With --recursive all \
                     objects are listed. Any number of objects takes the same little memory, and \
                     what is not shown is not read."
            .to_owned(),
        arguments: vec![
            Argument::positional("place", "STORAGE:KEY", "Where to look").required(),
            Argument::flag("long", "Show sizes and times too").short('l'),
            Argument::flag("recursive", "Show everything below").short('r'),
            Argument::option("limit", "N", "End after so many lines"),
        ],
        after_help: "Examples:\n  hayloft storage ls offsite:\n  hayloft storage ls -l \
                     offsite:2026/11/17/\n  hayloft storage ls --recursive --json --limit 1000 \
                     offsite:"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let place = names::place(call.host, call.needed("place")?)?;
    let storage = names::open(call.host, &place)?;
    let limit = call.number("limit", 1, u64::MAX)?.unwrap_or(u64::MAX);
    let (long, json) = (call.arguments.has("long"), call.arguments.json);
    let lines = Lines::new(call.host)?;
    let mut shown = Shown { lines, long, json, left: limit, prefix: String::new() };
    let result = list(call, &storage, &place, &mut shown);
    shown.lines.finish(result)
}

fn list(
    call: &Call<'_>,
    storage: &Arc<StorageHandle>,
    place: &Place,
    shown: &mut Shown,
) -> Result<u8> {
    let mut found = false;
    if !place.is_tree()
        && let Some(object) = storage.stat(&place.key)?
    {
        found = true;
        place.key.strip_suffix(place.name()).unwrap_or_default().clone_into(&mut shown.prefix);
        if !shown.object(&object)? {
            return Ok(0);
        }
    }
    let prefix = place.prefix();
    shown.prefix.clone_from(&prefix);
    if call.arguments.has("recursive") {
        for object in Objects::list(storage, &prefix, "") {
            call.host.check_cancelled()?;
            found = true;
            if !shown.object(&object?)? {
                break;
            }
        }
    } else {
        children(storage, &prefix, |entry| {
            call.host.check_cancelled()?;
            found = true;
            match entry {
                Entry::Tree(tree) => shown.tree(&tree),
                Entry::Object(object) => shown.object(&object),
            }
        })?;
    }
    // An empty storage is no mistake.
    if found || place.key.is_empty() { Ok(0) } else { Err(missing(place)) }
}

struct Shown {
    lines: Lines,
    long: bool,
    json: bool,
    left: u64,
    /// What is not shown of the keys, because all have it.
    prefix: String,
}

impl Shown {
    /// Shows an object; tells whether more can be shown.
    fn object(&mut self, object: &ObjectMeta) -> Result<bool> {
        if self.json {
            self.lines.json(&JsonObject::from(object))?;
        } else {
            let name = one_line(object.key.strip_prefix(&self.prefix).unwrap_or(&object.key));
            let line = if self.long {
                let time = local_time(object.modified_ns);
                format!("{:>12}  {time:19}  {name}", size(object.size))
            } else {
                name
            };
            self.lines.text(&line)?;
        }
        self.left -= 1;
        Ok(self.left > 0)
    }

    fn tree(&mut self, tree: &str) -> Result<bool> {
        if self.json {
            self.lines.json(&json!({ "tree": tree }))?;
        } else {
            let name = one_line(tree.strip_prefix(&self.prefix).unwrap_or(tree));
            let blank = if self.long { format!("{:35}", "") } else { String::new() };
            self.lines.text(&format!("{blank}{name}"))?;
        }
        self.left -= 1;
        Ok(self.left > 0)
    }
}
