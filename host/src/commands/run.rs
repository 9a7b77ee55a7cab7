//! `hayloft run`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use super::Context;
use crate::{
    cli::{RunArgs, write_json},
    engine::{self, Manner, Reach, RunOptions},
    failure::{Failure, Kind},
    history::{ActionRecord, History, RunRecord, Status},
    lock::{Lock, LockError},
    log::{Screen, one_line},
    services::state::make_private_directory,
    worker::GRACE,
};

pub(crate) fn run(context: &Context, args: &RunArgs) -> Result<ExitCode, Failure> {
    let setup = context.setup()?;
    super::config::refuse_errors(context)?;
    let reach = Reach { here: !args.managed_only, there: args.managed || args.managed_only };
    let steps = engine::plan(setup, &args.actions, reach, args.full)
        .map_err(|error| super::config::failure(Some(setup.document()), error))?;
    let working_dir = setup
        .settings()
        .map_err(|error| super::config::failure(Some(setup.document()), error))?
        .working_dir
        .clone();
    let _lock = lock(&working_dir, &args.actions, context)?;
    let options = RunOptions {
        manner: Manner::Hayloft,
        full: args.full,
        dry_run: args.dry_run,
        limit: args.timeout.map(Duration::from_secs),
    };
    let global = context.global();
    let talkative = !global.quiet && !global.json;
    let record = engine::run(context, setup, &steps, options, |action| {
        if talkative {
            show_action(context.log().screen(), action);
        }
        complain(context, action);
    })?;
    if !args.dry_run {
        History::new(&working_dir).add(&record)?;
    }
    if global.json {
        write_json(&record)?;
    } else if talkative {
        show_end(context.log().screen(), &record);
    }
    context.end(record.exit_code)
}

/// One run at a time in a working directory, which must be there.
pub(crate) fn lock(
    working_dir: &Path,
    actions: &[String],
    context: &Context,
) -> Result<Lock, Failure> {
    if !working_dir.is_dir() {
        let shown = working_dir.display();
        return Err(Failure::new(
            Kind::Configuration,
            format!("the working directory {shown} of <options><working_dir> is not there"),
        )
        .hint(format!("create it, readable by nobody else: install -d -m 700 {shown}")));
    }
    make_private_directory(&working_dir.join("hayloft"))?;
    let what = format!("{} since {}", actions.join(" "), context.now().rfc3339());
    let taken = Lock::take(&working_dir.join("hayloft/lock"), &what).and_then(|lock| {
        // Those of a run that was killed end soon, and then nobody writes any more.
        Lock::await_workers(&workers(working_dir), GRACE * 2).map(|()| lock)
    });
    taken.map_err(|error| {
        let failure = Failure::new(Kind::Unavailable, error.to_string());
        match &error {
            LockError::Held { .. } => {
                failure.hint("wait for it to end, or stop it; the lock ends with the process")
            }
            LockError::Io { source, .. } => failure.because(source),
        }
    })
}

/// The file with which workers say that they are at work.
pub(crate) fn workers(working_dir: &Path) -> PathBuf {
    working_dir.join("hayloft/workers")
}

fn show_action(screen: &Screen, action: &ActionRecord) {
    let took = format!("{:.1} s", action.seconds);
    let summary = match &action.error {
        Some(_) => "see below",
        None => &action.summary,
    };
    let (name, word, summary) = (&action.action, action.status.word(), one_line(summary));
    screen.print(format!("{name:<14} {word:<9} {took:>9}   {summary}\n").as_bytes());
}

/// Errors and warnings go to standard error, even with `--quiet`.
fn complain(context: &Context, action: &ActionRecord) {
    let screen = context.log().screen();
    for warning in &action.warnings {
        screen.say("warning", &format!("{}: {warning}", action.action));
        tracing::debug!("{}: warning: {warning}", action.action);
    }
    if let Some(error) = &action.error {
        screen.say("error", &format!("{}: {error}", action.action));
        tracing::debug!("{}: error: {error}", action.action);
    }
    if let Some(hint) = &action.hint {
        screen.say("hint", hint);
    }
}

fn show_end(screen: &Screen, record: &RunRecord) {
    let count = |status| record.actions.iter().filter(|it| it.status == status).count();
    let failed = count(Status::Failed) + count(Status::Skipped);
    let end = match (failed, count(Status::Warnings)) {
        (0, 0) => "everything done".to_owned(),
        (0, n) => format!("everything done, {n} with warnings"),
        (n, _) => format!("{n} of {} not done", record.actions.len()),
    };
    screen.print(format!("{end} in {:.1} s\n", record.seconds).as_bytes());
}
