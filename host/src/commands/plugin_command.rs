//! Describes and runs commands that plugins bring.

use std::process::ExitCode;

use hayloft_plugin_api::{Arguments, CommandSpec};

use super::Context;
use crate::{
    engine::{request, run_task},
    failure::{Failure, Kind},
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
    let setup = context.setup()?;
    let task = Task::Command {
        name: name.to_owned(),
        request: request(context, setup, name)?,
        arguments: arguments.clone(),
    };
    let _progress = context.log().screen().begin(name);
    match run_task(context, &format!("command {name}"), task, None)? {
        Done::Command(code) => Ok(ExitCode::from(code)),
        other => Err(unexpected(&other)),
    }
}

fn unexpected(done: &Done) -> Failure {
    Failure::new(Kind::Failed, format!("a worker answered something else: {done:?}"))
}
