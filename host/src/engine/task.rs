//! One task in a worker, and what came of it.

use std::time::Duration;

use hayloft_plugin_api::{Error, ErrorKind, Request};

use crate::{
    commands::Context,
    failure::{Failure, Kind},
    setup::{self, Setup},
    worker::{
        self, Call, End,
        protocol::{Done, Job, Task},
    },
};

/// How a task ended.
#[derive(Debug)]
pub enum TaskEnd {
    /// With a result.
    Done(Box<Done>),
    /// With an error: its own, or that its plugin crashed or took too long.
    Failed(Error),
    /// The user wanted an end.
    Interrupted,
}

/// Runs a task in a worker. `what` names it for the report of a crash, such
/// as `action collect`.
///
/// # Errors
///
/// If no worker can be started.
pub(crate) fn attempt(
    context: &Context,
    what: &str,
    task: Task,
    limit: Option<Duration>,
) -> Result<TaskEnd, Failure> {
    let job = job(context, task);
    let call = Call { job: &job, log: context.log(), cancelled: context.cancelled(), limit };
    let end = worker::run(&call)
        .map_err(|e| Failure::new(Kind::Failed, "cannot start a worker process").because(&e))?;
    let by = |plugin: Option<String>| match plugin {
        Some(plugin) => format!("plugin {plugin}"),
        None => "the worker".to_owned(),
    };
    Ok(match end {
        End::Done(done) => match *done {
            Done::Failed(error) => failed(error.into()),
            done => TaskEnd::Done(Box::new(done)),
        },
        End::Interrupted => TaskEnd::Interrupted,
        End::Crashed { how, plugin } => TaskEnd::Failed(
            Error::msg(format!("{} {how} in {what}", by(plugin)))
                .hint("run it again with -vv for more; report it to the plugin's author"),
        ),
        End::TimedOut { limit, plugin } => TaskEnd::Failed(
            Error::new(
                ErrorKind::TIMED_OUT,
                format!("{} did not end within {} s in {what}", by(plugin), limit.as_secs()),
            )
            .hint("give it more time with --timeout or <action_timeout> in <options>"),
        ),
    })
}

/// Returns what another process of this program is told, so that it works as
/// this one would.
pub(crate) fn job(context: &Context, task: Task) -> Job {
    let path = context.configuration();
    Job {
        configuration: path.exists().then_some(path),
        plugin_dirs: context.global().plugin_dir.clone(),
        log_filter: context.log_filter(),
        task,
        streams: worker::Passed::default(),
    }
}

fn failed(error: Error) -> TaskEnd {
    if error.kind() == ErrorKind::CANCELLED { TaskEnd::Interrupted } else { TaskEnd::Failed(error) }
}

/// Runs a task whose failure is the command's.
pub(crate) fn run_task(
    context: &Context,
    what: &str,
    task: Task,
    limit: Option<Duration>,
) -> Result<Done, Failure> {
    match attempt(context, what, task, limit)? {
        TaskEnd::Done(done) => Ok(*done),
        TaskEnd::Interrupted => Err(Failure::new(Kind::Interrupted, "interrupted")),
        TaskEnd::Failed(error) => {
            let document = context.setup().ok().map(|it| it.document());
            Err(crate::commands::config::failure(document, error))
        }
    }
}

/// Returns what an action or command is asked.
pub(crate) fn request(context: &Context, setup: &Setup, action: &str) -> Result<Request, Failure> {
    let settings = setup
        .settings()
        .map_err(|error| crate::commands::config::failure(Some(setup.document()), error))?;
    let request = request_without_options(context, action);
    let start_of_week = settings.starting_day == Some(request.now.weekday);
    Ok(Request { start_of_week, ..request })
}

/// Returns what a command is asked that works without a configuration.
pub(crate) fn request_without_options(context: &Context, action: &str) -> Request {
    Request {
        action: action.to_owned(),
        full: false,
        start_of_week: false,
        dry_run: false,
        now: context.now().local(),
        run_id: setup::new_run_id(context.now()),
        failed: Vec::new(),
    }
}
