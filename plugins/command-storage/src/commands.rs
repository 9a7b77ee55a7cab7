//! The commands `hayloft storage …`.

mod check;
mod copy;
mod du;
mod get;
mod list;
mod ls;
mod put;
mod rm;

use hayloft_plugin_api::{
    Arguments, Command, CommandSpec, Configuration, Error, ErrorKind, Host, Node, Request, Result,
    config::Decoded,
};

/// All commands, in the order of the help.
const COMMANDS: &[Subcommand] = &[
    list::COMMAND,
    check::COMMAND,
    ls::COMMAND,
    du::COMMAND,
    get::COMMAND,
    put::COMMAND,
    copy::COMMAND,
    rm::COMMAND,
];

/// A command below `storage`.
#[derive(Clone, Copy)]
struct Subcommand {
    name: &'static str,
    /// Describes it; the name is filled in.
    spec: fn() -> CommandSpec,
    /// Does it, and returns the exit code.
    run: fn(&Call<'_>) -> Result<u8>,
}

/// What a command is called with.
#[derive(Debug, Clone, Copy)]
struct Call<'a> {
    host: &'a Host,
    request: &'a Request,
    arguments: &'a Arguments,
}

impl Call<'_> {
    /// Returns an argument that the command line cannot be without.
    fn needed(&self, name: &str) -> Result<&str> {
        self.arguments.get(name).ok_or_else(|| Error::msg(format!("no {name} was given")))
    }

    /// Reads an argument that is a number.
    fn number(&self, name: &str, lowest: u64, highest: u64) -> Result<Option<u64>> {
        let Some(text) = self.arguments.get(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|it| (lowest..=highest).contains(it));
        number.map(Some).ok_or_else(|| {
            let range = match highest {
                u64::MAX => format!("from {lowest} on"),
                _ => format!("from {lowest} to {highest}"),
            };
            Error::msg(format!("--{name} is a number {range}, not `{text}`"))
        })
    }
}

/// The command `hayloft storage`.
#[derive(Debug)]
pub struct Storages;

/// The commands look at `<storages>`, through the program.
#[derive(Debug, Clone, Copy)]
pub struct AnyConfiguration;

impl Configuration for AnyConfiguration {
    fn decode(_: &Node) -> Decoded<Self> {
        Decoded { value: Some(Self), diagnostics: Vec::new() }
    }
}

impl Command for Storages {
    type Config = AnyConfiguration;

    fn spec() -> CommandSpec {
        let describe = |it: &Subcommand| CommandSpec { name: it.name.to_owned(), ..(it.spec)() };
        CommandSpec {
            about: "Look into storages: check, list, get, put, remove, copy".to_owned(),
            long_about:
                "Looks into the storages of the configuration, and changes what is in them \
                         if asked to. An object is written STORAGE:KEY, such as \
                         offsite:2026/11/17/box/etc.tar.gz; what ends with a slash is everything \
                         below it, and STORAGE: is everything."
                    .to_owned(),
            subcommands: COMMANDS.iter().map(describe).collect(),
            ..CommandSpec::default()
        }
    }

    fn new(_: AnyConfiguration) -> Result<Self> {
        Ok(Self)
    }

    fn run(&self, host: &Host, request: &Request, arguments: &Arguments) -> Result<u8> {
        let name = arguments.subcommands.first().map_or("", String::as_str);
        let command = COMMANDS.iter().find(|it| it.name == name);
        let command = command.ok_or_else(|| {
            Error::new(ErrorKind::NOT_FOUND, format!("there is no command `storage {name}`"))
        })?;
        (command.run)(&Call { host, request, arguments })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_teaches_with_examples() {
        for command in Storages::spec().subcommands {
            let path = format!("hayloft storage {}", command.name);
            assert!(!command.about.is_empty(), "{path} says nothing about itself");
            assert!(!command.long_about.is_empty(), "{path} does not explain itself");
            assert!(command.after_help.contains(&path), "{path} has no example");
        }
    }
}
