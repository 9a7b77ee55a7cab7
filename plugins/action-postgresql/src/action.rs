//! The action: plans the dumps, makes them, and sums up.

use hayloft_plugin_api::{Action, Error, ErrorKind, Host, Outcome, Request, Result, cedar};

use crate::{
    context::Context,
    databases,
    dump::{self, Made},
    failure,
    leftover::{self, Leftover},
    names, parallel,
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
            let unknown = names::shown(unknown);
            outcome = outcome.warning(format!("there is no database `{unknown}` to leave out"));
        }
        Ok(outcome)
    }
}

fn preview(context: &Context<'_>, dumps: &[Dump]) -> Outcome {
    let files: Vec<_> = dumps.iter().map(|it| dump::file_name(context, it)).collect();
    for (dump, file) in dumps.iter().zip(&files) {
        tracing::info!("would dump {} into {file}", dump.content);
    }
    let directory = context.collect_dir.display();
    Outcome::new(format!("would write {} into {directory}", files.join(", ")))
        .value("files", files.len())
}

fn make_all(context: &Context<'_>, dumps: &[Dump]) -> Vec<Result<Made>> {
    let at_once = context.settings.parallel.map(|it| it as usize);
    let at_once = at_once.unwrap_or_else(parallel::default_number).max(1);
    parallel::each(dumps, at_once, |it| {
        context
            .host
            .check_cancelled()
            .and_then(|()| check_name(it))
            .and_then(|()| dump::make(context, it))
            .map_err(|error| with_leftover(context, it, error))
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

/// Sees to it that an earlier dump is not taken for the one that failed.
fn with_leftover(context: &Context<'_>, dump: &Dump, error: Error) -> Error {
    let file = dump::file_name(context, dump);
    match leftover::remove_if_staged(&context.collect_dir, &file) {
        Ok(Leftover::Absent) => {}
        Ok(Leftover::Removed) => tracing::info!("removed the earlier {file}; it is staged"),
        Ok(Leftover::Kept) => {
            tracing::warn!("{file} is an earlier dump, kept because it was never staged");
        }
        Err(e) => tracing::warn!("the earlier {file} is still there: {e}"),
    }
    error
}

fn sum_up(context: &Context<'_>, dumps: &[Dump], made: Vec<Result<Made>>) -> Result<Outcome> {
    let (mut sum, mut files, mut databases) = (Made::default(), 0_u32, 0_u32);
    let mut failed = Vec::new();
    for (dump, made) in dumps.iter().zip(made) {
        match made {
            Ok(made) => {
                sum.dumped += made.dumped;
                sum.stored += made.stored;
                files += 1;
                databases += u32::from(matches!(dump.content, Content::Database(_)));
            }
            Err(error) if error.kind() == ErrorKind::CANCELLED => return Err(error),
            Err(error) => failed.push((dump.content.to_string(), error)),
        }
    }
    if let Some(error) = failure::of_several(failed, dumps.len()) {
        return Err(error);
    }
    let what = match databases {
        _ if context.settings.is_one_file() => "all databases".to_owned(),
        1 => "1 database".to_owned(),
        number => format!("{number} databases"),
    };
    Ok(Outcome::new(format!("{what}, {}", size(sum.stored)))
        .value("databases", databases)
        .value("files", files)
        .value("bytes", sum.stored)
        .value("dumped_bytes", sum.dumped))
}

/// Returns a number of bytes for people.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} bytes");
    }
    let mut tenths = bytes / 100;
    let mut unit = 0;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_for_people() {
        let cases = [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (1_000_000, "1.0 MB"),
            (12_345_678_901, "12.3 GB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }
}
