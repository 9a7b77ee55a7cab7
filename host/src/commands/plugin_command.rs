//! Describes and runs commands that plugins bring.

use std::{process::ExitCode, sync::Arc};

use hayloft_plugin_api::{Arguments, CommandSpec, Request};

use super::Context;
use crate::{
    engine::{request, request_without_options, run_task},
    failure::{Failure, Kind},
    setup::Setup,
    worker::protocol::{Done, Task},
};

/// Asks the plugin what its command takes.
pub(crate) fn describe(context: &Context, name: &str) -> Result<CommandSpec, Failure> {
    // A misspelt command gets the list of those that there are.
    context.registry().find("command", name).map_err(|error| {
        Failure::from(error.into_error().context(format!("there is no command `{name}`")))
            .with_kind(Kind::Usage)
            .hint("`hayloft --help` lists the commands, `hayloft plugin list` the plugins")
    })?;
    let task = Task::Describe { name: name.to_owned() };
    match run_task(context, &format!("command {name}"), task, None)? {
        Done::Describe(json) => serde_json::from_str(&json).map_err(|e| {
            Failure::new(Kind::Failed, format!("the plugin of {name} describes nonsense"))
                .because(&e)
        }),
        other => Err(unexpected(&other)),
    }
}

/// Runs the command and returns its exit code.
pub(crate) fn run(
    context: &Context,
    name: &str,
    arguments: &Arguments,
) -> Result<ExitCode, Failure> {
    context.end(call(context, name, arguments)?)
}

/// Runs the command and returns its exit code as a number.
pub(crate) fn call(context: &Context, name: &str, arguments: &Arguments) -> Result<u8, Failure> {
    let (_, request) = prepare(context, name)?;
    let task = Task::Command { name: name.to_owned(), request, arguments: arguments.clone() };
    let _progress = context.log().screen().begin(name);
    match run_task(context, &format!("command {name}"), task, None)? {
        Done::Command(code) => Ok(code),
        other => Err(unexpected(&other)),
    }
}

/// Reads the configuration, if the command needs one, and returns it with what
/// the command is asked.
pub(super) fn prepare<'a>(
    context: &'a Context,
    name: &str,
) -> Result<(&'a Arc<Setup>, Request), Failure> {
    let optional = context.registry().fact("command", name, "configuration") == Some("optional");
    let setup = if optional { context.setup_if_any()? } else { context.setup()? };
    let request = if optional && setup.root().child("options").is_none() {
        request_without_options(context, name)
    } else {
        request(context, setup, name)?
    };
    Ok((setup, request))
}

fn unexpected(done: &Done) -> Failure {
    Failure::new(Kind::Failed, format!("a worker answered something else: {done:?}"))
}
