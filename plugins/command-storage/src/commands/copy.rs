//! The command `hayloft storage copy`.

mod object;
mod pairs;
mod position;
mod totals;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
};

use hayloft_plugin_api::{Argument, CommandSpec, Error, ErrorKind, Result, StorageHandle};

use self::{
    object::{Copier, Done},
    pairs::{Pair, Pairs},
    position::Position,
    totals::Totals,
};
use super::{Call, Subcommand};
use crate::{names, place::Place, transfer::missing};

pub(super) const COMMAND: Subcommand = Subcommand { name: "copy", spec, run };

/// How many objects are copied at the same time.
const JOBS: u64 = 4;

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Copy objects from one storage to another".to_owned(),
        long_about: "Copies an object, or everything below a key, from one storage to another. \
                     What is there already is compared, byte by byte: the same is left alone, \
                     and other content is never replaced unless --replace is given; it is named, \
                     the rest is copied, and the exit code is 1. Each object appears whole or not \
                     at all. A copy that was interrupted goes on where it was when the same is \
                     asked for again. Nothing is removed from the target."
            .to_owned(),
        arguments: vec![
            Argument::positional("from", "STORAGE:KEY", "What to copy").required(),
            Argument::positional(
                "to",
                "STORAGE:KEY",
                "Where to; what is below the first key gets the same names below this one",
            )
            .required(),
            Argument::option("jobs", "N", "Copy so many objects at a time [default: 4]").short('j'),
            Argument::flag("replace", "Replace objects that have other content"),
            Argument::flag("verify", "Read back what was written, and compare it"),
            Argument::flag("dry-run", "Show what would be copied, and copy nothing").short('n'),
            Argument::flag("from-start", "Compare also what an interrupted copy had done already"),
        ],
        after_help: "Examples:\n  hayloft storage copy disk: offsite:\n  hayloft storage copy \
                     disk:2026/11/ offsite:2026/11/ --jobs 16 --verify\n  hayloft storage copy \
                     offsite:notes/a.txt disk:notes/"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let from = names::place(call.host, call.needed("from")?)?;
    let to = names::place(call.host, call.needed("to")?)?;
    let jobs = usize::try_from(call.number("jobs", 1, 64)?.unwrap_or(JOBS))?;
    let (source, target) = (names::open(call.host, &from)?, names::open(call.host, &to)?);
    let single = if from.is_tree() { None } else { source.stat(&from.key)? };
    let copier = Copier::new(call.host, call.arguments, source, target);
    let totals = Totals::new(call.host, call.arguments.json);
    if let Some(object) = single {
        let to = if to.is_tree() { to.below(from.name()) } else { to };
        refuse_itself(&from, &to)?;
        let pair = Pair { number: 0, there: copier.target.stat(&to.key)?, to: to.key, object };
        totals.add(&pair, copier.copy(&pair));
        return totals.report(None);
    }
    refuse_overlap(&from, &to)?;
    let mut position = Position::open(call.host, &from, &to);
    if call.arguments.has("from-start") || call.arguments.has("dry-run") {
        position.forget();
    }
    let position = Mutex::new(position);
    let work = Work { copier, totals, position, stop: AtomicBool::new(false), jobs };
    tree(call, work, &from, &to)
}

fn refuse_itself(from: &Place, to: &Place) -> Result<()> {
    if from == to { Err(Error::msg(format!("`{from}` is both source and target"))) } else { Ok(()) }
}

/// What is written would be copied in turn, without end.
fn refuse_overlap(from: &Place, to: &Place) -> Result<()> {
    let (inner, outer) = (to.prefix(), from.prefix());
    if from.storage == to.storage && inner.starts_with(&outer) {
        return Err(Error::msg(format!("`{to}` is in `{from}`, which is to be copied")));
    }
    Ok(())
}

/// Copies everything below a key.
fn tree(call: &Call<'_>, work: Work<'_>, from: &Place, to: &Place) -> Result<u8> {
    let after = work.position().after();
    if let Some(after) = &after {
        tracing::info!(
            "going on behind {after}, where an interrupted copy was; --from-start begins anew"
        );
    }
    let pairs = Pairs::list(
        (&work.copier.source, &from.prefix()),
        (&work.copier.target, &to.prefix()),
        after.as_deref().unwrap_or_default(),
    );
    let found = work.run(pairs)?;
    call.host.check_cancelled()?;
    if !found && after.is_none() && !from.key.is_empty() {
        return Err(missing(from));
    }
    if work.totals.is_good() && !call.arguments.has("dry-run") {
        work.position().clear();
    }
    work.totals.report(after.as_deref())
}

/// What the threads share.
struct Work<'a> {
    copier: Copier<'a>,
    totals: Totals<'a>,
    position: Mutex<Position<'a>>,
    /// Set when nothing more is to be begun.
    stop: AtomicBool,
    jobs: usize,
}

impl<'a> Work<'a> {
    fn position(&self) -> MutexGuard<'_, Position<'a>> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies all pairs, several at a time; tells whether there was any.
    fn run(&self, pairs: Pairs) -> Result<bool> {
        let (sender, receiver) = mpsc::sync_channel::<Pair>(self.jobs);
        let receiver = Mutex::new(receiver);
        let fed = thread::scope(|scope| {
            for _ in 0..self.jobs {
                scope.spawn(|| self.take(&receiver));
            }
            let fed = self.feed(pairs, &sender);
            // The end for those who take.
            drop(sender);
            fed
        });
        if let Err(error) = self.position().save() {
            tracing::debug!("an interrupted copy would begin anew: {error}");
        }
        fed
    }

    fn feed(&self, pairs: Pairs, to: &SyncSender<Pair>) -> Result<bool> {
        let mut found = false;
        for pair in pairs {
            let pair = pair.inspect_err(|_| self.stop.store(true, Ordering::Relaxed))?;
            found = true;
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            self.position().begin(pair.number, pair.object.key.clone());
            if to.send(pair).is_err() {
                break;
            }
        }
        Ok(found)
    }

    fn take(&self, from: &Mutex<Receiver<Pair>>) {
        loop {
            let pair = from.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(pair) = pair else { return };
            if self.stop.load(Ordering::Relaxed) {
                continue;
            }
            let done = self.copier.copy(&pair);
            if is_end(&done) {
                self.stop.store(true, Ordering::Relaxed);
            }
            let good = matches!(done, Ok(Done::Copied(_) | Done::Same));
            self.totals.add(&pair, done);
            self.position().end(pair.number, good);
        }
    }
}

/// Tells whether going on makes no sense: the user wants an end, or no other
/// object can be written either.
fn is_end(done: &Result<Done>) -> bool {
    let kinds = [ErrorKind::CANCELLED, ErrorKind::FULL, ErrorKind::PANIC, ErrorKind::UNSUPPORTED];
    done.as_ref().is_err_and(|error| kinds.contains(&error.kind()))
}

/// A storage and what all keys in it begin with.
type Tree<'a> = (&'a Arc<StorageHandle>, &'a str);
