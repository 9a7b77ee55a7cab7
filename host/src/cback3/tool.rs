//! `cback3-span` and `cback3-amazons3-sync`: commands that plugins bring.

use hayloft_plugin_api::{Argument, Arguments, CommandSpec};

use super::{
    Program, code, report,
    run::wrong,
    session::{Ended, Session, misconfigured},
};
use crate::{
    commands::plugin_command,
    failure::{Failure, Kind},
};

/// Runs the plugin's command.
pub(super) fn run(session: &Session) -> Ended {
    if session.program == Program::Span {
        let errors = session.setup().map_or_else(|reason| vec![reason], |it| wrong(it));
        if !errors.is_empty() {
            return misconfigured(errors);
        }
    }
    match call(session) {
        _ if session.is_interrupted() => interrupted(),
        Ok(code::DONE | WARNINGS) => Ended::With(code::DONE),
        Ok(_) => Ended::With(code::FAILED),
        Err(failure) => match failure.kind() {
            Kind::Interrupted => interrupted(),
            Kind::Configuration if session.program == Program::Span => {
                misconfigured([failure.chain().join(": ")])
            }
            _ => session.failed(&failure),
        },
    }
}

/// A command's exit code for: done, with warnings.
const WARNINGS: u8 = 7;

fn interrupted() -> Ended {
    report::lines("Backup interrupted.");
    Ended::With(code::INTERRUPTED)
}

fn call(session: &Session) -> Result<u8, Failure> {
    let name = match session.program {
        Program::Sync => "amazons3-sync",
        Program::Cback3 | Program::Span => "span",
    };
    let missing = |failure: Failure| match failure.kind() {
        Kind::Usage => Failure::new(Kind::Failed, format!("no plugin offers the command `{name}`"))
            .hint("`hayloft plugin list` shows the plugins that are found, and where"),
        _ => failure,
    };
    let spec = plugin_command::describe(&session.context, name).map_err(missing)?;
    plugin_command::call(&session.context, name, &arguments(session, &spec))
}

/// Gives the plugin's own arguments the values of Cedar Backup's.
fn arguments(session: &Session, spec: &CommandSpec) -> Arguments {
    let mut given = Arguments::default();
    if session.program != Program::Sync {
        return given;
    }
    let sync = session.options.sync;
    let flags = [
        // Cron mails whatever is printed.
        (true, "nosummary"),
        (sync.verify_only, "verifyonly"),
        (sync.upload_only, "uploadonly"),
        (sync.ignore_warnings, "ignorewarnings"),
    ];
    let plain = |it: &Argument| it.name.to_lowercase().replace(['-', '_'], "");
    for argument in spec.arguments.iter().filter(|it| !it.positional) {
        if flags.iter().any(|(on, name)| *on && plain(argument) == *name) {
            given.values.insert(argument.name.clone(), vec![String::new()]);
        }
    }
    let words = session.options.words.iter().map(|it| it.to_string_lossy().into_owned());
    for (argument, word) in spec.arguments.iter().filter(|it| it.positional).zip(words) {
        given.values.insert(argument.name.clone(), vec![word]);
    }
    given
}
