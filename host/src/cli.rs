//! The command line: what was typed, and where it goes.

mod arguments;
mod external;

use std::{ffi::OsString, io::Write, process::ExitCode};

use clap::{CommandFactory, FromArgMatches, error::ErrorKind};

pub use self::arguments::{
    CedarArgs, Cli, Command, ConfigCommand, GlobalArgs, PluginCommand, PluginNewArgs, RunArgs,
    StatusArgs,
};
use crate::{
    cback3,
    commands::{self, Context},
    failure::{Failure, Kind},
    services::detach,
    worker,
};

/// Runs the program with these arguments, the first being its name.
pub fn main(arguments: &[OsString]) -> ExitCode {
    if arguments.get(1).is_some_and(|it| it == worker::COMMAND) {
        return commands::worker::run();
    }
    if arguments.get(1).is_some_and(|it| it == detach::COMMAND) {
        return commands::detached::run();
    }
    if let Some(call) = cback3::Call::of_arguments(arguments) {
        return cback3::main(&call);
    }
    let linked = external::linked(arguments);
    let arguments = linked.as_deref().unwrap_or(arguments);
    let outcome = match Cli::try_parse_from_arguments(arguments) {
        Ok(Parsed::Own(cli)) => dispatch(&cli),
        Ok(Parsed::Plugin(typed)) => external::run(&typed, arguments),
        Err(Unparsed::Shown(code)) => Ok(code),
        Err(Unparsed::Failed(failure)) => Err(failure),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            // Nobody is left to be told if standard error is closed.
            drop(failure.write(&mut anstream::stderr().lock()));
            external::exit_code(arguments, failure.kind())
        }
    }
}

/// What a command line turned out to be.
enum Parsed {
    Own(Box<Cli>),
    /// The command of a plugin; parsed again once the plugin has described it.
    Plugin(Typed),
}

/// The command of a plugin as it was typed.
struct Typed {
    global: GlobalArgs,
    /// The command's name.
    name: String,
    /// What stands behind the name.
    words: Vec<OsString>,
}

enum Unparsed {
    /// Help, version or a usage error was shown.
    Shown(ExitCode),
    Failed(Failure),
}

impl Cli {
    fn try_parse_from_arguments(arguments: &[OsString]) -> Result<Parsed, Unparsed> {
        let mut command = Self::command().allow_external_subcommands(true);
        match command.try_get_matches_from_mut(arguments) {
            Ok(matches) => {
                if let Some((name, below)) = matches.subcommand()
                    && !command.get_subcommands().any(|it| it.get_name() == name)
                {
                    let global = GlobalArgs::from_arg_matches(&matches).map_err(|e| show(&e))?;
                    let words = below.get_many::<OsString>("").into_iter().flatten();
                    let words = words.cloned().collect();
                    return Ok(Parsed::Plugin(Typed { global, name: name.to_owned(), words }));
                }
                let cli = Self::from_arg_matches(&matches).map_err(|e| show(&e))?;
                Ok(Parsed::Own(Box::new(cli)))
            }
            Err(error) if lists_commands(&error) => Err(external::show_help(arguments)),
            Err(error) => Err(show(&error)),
        }
    }
}

/// The help of the whole program also shows what plugins bring.
fn lists_commands(error: &clap::Error) -> bool {
    let kind = error.kind();
    matches!(kind, ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand)
}

fn show(error: &clap::Error) -> Unparsed {
    if error.exit_code() == 0 {
        // Help, or the version.
        let text = error.render().ansi().to_string();
        return write_out(text.as_bytes()).map_or_else(Unparsed::Failed, Unparsed::Shown);
    }
    // Nobody is left to be told if standard error is closed.
    drop(error.print());
    Unparsed::Failed(Failure::silent(Kind::Usage))
}

fn dispatch(cli: &Cli) -> Result<ExitCode, Failure> {
    match &cli.command {
        Command::Run(args) => commands::run::run(&Context::new(&cli.global)?, args),
        Command::Cback3(_) | Command::Cback3Span(_) | Command::Cback3AmazonS3Sync(_) => {
            let text = "only --now and --plugin-dir can stand before a command of Cedar Backup";
            Err(Failure::new(Kind::Usage, text).hint("put its own switches behind its name"))
        }
        Command::Status(args) => commands::status::run(&Context::new(&cli.global)?, args),
        Command::Config { command } => commands::config::run(&Context::new(&cli.global)?, command),
        Command::Plugin { command } => commands::plugin::run(&Context::new(&cli.global)?, command),
        Command::Completions { shell } => {
            let mut command = external::full_command(&cli.global)?;
            let mut out = Vec::new();
            clap_complete::generate(*shell, &mut command, "hayloft", &mut out);
            write_out(&out)
        }
        Command::Man { directory } => {
            let command = external::full_command(&cli.global)?;
            commands::man::run(command, directory)
        }
    }
}

/// Writes data to standard output.
///
/// # Errors
///
/// If that fails for another reason than a reader that went away.
pub(crate) fn write_out(bytes: &[u8]) -> Result<ExitCode, Failure> {
    crate::log::print(bytes)
        .map(|()| ExitCode::SUCCESS)
        .map_err(|e| Failure::new(Kind::Failed, "cannot write the output").because(&e))
}

/// Writes a value as JSON, or what `text` makes of it, to standard output.
///
/// # Errors
///
/// As [`write_out`].
pub(crate) fn write_json<T: serde::Serialize>(value: &T) -> Result<ExitCode, Failure> {
    let mut json = serde_json::to_vec_pretty(value)
        .map_err(|e| Failure::new(Kind::Failed, "cannot encode the output").because(&e))?;
    json.write_all(b"\n")
        .map_err(|e| Failure::new(Kind::Failed, "cannot write the output").because(&e))?;
    write_out(&json)
}
