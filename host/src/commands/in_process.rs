//! Commands that must start in milliseconds: no worker is started for them,
//! the process of the program is the command.
//!
//! A plugin names them in its metadata, see `export_plugin!`. What the worker
//! contains elsewhere ends this process here, and only that: a crash is an end
//! by a signal, and a plugin that ends the process before its work is done
//! does not look like success.

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
};

use hayloft_plugin_api::{
    Arguments, CommandSpec,
    shim::client::{plain, to_json},
};

use super::{Context, plugin_command};
use crate::{
    engine,
    failure::{Failure, Kind},
    plugins::PluginError,
    services::host::HostServices,
    worker::{Channel, protocol::Task},
};

/// What is added to the exit code of a failure where the codes of a command
/// that is done have a meaning of their own.
pub(crate) const HIGH: u8 = 200;

/// Tells whether the words behind a command's name begin a command that one of
/// its facts lists, such as `wal push, wal get`.
pub(crate) fn lists(listed: Option<&str>, words: &[&str]) -> bool {
    commands(listed).any(|one| words.starts_with(&one))
}

/// Tells whether the words of such a command are among these, in their order:
/// what stands in between may be options, or mistakes.
pub(crate) fn mentions(listed: Option<&str>, words: &[&str]) -> bool {
    commands(listed).any(|one| {
        let mut rest = words.iter();
        one.iter().all(|word| rest.any(|it| it == word))
    })
}

fn commands(listed: Option<&str>) -> impl Iterator<Item = Vec<&str>> {
    let all = listed.unwrap_or_default().split(',');
    all.map(|one| one.split_whitespace().collect()).filter(|one: &Vec<&str>| !one.is_empty())
}

/// Asks the plugin what its command takes.
pub(crate) fn describe(context: &Context, name: &str) -> Result<CommandSpec, Failure> {
    let guard = Guard::set(Kind::Failed.code());
    let spec = context.registry().command_spec(name).map_err(Failure::from);
    Guard::done(guard);
    spec
}

/// Runs the command and returns its exit code. `high` tells whether its
/// failures have high exit codes.
pub(crate) fn run(
    context: &Context,
    name: &str,
    arguments: &Arguments,
    high: bool,
) -> Result<ExitCode, Failure> {
    let guard = Guard::set(Kind::Failed.code() + if high { HIGH } else { 0 });
    let code = call(context, name, arguments);
    Guard::done(guard);
    context.end(code?)
}

fn call(context: &Context, name: &str, arguments: &Arguments) -> Result<u8, Failure> {
    let (setup, request) = plugin_command::prepare(context, name)?;
    let failed = |error| super::config::failure(Some(setup.document()), error);
    let task = Task::Command { name: name.to_owned(), request, arguments: arguments.clone() };
    let job = engine::job(context, task);
    let entry = setup.registry().find("command", name).map_err(PluginError::into_error)?;
    let channel = Arc::new(Channel::here(context.log(), context.cancelled()));
    let services = HostServices::new(Arc::clone(setup), channel, &entry.metadata().id);
    let node = setup.section_of("command", name).map_err(failed)?;
    let command = setup.registry().command(name, &node).map_err(failed)?;
    let Task::Command { request, arguments, .. } = &job.task else {
        return Err(Failure::new(Kind::Failed, "no command was given"));
    };
    let (request, arguments) =
        (to_json(request).map_err(failed)?, to_json(arguments).map_err(failed)?);
    let services = services.with_job(&job).boxed();
    let code = command.run(services, request.as_str().into(), arguments.as_str().into());
    Ok(u8::try_from(plain(code).map_err(failed)?).unwrap_or(1))
}

/// Keeps foreign code from ending this process as if all was well.
struct Guard;

/// The exit code of a process that ends while a plugin is at work; negative
/// while none is.
static UNFINISHED: AtomicI32 = AtomicI32::new(-1);

impl Guard {
    fn set(code: u8) -> Self {
        UNFINISHED.store(i32::from(code), Ordering::SeqCst);
        #[expect(unsafe_code, reason = "the standard library has no such function")]
        // SAFETY: the function is of the type that the C library calls, touches
        // nothing but a static, and calls only what may be called at that time.
        // Being registered twice, it would do nothing the second time.
        unsafe {
            libc::atexit(at_exit);
        }
        Self
    }

    /// The plugin has answered.
    fn done(_: Self) {
        UNFINISHED.store(-1, Ordering::SeqCst);
    }
}

extern "C" fn at_exit() {
    let code = UNFINISHED.load(Ordering::SeqCst);
    if code >= 0 {
        let text = b"error: a plugin ended the process before its work was done\n";
        // Nobody is left to be told if standard error is closed.
        let _ = rustix::io::write(rustix::stdio::stderr(), text);
        #[expect(unsafe_code, reason = "the way out from here")]
        // SAFETY: `_exit` can be called at any time.
        unsafe {
            libc::_exit(code);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_matched_from_the_beginning_and_whole() {
        let cases = [
            ("wal push, wal get", &["wal", "get", "main"][..], true),
            ("wal push, wal get", &["wal", "push"], true),
            ("wal push, wal get", &["wal"], false),
            ("wal push, wal get", &["-v", "wal", "push"], false),
            ("wal push, wal get", &["wal", "pushed"], false),
            ("wal", &["wal", "list"], true),
            ("", &["wal"], false),
            (" , ", &["wal"], false),
        ];
        for (listed, words, expected) in cases {
            assert_eq!(lists(Some(listed), words), expected, "{listed} {words:?}");
        }
        assert!(!lists(None, &["wal"]));
    }

    #[test]
    fn a_command_line_that_is_wrong_still_mentions_its_command() {
        let cases = [
            (&["wal", "get", "x"][..], true),
            (&["wal", "--zip", "get"], true),
            (&["wal", "-c", "FILE", "get"], true),
            (&["get", "wal"], false),
            (&["wal", "push"], false),
        ];
        for (words, expected) in cases {
            assert_eq!(mentions(Some("wal get"), words), expected, "{words:?}");
        }
    }
}
