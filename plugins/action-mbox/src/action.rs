//! The action: works out what is due, backs it up, and sums up.

use std::time::Duration;

use hayloft_dump::{Made, sum_up};
use hayloft_plugin_api::{Action, ErrorKind, Host, Outcome, Request, Result, cedar, text::size};

use crate::{
    context::Context,
    directory,
    items::{self, Due, Item, Kind},
    single, stale,
};

/// How long others may have a mailbox locked, if nobody says.
const PATIENCE: Duration = Duration::from_mins(1);

/// Backs up mailboxes into the collect directory.
#[derive(Debug)]
pub struct Mbox {
    items: Vec<Item>,
    patience: Duration,
}

impl Action for Mbox {
    type Config = cedar::Mbox;

    fn new(config: cedar::Mbox) -> Result<Self> {
        let patience = config.lock_timeout.as_ref().map_or(PATIENCE, |it| it.value.get());
        Ok(Self { items: items::items(&config)?, patience })
    }

    fn run(&self, host: &Host, request: &Request) -> Result<Outcome> {
        let context = Context::open(host, request, &self.items, self.patience)?;
        let due: Vec<_> = self.items.iter().map(|it| (it, it.mode.due(context.full))).collect();
        if request.dry_run {
            return preview(&context, &due);
        }
        let mut made = Vec::new();
        for (item, due) in due {
            host.check_cancelled()?;
            match back_up(&context, item, due) {
                None => tracing::info!("{item} is not due: it is backed up weekly"),
                Some(Err(error)) if error.kind() == ErrorKind::CANCELLED => return Err(error),
                Some(result) => made.push((item.to_string(), result)),
            }
            stale::tidy(&context, item);
        }
        let total = sum_up(made)?;
        let mut outcome = Outcome::new(format!("{} files, {}", total.files, size(total.stored)))
            .value("files", total.files)
            .value("bytes", total.stored)
            .value("mail_bytes", total.dumped);
        outcome.warnings = context.into_warnings();
        Ok(outcome)
    }
}

fn back_up(context: &Context<'_>, item: &Item, due: Due) -> Option<Result<Made>> {
    match (due, &item.kind) {
        (Due::Not, _) => None,
        (_, Kind::File) => Some(single::back_up(context, item, due)),
        (_, Kind::Directory(exclusions)) => {
            Some(directory::back_up(context, item, exclusions, due))
        }
    }
}

fn preview(context: &Context<'_>, due: &[(&Item, Due)]) -> Result<Outcome> {
    let mut files = Vec::new();
    for (item, due) in due {
        let file = context.destination(item)?.file_name(&item.file(&context.day, 1));
        let what = match due {
            Due::Not => continue,
            Due::Whole => "all of",
            Due::New => "what is new in",
        };
        tracing::info!("would back up {what} {item} into {file}");
        files.push(file);
    }
    let number = files.len();
    let what = if files.is_empty() { "nothing".to_owned() } else { files.join(", ") };
    Ok(Outcome::new(format!("would write {what}")).value("files", number))
}
