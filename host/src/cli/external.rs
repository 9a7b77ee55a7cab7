//! Commands that plugins bring.

use std::{ffi::OsString, process::ExitCode};

use clap::{Arg, ArgAction, ArgMatches, CommandFactory, FromArgMatches};
use hayloft_plugin_api::{Argument, Arguments, CommandSpec};

use super::{Cli, GlobalArgs, Unparsed, show};
use crate::{
    commands::{Context, plugin_command},
    failure::{Failure, Kind},
};

/// Parses the command line again, now that the plugin can be asked what its
/// command takes, and runs the command.
pub(super) fn run(global: &GlobalArgs, arguments: &[OsString]) -> Result<ExitCode, Failure> {
    let context = Context::new(global)?;
    let name = external_name(arguments)?;
    let spec = plugin_command::describe(&context, &name)?;
    let command = Cli::command().subcommand(to_clap(&name, &spec));
    let matches = match command.try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            drop(error.print());
            let code = u8::try_from(error.exit_code()).unwrap_or(Kind::Usage.code());
            return Ok(ExitCode::from(code));
        }
    };
    let Some((_, matches)) = matches.subcommand() else {
        return Err(Failure::new(Kind::Usage, "no command was given"));
    };
    // Global options may stand behind the command's name too.
    let global = GlobalArgs::from_arg_matches(matches)
        .map_err(|e| Failure::new(Kind::Usage, e.to_string()))?;
    let mut given = Arguments { json: global.json, ..Arguments::default() };
    collect(&spec, matches, &mut given);
    plugin_command::run(&Context::new(&global)?, &name, &given)
}

/// The first word that is no option: clap has told that it is no command of
/// ours.
fn external_name(arguments: &[OsString]) -> Result<String, Failure> {
    let command = Cli::command().allow_external_subcommands(true);
    let matches = command.try_get_matches_from(arguments);
    let name = matches.ok().and_then(|it| it.subcommand_name().map(ToOwned::to_owned));
    name.ok_or_else(|| Failure::new(Kind::Usage, "no command was given"))
}

/// Shows the help of the program with the commands of all plugins.
pub(super) fn show_help(arguments: &[OsString]) -> Unparsed {
    // Other words of the command line may be wrong: help is wanted all the same.
    let parsed = Cli::command()
        .allow_external_subcommands(true)
        .disable_help_flag(true)
        .subcommand_required(false)
        .arg_required_else_help(false)
        .ignore_errors(true);
    let global = parsed
        .try_get_matches_from(arguments)
        .ok()
        .and_then(|matches| GlobalArgs::from_arg_matches(&matches).ok());
    let mut command = Cli::command();
    if let Some(context) = global.and_then(|global| Context::without_configuration(&global).ok()) {
        let registry = context.registry();
        for name in registry.names("command") {
            let about = registry.fact("command", name, "about").unwrap_or_default();
            let below = clap::Command::new(name.to_owned()).about(about.to_owned());
            command = command.subcommand(below);
        }
    }
    match command.try_get_matches_from(arguments) {
        Err(error) => show(&error),
        Ok(_) => Unparsed::Failed(Failure::new(Kind::Usage, "no command was given")),
    }
}

/// Returns the whole program, plugins' commands included.
pub(super) fn full_command(global: &GlobalArgs) -> Result<clap::Command, Failure> {
    let context = Context::without_configuration(global)?;
    let mut command = Cli::command();
    for name in context.registry().names("command") {
        let spec = plugin_command::describe(&context, name)?;
        command = command.subcommand(to_clap(name, &spec));
    }
    Ok(command)
}

fn to_clap(name: &str, spec: &CommandSpec) -> clap::Command {
    let mut command = clap::Command::new(name.to_owned()).about(spec.about.clone());
    if !spec.long_about.is_empty() {
        command = command.long_about(spec.long_about.clone());
    }
    if !spec.after_help.is_empty() {
        command = command.after_help(spec.after_help.clone());
    }
    for argument in &spec.arguments {
        command = command.arg(to_clap_argument(argument));
    }
    for subcommand in &spec.subcommands {
        command = command
            .subcommand_required(true)
            .arg_required_else_help(true)
            .subcommand(to_clap(&subcommand.name, subcommand));
    }
    command
}

fn to_clap_argument(argument: &Argument) -> Arg {
    let mut arg =
        Arg::new(argument.name.clone()).help(argument.help.clone()).required(argument.required);
    if !argument.positional {
        arg = arg.long(argument.name.clone());
        if let Some(short) = argument.short {
            arg = arg.short(short);
        }
    }
    if argument.value_name.is_empty() && !argument.positional {
        return arg.action(ArgAction::SetTrue);
    }
    arg = arg.value_name(argument.value_name.clone());
    arg = match (argument.multiple, argument.positional) {
        (true, true) => arg.action(ArgAction::Append).num_args(1..),
        (true, false) => arg.action(ArgAction::Append),
        (false, _) => arg.action(ArgAction::Set),
    };
    if argument.choices.is_empty() {
        return arg;
    }
    arg.value_parser(clap::builder::PossibleValuesParser::new(argument.choices.clone()))
}

fn collect(spec: &CommandSpec, matches: &ArgMatches, given: &mut Arguments) {
    for argument in &spec.arguments {
        let name = argument.name.as_str();
        if argument.value_name.is_empty() && !argument.positional {
            if matches.get_flag(name) {
                given.values.insert(name.to_owned(), vec![String::new()]);
            }
        } else if let Some(values) = matches.get_many::<String>(name) {
            given.values.insert(name.to_owned(), values.cloned().collect());
        }
    }
    if let Some((name, below)) = matches.subcommand()
        && let Some(spec) = spec.subcommands.iter().find(|it| it.name == name)
    {
        given.subcommands.push(name.to_owned());
        collect(spec, below, given);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_plugin_describes_is_parsed() {
        let spec = CommandSpec {
            subcommands: vec![CommandSpec {
                name: "push".to_owned(),
                arguments: vec![
                    Argument::positional("file", "FILE", "what").required().multiple(),
                    Argument::option("level", "N", "how much").short('l').choices(&["1", "2"]),
                    Argument::flag("fast", "quickly"),
                ],
                ..CommandSpec::default()
            }],
            ..CommandSpec::default()
        };
        let parse = |words: &[&str]| {
            let matches = to_clap("wal", &spec).try_get_matches_from(words).ok()?;
            let mut given = Arguments::default();
            collect(&spec, &matches, &mut given);
            Some(given)
        };

        let given = parse(&["wal", "push", "a", "b", "-l", "2", "--fast"]).unwrap();
        assert_eq!(given.subcommands, ["push"]);
        assert_eq!(given.all("file"), ["a", "b"]);
        assert_eq!(given.get("level"), Some("2"));
        assert!(given.has("fast"));
        for words in
            [&["wal"][..], &["wal", "push"], &["wal", "push", "a", "-l", "3"], &["wal", "pull"]]
        {
            assert!(parse(words).is_none(), "{words:?}");
        }
    }
}
