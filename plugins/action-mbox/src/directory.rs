//! Backs up the mailboxes of a directory into one tar file.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, BufWriter, Write},
    os::unix::ffi::OsStrExt,
    path::PathBuf,
};

use hayloft_dump::{Made, Scratch, unfinished};
use hayloft_plugin_api::{Error, ErrorKind, Result, text::one_line};

use crate::{
    archive::{self, Member},
    context::Context,
    earlier,
    extract::{self, Extract, TRIES},
    items::{Due, Item},
    joined::Joined,
    listing::{self, Exclusions},
    memory::Memory,
};

/// How many names a warning has.
const SHOWN: usize = 5;

/// Backs up a directory of mailboxes. The file appears whole and durable, or
/// not at all; after that, what is in it is remembered.
///
/// # Errors
///
/// Whatever kept it from being complete; [`ErrorKind::INCOMPLETE`] if some
/// mailboxes could not be read, and all others are in the file.
pub(crate) fn back_up(
    context: &Context<'_>,
    item: &Item,
    exclusions: &Exclusions,
    due: Due,
) -> Result<Made> {
    let names = listing::mailboxes(&item.path, exclusions)?;
    let mut memory = context.memory(item, due)?;
    let scratch = context.scratch()?;
    let members = match earlier_members(context, item, &memory, &scratch) {
        Ok(members) => members,
        Err(error) => {
            context.warn(format!("{item} is backed up without it: {error}"));
            memory.forget_today();
            BTreeMap::new()
        }
    };
    let mut work =
        Work { context, item, memory, scratch, members, others: Vec::new(), failed: Vec::new() };
    for (number, name) in names.iter().enumerate() {
        work.mailbox(number, name)?;
    }
    work.finish(names.len())
}

/// Returns what an earlier run of today has made, if it is to stay.
fn earlier_members(
    context: &Context<'_>,
    item: &Item,
    memory: &Memory,
    scratch: &Scratch,
) -> Result<BTreeMap<OsString, Member>> {
    if !memory.adds {
        return Ok(BTreeMap::new());
    }
    match earlier::open(context.destination(item)?, &memory.file)? {
        Some(earlier) => archive::unpack(earlier, scratch).map_err(earlier::unusable),
        None => Ok(BTreeMap::new()),
    }
}

struct Work<'a> {
    context: &'a Context<'a>,
    item: &'a Item,
    memory: Memory,
    scratch: Scratch,
    /// What an earlier run of today has made, and what is made now.
    members: BTreeMap<OsString, Member>,
    /// What is no mailbox.
    others: Vec<String>,
    failed: Vec<Error>,
}

impl Work<'_> {
    fn mailbox(&mut self, number: usize, name: &OsStr) -> Result<()> {
        match self.extract(number, name) {
            Ok((content, extract)) => {
                if !extract.is_mailbox {
                    self.others.push(one_line(name.as_bytes()));
                }
                self.memory.note(name, &extract);
                self.members.insert(name.to_owned(), Member::new(content, &extract.metadata));
                Ok(())
            }
            Err(error) if is_of_all(&error) => Err(error),
            Err(error) => {
                tracing::warn!("{error}");
                self.memory.keep(name);
                self.failed.push(error);
                Ok(())
            }
        }
    }

    fn extract(&self, number: usize, name: &OsStr) -> Result<(PathBuf, Extract)> {
        let mailbox = self.context.mailbox(&self.item.path.join(name));
        let before = self.memory.before(name);
        let mut earlier = self.members.get(name);
        let content = self.scratch.path().join(number.to_string());
        let mut tries = 0;
        while tries < TRIES {
            let failed = |e: io::Error| {
                Error::from(e).context(format!("cannot write {}", content.display()))
            };
            let mut sink = Joined::new(BufWriter::new(File::create(&content).map_err(failed)?));
            if let Some(earlier) = earlier {
                let mut earlier = File::open(&earlier.content).map_err(failed)?;
                io::copy(&mut earlier, &mut sink).map_err(failed)?;
            }
            let found = extract::extract(self.context.host, &mailbox, &before, &mut sink)?;
            match found {
                // Two versions of something else cannot be put behind one
                // another; the new one counts.
                Some(it) if !it.is_mailbox && it.messages > 0 && earlier.is_some() => {
                    earlier = None;
                }
                Some(extract) => {
                    sink.flush().map_err(failed)?;
                    return Ok((content, extract));
                }
                None => tries += 1,
            }
        }
        Err(extract::never_at_rest(&mailbox.path))
    }

    fn finish(self, all: usize) -> Result<Made> {
        let (context, item) = (self.context, self.item);
        if let Some(text) = others(&item.path.display().to_string(), &self.others) {
            context.warn(text);
        }
        let failed = self.failed.len();
        if failed > 0 && failed == all {
            return Err(of_several(&self.failed, all));
        }
        let destination = context.destination(item)?;
        let base = &self.memory.file;
        let file = destination.file_name(base);
        let mut sink = Joined::new(destination.create(base)?);
        archive::pack(&self.members, &mut sink, |_| {
            context.host.check_cancelled().map_err(Error::into_io)
        })
        .map_err(|e| unfinished(&file, e.into()))?;
        let dumped = sink.written();
        let output = sink.into_inner().finish().map_err(|e| unfinished(&file, e.into()))?;
        let made = destination.commit(base, output, dumped)?;
        self.memory.save(context.host)?;
        tracing::info!("backed up {item}: {} mailboxes, {} bytes", all - failed, made.stored);
        if failed > 0 { Err(of_several(&self.failed, all)) } else { Ok(made) }
    }
}

/// Tells whether an error would befall every other mailbox too.
fn is_of_all(error: &Error) -> bool {
    [ErrorKind::CANCELLED, ErrorKind::FULL].contains(&error.kind())
}

fn others(directory: &str, names: &[String]) -> Option<String> {
    let number = names.len();
    let mut list = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if number > SHOWN {
        list.push_str(" and others");
    }
    let what = match number {
        0 => return None,
        1 => "1 file is no mailbox and was".to_owned(),
        number => format!("{number} files are no mailboxes and were"),
    };
    Some(format!("in {directory}, {what} backed up as it is; <exclude> leaves it out: {list}"))
}

/// Makes one error of those of several mailboxes.
fn of_several(failed: &[Error], all: usize) -> Error {
    let number = failed.len();
    let message = format!("{number} of {all} mailboxes could not be backed up");
    let kind = if number == all { failed[0].kind() } else { ErrorKind::INCOMPLETE };
    let hint = failed.iter().find_map(|it| it.remedy()).map(ToOwned::to_owned);
    let texts: Vec<_> = failed.iter().map(ToString::to_string).collect();
    let error = Error::new(kind, texts.join("; ")).context(message);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
