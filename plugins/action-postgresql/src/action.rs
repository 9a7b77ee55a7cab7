//! The action: plans the dumps, makes them, and sums up.

use hayloft_dump::{Made, default_number, each};
use hayloft_plugin_api::{
    Action, Error, ErrorKind, Host, Outcome, Request, Result, cedar,
    text::{one_line, size},
};

use crate::{
    context::Context,
    databases, dump,
    plan::{self, Content, Dump},
    section,
    settings::Settings,
};

/// The longest name of a database, in bytes. The server cuts off the rest,
/// and would dump another database than was asked for.
const LONGEST_NAME: usize = 63;

/// Dumps PostgreSQL databases into the collect directory.
#[derive(Debug)]
pub struct Postgresql {
    settings: Settings,
}

impl Action for Postgresql {
    type Config = cedar::Postgresql;

    fn new(config: cedar::Postgresql) -> Result<Self> {
        section::settings(&config).map(|settings| Self { settings })
    }

    fn run(&self, host: &Host, request: &Request) -> Result<Outcome> {
        let context = Context::open(host, &self.settings, request.dry_run)?;
        let listed = if self.settings.all && !self.settings.is_one_file() {
            databases::list(&context)?
        } else {
            Vec::new()
        };
        let dumps = plan::plan(&self.settings, &listed);
        if request.dry_run {
            return Ok(preview(&context, &dumps));
        }
        let mut outcome = sum_up(&context, &dumps, make_all(&context, &dumps))?;
        for unknown in plan::unknown_exclusions(&self.settings, &listed) {
            let unknown = one_line(unknown);
            outcome = outcome.warning(format!("there is no database `{unknown}` to leave out"));
        }
        Ok(outcome)
    }
}

fn preview(context: &Context<'_>, dumps: &[Dump]) -> Outcome {
    let files: Vec<_> = dumps.iter().map(|it| context.destination.file_name(&it.file)).collect();
    for (dump, file) in dumps.iter().zip(&files) {
        tracing::info!("would dump {} into {file}", dump.content);
    }
    let directory = context.destination.directory().display();
    Outcome::new(format!("would write {} into {directory}", files.join(", ")))
        .value("files", files.len())
}

fn make_all(context: &Context<'_>, dumps: &[Dump]) -> Vec<Result<Made>> {
    let at_once = context.settings.parallel.map(|it| it as usize);
    let at_once = at_once.unwrap_or_else(default_number).max(1);
    each(dumps, at_once, |it| {
        context
            .host
            .check_cancelled()
            .and_then(|()| check_name(it))
            .and_then(|()| dump::make(context, it))
            .inspect_err(|_| it.all_files().for_each(|file| context.destination.failed(file)))
    })
}

fn check_name(dump: &Dump) -> Result<()> {
    match &dump.content {
        Content::Database(name) if name.len() > LONGEST_NAME => {
            let message = format!("its name is longer than {LONGEST_NAME} bytes");
            Err(Error::new(ErrorKind::NOT_FOUND, message).hint("check the <database> elements"))
        }
        _ => Ok(()),
    }
}

fn sum_up(context: &Context<'_>, dumps: &[Dump], made: Vec<Result<Made>>) -> Result<Outcome> {
    let is_database = |it: &&Dump| matches!(it.content, Content::Database(_));
    let databases = dumps.iter().filter(is_database).count();
    let named = dumps.iter().map(|it| it.content.to_string()).zip(made);
    let total = hayloft_dump::sum_up(named)?;
    let what = match databases {
        _ if context.settings.is_one_file() => "all databases".to_owned(),
        1 => "1 database".to_owned(),
        number => format!("{number} databases"),
    };
    Ok(Outcome::new(format!("{what}, {}", size(total.stored)))
        .value("databases", databases)
        .value("files", total.files)
        .value("bytes", total.stored)
        .value("dumped_bytes", total.dumped))
}
