//! Backs up one mailbox into one file, which is a mailbox again.

use std::{ffi::OsStr, io};

use hayloft_dump::{Destination, Made, Sink, unfinished};
use hayloft_plugin_api::{Error, Result};

use crate::{
    choice::Before,
    context::Context,
    earlier,
    extract::{self, Extract, TRIES},
    items::{Due, Item},
    joined::Joined,
    memory::Memory,
};

/// Backs up a mailbox. The file appears whole and durable, or not at all;
/// after that, what is in it is remembered.
///
/// # Errors
///
/// Whatever kept it from being complete.
pub(crate) fn back_up(context: &Context<'_>, item: &Item, due: Due) -> Result<Made> {
    let name = item.path.file_name().unwrap_or(OsStr::new("mailbox"));
    let mut memory = context.memory(item, due)?;
    for _ in 0..TRIES {
        let (made, extract) = match attempt(context, item, &memory, name) {
            Ok(Attempt::Done(it)) => *it,
            Ok(Attempt::Changed) => continue,
            Ok(Attempt::NoEarlier(error)) => {
                context.warn(format!("{item} is backed up without it: {error}"));
                memory.forget_today();
                continue;
            }
            Err(error) => return Err(error),
        };
        if !extract.is_mailbox {
            let path = item.path.display();
            context.warn(format!("{path} is no mailbox; it was backed up as it is"));
        }
        memory.note(name, &extract);
        memory.save(context.host)?;
        tracing::info!("backed up {item}: {} messages, {} bytes", extract.messages, made.stored);
        return Ok(made);
    }
    Err(extract::never_at_rest(&item.path))
}

enum Attempt {
    /// It is done.
    Done(Box<(Made, Extract)>),
    /// The mailbox was changed meanwhile.
    Changed,
    /// The earlier file of today cannot be read.
    NoEarlier(Error),
}

fn attempt(context: &Context<'_>, item: &Item, memory: &Memory, name: &OsStr) -> Result<Attempt> {
    let destination = context.destination(item)?;
    let mut sink = Joined::new(destination.create(&memory.file)?);
    let mut carried = false;
    if memory.adds {
        let earlier = match earlier::open(destination, &memory.file) {
            Ok(earlier) => earlier,
            Err(error) => return Ok(Attempt::NoEarlier(error)),
        };
        if let Some(mut earlier) = earlier {
            if let Err(error) = io::copy(&mut earlier, &mut sink) {
                return Ok(Attempt::NoEarlier(earlier::unusable(error)));
            }
            carried = true;
        }
    }
    let mailbox = context.mailbox(&item.path);
    let before = memory.before(name);
    let Some(extract) = extract::extract(context.host, &mailbox, &before, &mut sink)? else {
        return Ok(Attempt::Changed);
    };
    if carried && !extract.is_mailbox && extract.messages > 0 {
        // Two versions of something else cannot be put behind one another.
        drop(sink);
        return again_whole(context, item, &memory.file, extract);
    }
    let made = commit(destination, &memory.file, sink)?;
    Ok(Attempt::Done(Box::new((made, extract))))
}

fn commit(destination: &Destination<'_>, base: &str, sink: Joined<Sink>) -> Result<Made> {
    let dumped = sink.written();
    let output = sink.into_inner().finish();
    let output = output.map_err(|e| unfinished(&destination.file_name(base), e.into()))?;
    destination.commit(base, output, dumped)
}

fn again_whole(context: &Context<'_>, item: &Item, base: &str, first: Extract) -> Result<Attempt> {
    let destination = context.destination(item)?;
    let mut sink = Joined::new(destination.create(base)?);
    let mailbox = context.mailbox(&item.path);
    let extract = extract::extract(context.host, &mailbox, &Before::Nothing, &mut sink)?;
    if extract.is_none_or(|it| it.taken != first.taken) {
        return Ok(Attempt::Changed);
    }
    Ok(Attempt::Done(Box::new((commit(destination, base, sink)?, first))))
}
