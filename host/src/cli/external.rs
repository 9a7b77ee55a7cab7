//! Commands that plugins bring.

use std::{ffi::OsString, path::Path, process::ExitCode};

use clap::{Arg, ArgAction, ArgMatches, CommandFactory, FromArgMatches};
use hayloft_plugin_api::{Argument, Arguments, CommandSpec};

use super::{Cli, GlobalArgs, Typed, Unparsed, show};
use crate::{
    commands::{Context, in_process, plugin_command},
    failure::{Failure, Kind},
};

/// Parses the command line again, now that the plugin can be asked what its
/// command takes, and runs the command.
pub(super) fn run(typed: &Typed, arguments: &[OsString]) -> Result<ExitCode, Failure> {
    let context = Context::expendable(&typed.global)?;
    let words: Vec<&str> = typed.words.iter().map_while(|it| it.to_str()).collect();
    let fact = |fact| context.registry().fact("command", &typed.name, fact);
    if in_process::lists(fact("in_process"), &words) {
        let high = in_process::lists(fact("high_exit_codes"), &words);
        let spec = in_process::describe(&context, &typed.name)?;
        let Some((global, given)) = parse(&typed.name, &spec, arguments)? else {
            return Ok(ExitCode::SUCCESS);
        };
        // Options behind the name say where the log is, which begins before it.
        if global == typed.global {
            return in_process::run(&context, &typed.name, &given, high);
        }
    }
    let context = context.listening()?;
    let spec = plugin_command::describe(&context, &typed.name)?;
    match parse(&typed.name, &spec, arguments)? {
        Some((global, given)) => plugin_command::run(&Context::new(&global)?, &typed.name, &given),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Parses the command line of a command that is described now; nothing if it
/// asked for help, which was shown.
fn parse(
    name: &str,
    spec: &CommandSpec,
    arguments: &[OsString],
) -> Result<Option<(GlobalArgs, Arguments)>, Failure> {
    let command = Cli::command().subcommand(to_clap(name, spec));
    let matches = match command.try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            return match show(&error) {
                Unparsed::Shown(_) => Ok(None),
                Unparsed::Failed(failure) => Err(failure),
            };
        }
    };
    let Some((_, matches)) = matches.subcommand() else {
        return Err(Failure::new(Kind::Usage, "no command was given"));
    };
    // Global options may stand behind the command's name too.
    let global = GlobalArgs::from_arg_matches(matches)
        .map_err(|e| Failure::new(Kind::Usage, e.to_string()))?;
    let mut given = Arguments { json: global.json, ..Arguments::default() };
    collect(spec, matches, &mut given);
    Ok(Some((global, given)))
}

/// Returns the exit code of a failure: a high one, if a command line names a
/// command of which that is said, however wrong it is otherwise.
pub(super) fn exit_code(arguments: &[OsString], kind: Kind) -> ExitCode {
    let high = leniently(arguments).is_some_and(|global| {
        let Ok(context) = Context::without_configuration(&global) else { return false };
        let registry = context.registry();
        let words: Vec<&str> = arguments.iter().filter_map(|it| it.to_str()).collect();
        registry.names("command").iter().any(|name| {
            let listed = registry.fact("command", name, "high_exit_codes");
            let places = words.iter().enumerate().filter(|(_, word)| *word == name);
            places.map(|(at, _)| &words[at + 1..]).any(|rest| in_process::mentions(listed, rest))
        })
    });
    ExitCode::from(if high { in_process::HIGH + kind.code() } else { kind.code() })
}

/// Reads what holds for all commands, whatever is wrong with the rest.
fn leniently(arguments: &[OsString]) -> Option<GlobalArgs> {
    let matches = Cli::command()
        .allow_external_subcommands(true)
        .disable_help_flag(true)
        .subcommand_required(false)
        .arg_required_else_help(false)
        .ignore_errors(true)
        .try_get_matches_from(arguments);
    GlobalArgs::from_arg_matches(&matches.ok()?).ok()
}

/// A link to the program that has the name of a plugin's command stands for
/// that command: returns the command line that it means.
pub(super) fn linked(arguments: &[OsString]) -> Option<Vec<OsString>> {
    let (called, rest) = arguments.split_first()?;
    let name = Path::new(called).file_name()?.to_str().filter(|it| *it != OUR_NAME)?;
    // What stands before a command is not known yet; the environment is.
    let matches = Cli::command()
        .disable_help_flag(true)
        .subcommand_required(false)
        .arg_required_else_help(false)
        .try_get_matches_from([OUR_NAME])
        .ok()?;
    let context =
        Context::without_configuration(&GlobalArgs::from_arg_matches(&matches).ok()?).ok()?;
    if !context.registry().names("command").contains(&name) {
        return None;
    }
    let command = [OsString::from(OUR_NAME), OsString::from(name)];
    Some(command.into_iter().chain(rest.iter().cloned()).collect())
}

/// What the program is called; a link of this name is nothing special.
const OUR_NAME: &str = "hayloft";

/// Shows the help of the program with the commands of all plugins.
pub(super) fn show_help(arguments: &[OsString]) -> Unparsed {
    // Other words of the command line may be wrong: help is wanted all the same.
    let global = leniently(arguments);
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
