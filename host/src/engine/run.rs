//! The actions of a run, one after the other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use hayloft_plugin_api::{Error, ErrorKind, Event, Outcome, Request, Verdict};

use super::{
    Step, Work, managed,
    task::{TaskEnd, attempt},
};
use crate::{
    commands::Context,
    failure::{Failure, Kind},
    history::{ActionRecord, RunRecord, Status},
    setup::Setup,
    worker::protocol::{Done, Task},
};

/// What a failure means for the rest of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Manner {
    /// The other actions run all the same. The exit codes are ours.
    #[default]
    Hayloft,
    /// It is the end, unless part of the work was done; a hook that fails
    /// behind its action is such a failure too. Exit codes are those of Cedar
    /// Backup.
    Cedar,
}

/// How a run is wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunOptions {
    /// What a failure means.
    pub manner: Manner,
    /// Back everything up, whatever the day.
    pub full: bool,
    /// Change nothing.
    pub dry_run: bool,
    /// How long one action may take.
    pub limit: Option<Duration>,
}

/// Runs the steps in order and tells `each` what came of it. Unless the manner
/// is another, an action that fails does not keep the others from being tried:
/// what must not use its result sees that in the request, and in the indicator
/// files.
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
    let (mut interrupted, mut over) = (false, false);
    for step in steps {
        let record = if over {
            skipped(step)
        } else {
            let (record, stop) = run.step(step, &actions)?;
            interrupted = stop;
            over = stop || options.manner.ends_with(&record);
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
        exit_code: exit_code(options.manner, &actions, interrupted),
        actions,
    })
}

impl Manner {
    /// Tells whether the run is over with this.
    fn ends_with(self, record: &ActionRecord) -> bool {
        self == Self::Cedar && !record.status.is_done() && !record.incomplete
    }
}

fn exit_code(manner: Manner, actions: &[ActionRecord], interrupted: bool) -> u8 {
    /// Cedar Backup's exit code for an action that failed.
    const CEDAR_FAILED: u8 = 6;
    let any = |status| actions.iter().any(|it| it.status == status);
    if interrupted {
        Kind::Interrupted.code()
    } else if manner == Manner::Cedar {
        let missing = any(Status::Failed) || actions.iter().any(|it| it.incomplete);
        if missing { CEDAR_FAILED } else { 0 }
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
    let collects = |step: &&Step| match &step.work {
        Work::Here(Ok(action)) => setup.registry().phase(action) == Some("collect"),
        _ => false,
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
    /// Runs one step. The flag tells that the user wants an end.
    fn step(&self, step: &Step, before: &[ActionRecord]) -> Result<(ActionRecord, bool), Failure> {
        let started = Instant::now();
        let title = step.title();
        let _progress = self.context.log().screen().begin(&title);
        tracing::info!("action {title} begins");
        let (mut record, interrupted) = match &step.work {
            Work::Here(action) => self.here(step, action, before)?,
            Work::There(call) => self.there(step, call),
        };
        self.raise(&record)?;
        record.seconds = started.elapsed().as_secs_f64();
        tracing::info!("action {title} ended: {}", record.status.word());
        Ok((record, interrupted))
    }

    /// Runs an action of this machine with its hooks.
    fn here(
        &self,
        step: &Step,
        plugin_action: &hayloft_plugin_api::Result<String>,
        before: &[ActionRecord],
    ) -> Result<(ActionRecord, bool), Failure> {
        let came = match plugin_action {
            Err(error) => Came::Failed(error.clone()),
            Ok(plugin_action) => match self.emit(&self.event("pre_action", step))? {
                Came::Of(_) => self.action(step, plugin_action, before)?,
                stopped => stopped,
            },
        };
        let mut interrupted = matches!(came, Came::Interrupted);
        let mut record = self.record(step, came);
        if !interrupted {
            match self.emit(&self.end_event(step, &record))? {
                Came::Of(_) => {}
                Came::Failed(error) => self.hook_failed(&mut record, &error),
                Came::Interrupted => {
                    interrupted = true;
                    record = self.record(step, Came::Interrupted);
                }
            }
        }
        Ok((record, interrupted))
    }

    /// Runs an action of another machine. Hooks are for this one.
    fn there(&self, step: &Step, call: &managed::Call) -> (ActionRecord, bool) {
        if self.options.dry_run {
            let outcome = Outcome::new(format!("would run {:?}", call.words));
            return (self.record(step, Came::Of(outcome)), false);
        }
        let limit = self.options.limit.or(step.limit);
        let limit = limit.map(|it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX));
        let came = match managed::run(call, self.setup, limit, self.context.cancelled()) {
            Ok(()) => Came::Of(Outcome::new(format!("done by {}", call.peer))),
            Err(error) if error.kind() == ErrorKind::CANCELLED => Came::Interrupted,
            // One peer must not keep the others from being backed up.
            Err(error) => Came::Failed(error.with_kind(ErrorKind::INCOMPLETE)),
        };
        let interrupted = matches!(came, Came::Interrupted);
        (self.record(step, came), interrupted)
    }

    fn end_event(&self, step: &Step, record: &ActionRecord) -> Event {
        let status = match (record.status.is_done(), record.incomplete) {
            (true, _) => "ok",
            (false, true) => "incomplete",
            (false, false) => "failed",
        };
        self.event("post_action", step)
            .field("status", status)
            .field("error", record.error.clone().unwrap_or_default())
    }

    fn hook_failed(&self, record: &mut ActionRecord, error: &Error) {
        match self.options.manner {
            Manner::Hayloft => {
                record.warnings.push(format!("a hook behind the action failed: {error}"));
                if record.status == Status::Ok {
                    record.status = Status::Warnings;
                }
            }
            Manner::Cedar => {
                record.status = Status::Failed;
                record.incomplete = false;
                record.vetoed = true;
                record.error.get_or_insert_with(|| error.to_string());
                record.causes = chain(error);
            }
        }
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
        let strict = self.options.manner == Manner::Cedar && event.name == "post_action";
        let task = Task::Event { event: event.clone(), strict };
        let what = format!("hooks of {}", event.name);
        let end = attempt(self.context, &what, task, self.options.limit)?;
        Ok(match end {
            // A hook that a signal ended says that it failed.
            _ if self.context.cancelled().load(Ordering::Relaxed) => Came::Interrupted,
            TaskEnd::Done(done) => match *done {
                Done::Event(Verdict::Veto(reason)) => {
                    Came::Failed(Error::new(ErrorKind::VETOED, reason))
                }
                _ => return nothing(),
            },
            TaskEnd::Failed(error) => Came::Failed(error),
            TaskEnd::Interrupted => Came::Interrupted,
        })
    }
}

impl Run<'_> {
    /// Says of an error of the configuration where each of its parts is.
    fn places(&self, error: &Error) -> Vec<String> {
        let file = self.setup.document().path.display();
        error.diagnostics().iter().map(|it| format!("{file}:{it}")).collect()
    }

    fn failed(&self, error: &Error, empty: ActionRecord) -> ActionRecord {
        let places = self.places(error);
        let (text, causes) = if places.is_empty() {
            (error.to_string(), chain(error))
        } else {
            (places.join("\n"), places)
        };
        ActionRecord {
            status: Status::Failed,
            error: Some(text),
            incomplete: error.kind() == ErrorKind::INCOMPLETE,
            vetoed: error.kind() == ErrorKind::VETOED,
            causes,
            hint: error.remedy().map(ToOwned::to_owned),
            ..empty
        }
    }

    fn record(&self, step: &Step, came: Came) -> ActionRecord {
        let empty = skipped(step);
        match came {
            Came::Of(outcome) => ActionRecord {
                status: if outcome.warnings.is_empty() { Status::Ok } else { Status::Warnings },
                summary: outcome.summary,
                warnings: outcome.warnings,
                incomplete: outcome.incomplete,
                values: outcome.values,
                ..empty
            },
            Came::Failed(error) => self.failed(&error, empty),
            Came::Interrupted => ActionRecord {
                status: Status::Failed,
                error: Some("interrupted".to_owned()),
                ..empty
            },
        }
    }
}

/// Returns the message and all causes.
fn chain(error: &Error) -> Vec<String> {
    [&[error.message().to_owned()], error.causes()].concat()
}

fn skipped(step: &Step) -> ActionRecord {
    ActionRecord {
        action: step.title(),
        status: Status::Skipped,
        seconds: 0.0,
        summary: String::new(),
        warnings: Vec::new(),
        incomplete: false,
        vetoed: false,
        causes: Vec::new(),
        error: None,
        hint: None,
        values: BTreeMap::new(),
    }
}
