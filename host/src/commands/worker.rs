//! The other side of `worker`: this process is a worker.

use std::{
    path::Path,
    process::ExitCode,
    sync::{Arc, atomic::Ordering},
};

use hayloft_plugin_api::{
    Error, ErrorKind, Result,
    config::Diagnostic,
    shim::client::{plain, to_json},
};

use super::{context, run::workers};
use crate::{
    config::Document,
    lock::Lock,
    log,
    plugins::{Pinned, PluginError, Registry, SearchRules},
    services::{
        hooks,
        host::{HostServices, entering},
    },
    setup::Setup,
    worker::{
        Channel,
        protocol::{Done, Job, Message, Task},
    },
};

/// Reads a job, does it, and reports.
pub(crate) fn run() -> ExitCode {
    let (channel, job) = match Channel::open() {
        Ok((channel, job)) => (Arc::new(channel), job),
        Err(error) => {
            eprint(&format!("this command is for the program itself: {error}"));
            return ExitCode::from(2);
        }
    };
    let forward = Arc::clone(&channel);
    let forward = move |record| forward.send(&Message::Log(record));
    log::install_forwarding(Box::new(forward), &job.log_filter);
    let done = work(&job, &channel).unwrap_or_else(|error| Done::Failed(error.into()));
    channel.send(&Message::Done(Box::new(done)));
    ExitCode::SUCCESS
}

#[expect(clippy::print_stderr, reason = "there is no parent to tell")]
fn eprint(text: &str) {
    eprintln!("error: {text}");
}

fn work(job: &Job, channel: &Arc<Channel>) -> Result<Done> {
    let setup = Arc::new(open_setup(job)?);
    match &job.task {
        Task::Action { name, request } => {
            let services = enter(&setup, channel, "action", name)?;
            let action = setup.action(name)?;
            let _at_work = announce(&setup, channel)?;
            let request = to_json(request)?;
            let outcome = plain(action.run(services.boxed(), request.as_str().into()))?;
            Ok(Done::Action(serde_json::from_str(&outcome)?))
        }
        Task::Event { event, strict } => {
            use hayloft_plugin_api::Verdict;
            match hooks::emit(&setup, event, *strict, channel.cancelled()) {
                Ok(()) => Ok(Done::Event(Verdict::Continue)),
                Err(error) if error.kind() == ErrorKind::VETOED => {
                    Ok(Done::Event(Verdict::Veto(error.to_string())))
                }
                Err(error) => Err(error),
            }
        }
        Task::Command { name, request, arguments } => {
            let services = enter(&setup, channel, "command", name)?.with_job(job);
            let node = setup.section_of("command", name)?;
            let command = setup.registry().command(name, &node)?;
            let (request, arguments) = (to_json(request)?, to_json(arguments)?);
            let code =
                command.run(services.boxed(), request.as_str().into(), arguments.as_str().into());
            Ok(Done::Command(u8::try_from(plain(code)?).unwrap_or(1)))
        }
        Task::Check => {
            let found: Vec<Diagnostic> = setup.check_plugins();
            Ok(Done::Check(found.into_iter().map(Into::into).collect()))
        }
        Task::Verify { file } => verify(file).map(Done::Verify),
        Task::Describe { name } => {
            enter(&setup, channel, "command", name)?;
            Ok(Done::Describe(to_json(&setup.registry().command_spec(name)?)?))
        }
    }
}

/// Keeps the next run away as long as this one writes, even if the program
/// that started it is killed. A run has made the file; `validate` is none, and
/// writes nothing.
fn announce(setup: &Setup, channel: &Channel) -> Result<Option<Lock>> {
    let lock = match Lock::announce(&workers(&setup.settings()?.working_dir)) {
        Ok(lock) => Some(lock),
        Err(error) => {
            tracing::debug!("{error}");
            None
        }
    };
    if channel.cancelled().load(Ordering::Relaxed) {
        return Err(Error::new(ErrorKind::CANCELLED, "interrupted"));
    }
    Ok(lock)
}

fn verify(file: &Path) -> Result<Vec<String>> {
    let mut registry = Registry::new().contained(true);
    let file = Pinned { path: file.to_owned(), sha256: None };
    registry.discover(&SearchRules { files: vec![file], ..SearchRules::default() });
    let mut loaded = Vec::new();
    for entry in registry.entries().iter().filter(|it| it.path().is_some()) {
        registry.verify(entry).map_err(PluginError::into_error)?;
        loaded.push(entry.metadata().id.clone());
    }
    Ok(loaded)
}

/// Tells the parent whose code is to run next.
fn enter(
    setup: &Arc<Setup>,
    channel: &Arc<Channel>,
    kind: &str,
    name: &str,
) -> Result<HostServices> {
    let entry = setup.registry().find(kind, name).map_err(PluginError::into_error)?;
    let metadata = entry.metadata();
    channel.send(&entering(&metadata.id, &metadata.version));
    Ok(HostServices::new(Arc::clone(setup), Arc::clone(channel), &metadata.id))
}

fn open_setup(job: &Job) -> Result<Setup> {
    let place = context::Place { plugin_dirs: &job.plugin_dirs, contained: true };
    match &job.configuration {
        Some(path) => {
            context::load_setup(path, &place).map_err(|failure| Error::msg(failure.to_string()))
        }
        None => Ok(Setup::new(Document::none(), context::find_plugins(None, &place))),
    }
}
