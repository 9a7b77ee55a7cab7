//! `cback3 validate`.

use std::collections::BTreeSet;

use hayloft_plugin_api::Diagnostic;

use super::{
    actions, code, report, run,
    session::{Ended, Session},
};
use crate::{
    commands::config::findings,
    engine::{self, Step},
    failure::Failure,
    history::{ActionRecord, Status},
    setup::Setup,
};

/// Checks the whole configuration, the sections of all plugins too, and runs
/// the action, which looks whether what is configured is there.
///
/// # Errors
///
/// If no worker can be started.
pub(super) fn run(session: &Session, setup: &Setup, steps: &[Step]) -> Result<Ended, Failure> {
    let (errors, warnings): (Vec<Diagnostic>, Vec<Diagnostic>) =
        findings(&session.context)?.into_iter().partition(Diagnostic::is_error);
    let message = |it: &Diagnostic| run::message(setup, it);
    let mut wrong: Vec<String> = errors.iter().map(message).collect();
    wrong.extend(actions::unusable(setup).iter().flat_map(|it| run::messages(setup, it)));
    let mut doubtful: Vec<String> = warnings.iter().map(message).collect();

    let mut of_action: Option<ActionRecord> = None;
    let take = |record: &ActionRecord| {
        if record.action == "validate" {
            of_action = Some(record.clone());
        } else {
            report::action(record);
        }
    };
    let record = engine::run(&session.context, setup, steps, run::manner(session), take)?;
    let Some(action) = of_action else { return Ok(run::end(session, &record)) };
    if session.is_interrupted() || action.vetoed {
        return Ok(run::end(session, &record));
    }
    let file = setup.document().path.display().to_string();
    if action.status == Status::Failed {
        wrong.extend(action.error.iter().flat_map(|it| it.lines()).map(ToOwned::to_owned));
    }
    doubtful.extend(action.warnings.iter().map(|it| format!("{file}:{it}")));

    say(session, &wrong, "");
    say(session, &doubtful, "Warning: ");
    let ended = verdict(session, wrong.is_empty());
    let elsewhere = record.actions.iter().any(|it| it.action != "validate" && it.incomplete);
    Ok(if wrong.is_empty() && elsewhere { Ended::With(code::FAILED) } else { ended })
}

/// Shows each line once. Both passes may have found the same.
fn say(session: &Session, lines: &[String], prefix: &str) {
    let mut seen = BTreeSet::new();
    for line in lines {
        // The same place and path is the same finding, in other words.
        let place = line.split(": ").next().unwrap_or(line);
        if seen.insert((place, line.rsplit_once(" (").map(|it| it.1))) {
            tell(session, &format!("{prefix}{line}"));
        }
    }
}

/// Says whether the configuration can be used.
pub(super) fn verdict(session: &Session, valid: bool) -> Ended {
    let text = if valid { "Configuration is valid." } else { "Configuration is not valid." };
    tell(session, text);
    Ended::With(if valid { code::DONE } else { code::CONFIGURATION })
}

/// What was asked for must be seen, so it is an error, unless nothing is to be
/// seen.
fn tell(session: &Session, text: &str) {
    if session.options.quiet {
        text.lines().for_each(|line| tracing::info!("{line}"));
    } else {
        report::lines(text);
    }
}
