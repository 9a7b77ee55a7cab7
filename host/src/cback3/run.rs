//! `cback3`.

use hayloft_plugin_api::{Diagnostic, Error};

use super::{
    actions, code, report,
    session::{Ended, Session, misconfigured},
    validate,
};
use crate::{
    commands::run::lock,
    config::check_with,
    engine::{self, Manner, Reach, RunOptions, Step},
    failure::Failure,
    history::{ActionRecord, History, RunRecord},
    setup::Setup,
};

/// Runs the actions of the command line.
pub(super) fn run(session: &Session) -> Ended {
    let setup = match session.setup() {
        Ok(setup) => setup,
        Err(reason) => return misconfigured([reason]),
    };
    let words = session.options.words.iter().map(|it| it.to_string_lossy().into_owned());
    let words: Vec<String> = words.collect();
    let errors = wrong(setup);
    let validates = words.iter().any(|it| it == "validate");
    if !errors.is_empty() {
        let ended = misconfigured(errors);
        if validates {
            validate::verdict(session, false);
        }
        return ended;
    }
    let steps = match steps(session, setup, &words) {
        Ok(steps) => steps,
        Err(error) => return misconfigured(messages(setup, &error)),
    };
    let ended = if validates && !session.options.managed_only {
        validate::run(session, setup, &steps)
    } else {
        execute(session, setup, &steps, &words)
    };
    ended.unwrap_or_else(|failure| session.failed(&failure))
}

fn steps(
    session: &Session,
    setup: &Setup,
    words: &[String],
) -> hayloft_plugin_api::Result<Vec<Step>> {
    let options = &session.options;
    let there = options.managed || options.managed_only;
    let reach = Reach { here: !options.managed_only, there };
    tracing::debug!("Execute local actions: {}", reach.here);
    tracing::debug!("Execute managed actions: {}", reach.there);
    tracing::debug!("Full backup flag is [{}]", options.full);
    actions::steps(setup, words, reach, options.full)
}

/// Returns the errors of the standard sections; those of extensions come up
/// when they run.
pub(super) fn wrong(setup: &Setup) -> Vec<String> {
    let found = check_with(setup.document(), &setup.claims(), &setup.modes());
    found.iter().filter(|it| it.is_error()).map(|it| message(setup, it)).collect()
}

/// Shows where something is wrong, and what to do about it.
pub(super) fn message(setup: &Setup, it: &Diagnostic) -> String {
    let place = format!("{}:{it}", setup.document().path.display());
    match &it.help {
        Some(help) => format!("{place}; {help}"),
        None => place,
    }
}

pub(super) fn messages(setup: &Setup, error: &Error) -> Vec<String> {
    if error.diagnostics().is_empty() {
        let hint = error.remedy().map(|it| format!("; {it}")).unwrap_or_default();
        return vec![format!("{error}{hint}")];
    }
    error.diagnostics().iter().map(|it| message(setup, it)).collect()
}

/// How Cedar Backup runs actions.
pub(super) fn manner(session: &Session) -> RunOptions {
    RunOptions { manner: Manner::Cedar, full: session.options.full, ..RunOptions::default() }
}

fn execute(
    session: &Session,
    setup: &Setup,
    steps: &[Step],
    words: &[String],
) -> Result<Ended, Failure> {
    let working_dir = setup.settings()?.working_dir.clone();
    let _lock = lock(&working_dir, words, &session.context)?;
    let record = engine::run(&session.context, setup, steps, manner(session), report::action)?;
    if let Err(error) = History::new(&working_dir).add(&record) {
        // What was asked for is done all the same.
        tracing::warn!("the run cannot be remembered: {error}");
    }
    Ok(end(session, &record))
}

/// Tells how the run ended.
pub(super) fn end(session: &Session, record: &RunRecord) -> Ended {
    if record.exit_code == code::INTERRUPTED || session.is_interrupted() {
        tracing::error!("Backup interrupted.");
        return Ended::With(code::INTERRUPTED);
    }
    match record.actions.iter().find(|it| is_the_end(it)) {
        Some(last) => {
            let failure = report::failure(last);
            for line in failure.before {
                report::lines(&line);
            }
            session.failed_because(&failure.errors, last.hint.as_slice())
        }
        None => Ended::With(record.exit_code),
    }
}

fn is_the_end(record: &ActionRecord) -> bool {
    record.error.is_some() && !record.incomplete
}
