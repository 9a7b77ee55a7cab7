//! The actions of a run, one after the other.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use hayloft_plugin_api::{Error, Event, Outcome, Request, Verdict};

use super::{
    Step,
    task::{TaskEnd, attempt},
};
use crate::{
    commands::Context,
    failure::{Failure, Kind},
    history::{ActionRecord, RunRecord, Status},
    setup::Setup,
    worker::protocol::{Done, Task},
};

/// How a run is wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunOptions {
    /// Back everything up, whatever the day.
    pub full: bool,
    /// Change nothing.
    pub dry_run: bool,
    /// How long one action may take.
    pub limit: Option<Duration>,
}

/// Runs the steps in order and tells `each` what came of it. An action that
/// fails does not keep the others from being tried: what must not use its
/// result sees that in the request, and in the indicator files.
///
/// # Errors
///
/// If workers cannot be started, or the configuration's options are wrong.
pub(crate) fn run(
    context: &Context,
    setup: &Setup,
    steps: &[Step],
    options: RunOptions,
    mut each: impl FnMut(&ActionRecord),
) -> Result<RunRecord, Failure> {
    let started = Instant::now();
    let request = super::request(context, setup, "")?;
    let run = Run { context, setup, options, request, collecting: collecting(setup, steps) };
    let mut actions: Vec<ActionRecord> = Vec::new();
    let mut interrupted = false;
    for step in steps {
        let record = if interrupted {
            skipped(step)
        } else {
            let (record, stop) = run.step(step, &actions)?;
            interrupted = stop;
            record
        };
        each(&record);
        actions.push(record);
    }
    Ok(RunRecord {
        run: run.request.run_id,
        started: context.now().rfc3339(),
        started_unix: context.now().unix_seconds(),
        seconds: started.elapsed().as_secs_f64(),
        full: options.full,
        exit_code: exit_code(&actions, interrupted),
        actions,
    })
}

fn exit_code(actions: &[ActionRecord], interrupted: bool) -> u8 {
    let any = |status| actions.iter().any(|it| it.status == status);
    if interrupted {
        Kind::Interrupted.code()
    } else if any(Status::Failed) {
        Kind::Failed.code()
    } else if any(Status::Warnings) {
        Kind::Warnings.code()
    } else {
        0
    }
}

struct Run<'a> {
    context: &'a Context,
    setup: &'a Setup,
    options: RunOptions,
    request: Request,
    /// The names of those that write into the collect directory.
    collecting: BTreeSet<String>,
}

fn collecting(setup: &Setup, steps: &[Step]) -> BTreeSet<String> {
    let collects = |step: &&Step| {
        let action = step.plugin_action.as_deref();
        action.is_ok_and(|it| setup.registry().phase(it) == Some("collect"))
    };
    steps.iter().filter(collects).map(|step| step.name.clone()).collect()
}

/// What came of one action, before it is a record.
enum Came {
    Of(Outcome),
    Failed(Error),
    Interrupted,
}

impl Run<'_> {
    /// Runs one action with its hooks. The flag tells that the user wants an
    /// end.
    fn step(&self, step: &Step, before: &[ActionRecord]) -> Result<(ActionRecord, bool), Failure> {
        let started = Instant::now();
        let _progress = self.context.log().screen().begin(&step.name);
        tracing::info!("action {} begins", step.name);
        let came = match &step.plugin_action {
            Err(error) => Came::Failed(error.clone()),
            Ok(plugin_action) => match self.emit(&self.event("pre_action", step))? {
                Came::Of(_) => self.action(step, plugin_action, before)?,
                stopped => stopped,
            },
        };
        let interrupted = matches!(came, Came::Interrupted);
        let mut record = self.record(step, came);
        let post = self
            .event("post_action", step)
            .field("status", if record.status.is_done() { "ok" } else { "failed" })
            .field("error", record.error.clone().unwrap_or_default());
        if !interrupted && let Came::Failed(error) = self.emit(&post)? {
            record.warnings.push(format!("a hook behind the action failed: {error}"));
            if record.status == Status::Ok {
                record.status = Status::Warnings;
            }
        }
        self.raise(&record)?;
        record.seconds = started.elapsed().as_secs_f64();
        tracing::info!("action {} ended: {}", step.name, record.status.word());
        Ok((record, interrupted))
    }

    fn action(
        &self,
        step: &Step,
        plugin_action: &str,
        before: &[ActionRecord],
    ) -> Result<Came, Failure> {
        let failed = before.iter().filter(|it| !it.status.is_done());
        let failed = failed.filter(|it| self.collecting.contains(&it.action));
        let request = Request {
            action: step.name.clone(),
            full: self.options.full,
            dry_run: self.options.dry_run,
            failed: failed.map(|it| it.action.clone()).collect(),
            ..self.request.clone()
        };
        let task = Task::Action { name: plugin_action.to_owned(), request };
        let limit = self.options.limit.or(step.limit);
        let end = attempt(self.context, &format!("action {}", step.name), task, limit)?;
        Ok(match end {
            TaskEnd::Done(done) => match *done {
                Done::Action(outcome) => Came::Of(outcome),
                other => Came::Failed(Error::msg(format!("a worker answered {other:?}"))),
            },
            TaskEnd::Failed(error) => Came::Failed(error),
            TaskEnd::Interrupted => Came::Interrupted,
        })
    }

    fn event(&self, name: &str, step: &Step) -> Event {
        Event::new(name)
            .field("action", &step.name)
            .field("run", &self.request.run_id)
            .field("full", if self.options.full { "yes" } else { "no" })
    }

    /// Tells hooks of an error or of warnings.
    fn raise(&self, record: &ActionRecord) -> Result<(), Failure> {
        let (name, text) = match (&record.error, record.status) {
            (Some(error), _) => ("on_error", error.clone()),
            (None, Status::Warnings) => ("on_warning", record.warnings.join("\n")),
            _ => return Ok(()),
        };
        let event = Event::new(name)
            .field("action", &record.action)
            .field("run", &self.request.run_id)
            .field("message", text);
        self.emit(&event).map(drop)
    }

    /// Runs the hooks of an event in a worker, if there are any.
    fn emit(&self, event: &Event) -> Result<Came, Failure> {
        let nothing = || Ok(Came::Of(Outcome::default()));
        if self.options.dry_run || self.setup.hooks_for(event).is_empty() {
            return nothing();
        }
        let task = Task::Event { event: event.clone() };
        let what = format!("hooks of {}", event.name);
        Ok(match attempt(self.context, &what, task, self.options.limit)? {
            TaskEnd::Done(done) => match *done {
                Done::Event(Verdict::Veto(reason)) => Came::Failed(Error::msg(reason)),
                _ => return nothing(),
            },
            TaskEnd::Failed(error) => Came::Failed(error),
            TaskEnd::Interrupted => Came::Interrupted,
        })
    }
}

impl Run<'_> {
    /// An error of the configuration says where each of its parts is.
    fn error_text(&self, error: &Error) -> String {
        let file = self.setup.document().path.display();
        let places = error.diagnostics().iter().map(|it| format!("{file}:{it}"));
        let places: Vec<String> = places.collect();
        if places.is_empty() { error.to_string() } else { places.join("\n") }
    }

    fn record(&self, step: &Step, came: Came) -> ActionRecord {
        let empty = skipped(step);
        match came {
            Came::Of(outcome) => ActionRecord {
                status: if outcome.warnings.is_empty() { Status::Ok } else { Status::Warnings },
                summary: outcome.summary,
                warnings: outcome.warnings,
                values: outcome.values,
                ..empty
            },
            Came::Failed(error) => ActionRecord {
                status: Status::Failed,
                error: Some(self.error_text(&error)),
                hint: error.remedy().map(ToOwned::to_owned),
                ..empty
            },
            Came::Interrupted => ActionRecord {
                status: Status::Failed,
                error: Some("interrupted".to_owned()),
                ..empty
            },
        }
    }
}

fn skipped(step: &Step) -> ActionRecord {
    ActionRecord {
        action: step.name.clone(),
        status: Status::Skipped,
        seconds: 0.0,
        summary: String::new(),
        warnings: Vec::new(),
        error: None,
        hint: None,
        values: BTreeMap::new(),
    }
}
