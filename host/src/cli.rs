//! The command line: what was typed, and where it goes.

mod arguments;
mod external;

use std::{ffi::OsString, io::Write, process::ExitCode};

use clap::{CommandFactory, FromArgMatches, error::ErrorKind};

pub use self::arguments::{
    Cli, Command, ConfigCommand, GlobalArgs, PluginCommand, PluginNewArgs, RunArgs, StatusArgs,
};
use crate::{
    commands::{self, Context},
    failure::{Failure, Kind},
    worker,
};

/// Runs the program with these arguments, the first being its name.
pub fn main(arguments: &[OsString]) -> ExitCode {
    if arguments.get(1).is_some_and(|it| it == worker::COMMAND) {
        return commands::worker::run();
    }
    let outcome = match Cli::try_parse_from_arguments(arguments) {
        Ok(Parsed::Own(cli)) => dispatch(&cli),
        Ok(Parsed::Plugin(global)) => external::run(&global, arguments),
        Err(Unparsed::Shown(code)) => return code,
        Err(Unparsed::Failed(failure)) => Err(failure),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            // Nobody is left to be told if standard error is closed.
            drop(failure.write(&mut anstream::stderr().lock()));
            failure.exit_code()
        }
    }
}

/// What a command line turned out to be.
enum Parsed {
    Own(Box<Cli>),
    /// The command of a plugin; parsed again once the plugin has described it.
    Plugin(GlobalArgs),
}

enum Unparsed {
    /// Help, version or a usage error was shown.
    Shown(ExitCode),
    Failed(Failure),
}

impl Cli {
    fn try_parse_from_arguments(arguments: &[OsString]) -> Result<Parsed, Unparsed> {
        let command = Self::command().allow_external_subcommands(true);
        match command.try_get_matches_from(arguments) {
            Ok(matches) => {
                let own = matches.subcommand_name().is_some_and(|name| {
                    Self::command().get_subcommands().any(|it| it.get_name() == name)
                });
                if !own {
                    let global = GlobalArgs::from_arg_matches(&matches).map_err(|e| show(&e))?;
                    return Ok(Parsed::Plugin(global));
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
    // Help goes to standard output, a usage error to standard error.
    drop(error.print());
    let code = u8::try_from(error.exit_code()).unwrap_or(Kind::Usage.code());
    Unparsed::Shown(ExitCode::from(code))
}

fn dispatch(cli: &Cli) -> Result<ExitCode, Failure> {
    match &cli.command {
        Command::Run(args) => commands::run::run(&Context::new(&cli.global)?, args),
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
