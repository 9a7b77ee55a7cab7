//! The action: plans the dumps, makes them, and sums up.

use hayloft_dump::{Made, default_number, each, sum_up};
use hayloft_plugin_api::{
    Action, Host, Outcome, Request, Result, cedar,
    text::{one_line, size},
};

use crate::{
    context::Context,
    databases, dump,
    plan::{self, Dump},
    section,
    settings::{Settings, Which},
};

/// Dumps databases into the collect directory.
#[derive(Debug)]
pub struct Mysql {
    settings: Settings,
}

impl Action for Mysql {
    type Config = cedar::Mysql;

    fn new(config: cedar::Mysql) -> Result<Self> {
        section::settings(&config).map(|settings| Self { settings })
    }

    fn run(&self, host: &Host, request: &Request) -> Result<Outcome> {
        let context = Context::open(host, &self.settings)?;
        let listed = match self.settings.which {
            Which::AllBut(_) => databases::list(&context)?,
            Which::AllInOne | Which::Named(_) => Vec::new(),
        };
        let dumps = plan::plan(&self.settings, &listed);
        if request.dry_run {
            return Ok(preview(&context, &dumps));
        }
        let mut outcome = outcome(&context, &dumps, make_all(&context, &dumps))?;
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

type Results = Vec<Result<(Made, Vec<String>)>>;

fn make_all(context: &Context<'_>, dumps: &[Dump]) -> Results {
    let at_once = context.settings.parallel.map(|it| it as usize);
    each(dumps, at_once.unwrap_or_else(default_number).max(1), |it| {
        context
            .host
            .check_cancelled()
            .and_then(|()| dump::make(context, it))
            .inspect_err(|_| context.destination.failed(&it.file))
    })
}

fn outcome(context: &Context<'_>, dumps: &[Dump], results: Results) -> Result<Outcome> {
    let mut left_out = Vec::new();
    let made = results.into_iter().map(|it| {
        it.map(|(made, warnings)| {
            left_out.extend(warnings);
            made
        })
    });
    let total = sum_up(dumps.iter().map(|it| it.content.to_string()).zip(made))?;
    let one_file = context.settings.which == Which::AllInOne;
    let what = match dumps.len() {
        _ if one_file => "all databases".to_owned(),
        1 => "1 database".to_owned(),
        number => format!("{number} databases"),
    };
    let mut outcome = Outcome::new(format!("{what}, {}", size(total.stored)))
        .value("databases", if one_file { 0 } else { dumps.len() })
        .value("files", total.files)
        .value("bytes", total.stored)
        .value("dumped_bytes", total.dumped);
    outcome.warnings.append(&mut left_out);
    Ok(outcome)
}
