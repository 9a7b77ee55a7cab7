//! The command `hayloft storage rm`.

use std::sync::Arc;

use hayloft_plugin_api::{
    Argument, CommandSpec, Error, ErrorKind, ObjectMeta, Progress, Result, StorageHandle,
    text::{one_line, size},
};
use serde_json::json;

use super::{Call, Subcommand};
use crate::{
    listing::Objects,
    names,
    place::Place,
    shown::{Lines, local_time, objects},
    transfer::missing,
};

pub(super) const COMMAND: Subcommand = Subcommand { name: "rm", spec, run };

/// How many objects are removed at a time.
const BATCH: usize = 1000;
/// How many that could not be removed are named.
const NAMED: usize = 20;

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Remove objects".to_owned(),
        long_about: "Removes objects, after it has said how many and asked. Without a terminal \
                     nobody can be asked: then --yes must be given. An object that the storage \
                     protects stays, and it is told until when."
            .to_owned(),
        arguments: vec![
            Argument::positional("place", "STORAGE:KEY", "What to remove").required().multiple(),
            Argument::flag("recursive", "Remove everything below the key").short('r'),
            Argument::flag("yes", "Do not ask").short('y'),
            Argument::flag("dry-run", "Show what would be removed, and remove nothing").short('n'),
        ],
        after_help: "Examples:\n  hayloft storage rm offsite:notes/old.txt\n  hayloft storage rm \
                     --recursive --dry-run offsite:2019/\n  hayloft storage rm --recursive --yes \
                     offsite:2019/"
            .to_owned(),
        ..CommandSpec::default()
    }
}

/// What is to go from one place.
struct Target {
    place: Place,
    storage: Arc<StorageHandle>,
}

#[derive(Default)]
struct Sum {
    objects: u64,
    size: u64,
}

impl Sum {
    fn add(&mut self, object: &ObjectMeta) {
        self.objects += 1;
        self.size += object.size;
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let targets = targets(call)?;
    if call.arguments.has("dry-run") {
        let mut lines = Lines::new(call.host)?;
        let result = show(call, &targets, &mut lines);
        return lines.finish(result);
    }
    if !call.arguments.has("yes") && !agreed(call, &targets)? {
        call.host.print("nothing is removed\n")?;
        return Ok(1);
    }
    let mut removal = Removal { call, removed: Sum::default(), failed: 0, named: Vec::new() };
    for target in &targets {
        let mut batch = Vec::with_capacity(BATCH);
        for object in target.objects(call)? {
            batch.push(object?);
            if batch.len() == BATCH {
                removal.remove(target, &batch)?;
                batch.clear();
            }
        }
        removal.remove(target, &batch)?;
    }
    removal.report()
}

/// Finds everything that is named; one mistake, and nothing is removed.
fn targets(call: &Call<'_>) -> Result<Vec<Target>> {
    let recursive = call.arguments.has("recursive");
    let mut targets = Vec::new();
    for text in call.arguments.all("place") {
        let place = names::place(call.host, text)?;
        let storage = names::open(call.host, &place)?;
        if place.is_tree() && !recursive {
            return Err(Error::msg(format!("`{place}` is no single object"))
                .hint("--recursive removes everything below it"));
        }
        let target = Target { place, storage };
        let first = target.objects(call)?.next().transpose()?;
        if first.is_none() && !target.place.key.is_empty() {
            return Err(missing(&target.place));
        }
        targets.push(target);
    }
    Ok(targets)
}

impl Target {
    /// Returns all objects that are meant.
    fn objects(&self, call: &Call<'_>) -> Result<Box<dyn Iterator<Item = Result<ObjectMeta>>>> {
        let place = &self.place;
        let own = if place.is_tree() { None } else { self.storage.stat(&place.key)? };
        let own = own.into_iter().map(Ok);
        if !call.arguments.has("recursive") {
            return Ok(Box::new(own));
        }
        Ok(Box::new(own.chain(Objects::list(&self.storage, &place.prefix(), ""))))
    }
}

fn show(call: &Call<'_>, targets: &[Target], lines: &mut Lines) -> Result<u8> {
    let mut sum = Sum::default();
    for target in targets {
        for object in target.objects(call)? {
            call.host.check_cancelled()?;
            let object = object?;
            sum.add(&object);
            if call.arguments.json {
                let storage = &target.place.storage;
                lines.json(&json!({"storage": storage, "key": object.key, "size": object.size}))?;
            } else {
                let name = format!("{}:{}", target.place.storage, object.key);
                lines.text(&format!("would remove {}", one_line(name)))?;
            }
        }
    }
    if !call.arguments.json {
        lines.text(&format!("{}, {} in all", objects(sum.objects), size(sum.size)))?;
    }
    Ok(0)
}

fn agreed(call: &Call<'_>, targets: &[Target]) -> Result<bool> {
    let mut questions = Vec::new();
    for target in targets {
        let mut sum = Sum::default();
        for object in target.objects(call)? {
            call.host.check_cancelled()?;
            sum.add(&object?);
            let what = &objects(sum.objects);
            call.host.progress(Progress { what, done: sum.size, total: 0 });
        }
        let place = one_line(target.place.to_string());
        // A storage without a key ends with a colon as it is.
        let colon = if target.place.key.is_empty() { "" } else { ":" };
        let sum = format!("{}, {} in all", objects(sum.objects), size(sum.size));
        questions.push(format!("{place}{colon} {sum}"));
    }
    questions.push("Remove? [y/N] ".to_owned());
    let answer = call.host.ask(&questions.join("\n"))?;
    let Some(answer) = answer else {
        return Err(Error::msg("nobody can be asked whether to remove it").hint("give --yes"));
    };
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

struct Removal<'a> {
    call: &'a Call<'a>,
    removed: Sum,
    failed: u64,
    /// The first that could not be removed, and why.
    named: Vec<(String, String)>,
}

impl Removal<'_> {
    fn remove(&mut self, target: &Target, batch: &[ObjectMeta]) -> Result<()> {
        self.call.host.check_cancelled()?;
        let keys: Vec<&str> = batch.iter().map(|it| it.key.as_str()).collect();
        let undeleted = target.storage.delete_many(&keys)?;
        for object in batch {
            self.removed.add(object);
        }
        for left in undeleted {
            let object = &batch[left.index];
            self.removed.objects -= 1;
            self.removed.size -= object.size;
            self.failed += 1;
            if self.named.len() < NAMED {
                let name = format!("{}:{}", target.place.storage, object.key);
                self.named.push((name, reason(&target.storage, object, &left.error)));
            }
        }
        let (what, done) = (&objects(self.removed.objects), self.removed.size);
        self.call.host.progress(Progress { what, done, total: 0 });
        Ok(())
    }

    fn report(self) -> Result<u8> {
        let Self { call, removed, failed, named } = self;
        if call.arguments.json {
            let named: Vec<_> =
                named.iter().map(|(key, why)| json!({"object": key, "error": why})).collect();
            let report = json!({
                "removed": removed.objects, "size": removed.size, "failed": failed, "errors": named,
            });
            call.host.print(format!("{report}\n"))?;
        } else {
            let what = objects(removed.objects);
            call.host.print(format!("removed {what}, {}\n", size(removed.size)))?;
        }
        if failed == 0 {
            return Ok(0);
        }
        for (name, why) in &named {
            tracing::error!("cannot remove {name}: {why}");
        }
        Err(Error::msg(format!("{} could not be removed", objects(failed))))
    }
}

/// Why it is still there: that it is protected says more than that the store
/// refuses.
fn reason(storage: &StorageHandle, object: &ObjectMeta, error: &Error) -> String {
    let protection = match error.kind() {
        ErrorKind::PERMISSION => storage.protection(&object.key).ok().flatten(),
        _ => None,
    };
    match protection {
        Some(it) if it.hold => "it is held until somebody lifts the hold".to_owned(),
        Some(it) => match it.until_ns {
            Some(until) => format!("it is protected until {}", local_time(until)),
            None => error.to_string(),
        },
        None => error.to_string(),
    }
}
