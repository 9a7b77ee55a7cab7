//! Commands that a plugin brings to the command line.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Host, Request};
use crate::{config::Configuration, error::Result};

/// A command of the command line, such as `hayloft restore`.
///
/// The plugin describes it, the host parses the command line, offers help,
/// completion and a man page, and calls.
pub trait Command: Sized + Send + Sync + 'static {
    /// The section that the command reads; the same as its action's.
    type Config: Configuration;

    /// Describes the command. Called without a configuration.
    fn spec() -> CommandSpec;

    /// Creates it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`](crate::ErrorKind::CONFIGURATION) for a
    /// value that decodes but cannot be used.
    fn new(config: Self::Config) -> Result<Self>;

    /// Does it, and returns the exit code: 0 for done, 7 for done with
    /// warnings. What scripts read goes through [`Host::print`].
    ///
    /// # Errors
    ///
    /// Whatever kept it from doing all of it; the exit code is then 1.
    fn run(&self, host: &Host, request: &Request, arguments: &Arguments) -> Result<u8>;
}

/// A command with its arguments and subcommands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CommandSpec {
    /// The name; empty for the outermost, whose name is in the metadata.
    pub name: String,
    /// One line of help.
    pub about: String,
    /// The long help, shown by `--help` instead of `about`.
    pub long_about: String,
    /// What can be given, positional ones in their order.
    pub arguments: Vec<Argument>,
    /// Commands below this one. If there are any, one must be given.
    pub subcommands: Vec<CommandSpec>,
    /// Examples and notes, shown at the end of `--help`.
    pub after_help: String,
}

/// An argument of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Argument {
    /// The name: `--name` of an option, the name in [`Arguments`].
    pub name: String,
    /// The one-letter form.
    pub short: Option<char>,
    /// What it means.
    pub help: String,
    /// The name of the value in the help; empty for a flag without one.
    pub value_name: String,
    /// Whether it is given by its place, not by its name.
    pub positional: bool,
    /// Whether it must be given.
    pub required: bool,
    /// Whether it can be given several times.
    pub multiple: bool,
    /// The values allowed; empty for any.
    pub choices: Vec<String>,
}

impl Argument {
    /// Describes a flag, `--name`.
    pub fn flag(name: &str, help: &str) -> Self {
        Self { name: name.to_owned(), help: help.to_owned(), ..Self::default() }
    }

    /// Describes an option with a value, `--name VALUE`.
    pub fn option(name: &str, value_name: &str, help: &str) -> Self {
        Self { value_name: value_name.to_owned(), ..Self::flag(name, help) }
    }

    /// Describes an argument that is given by its place.
    pub fn positional(name: &str, value_name: &str, help: &str) -> Self {
        Self { positional: true, ..Self::option(name, value_name, help) }
    }

    /// Adds the one-letter form.
    #[must_use]
    pub fn short(mut self, letter: char) -> Self {
        self.short = Some(letter);
        self
    }

    /// Makes it one that must be given.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Lets it be given several times.
    #[must_use]
    pub fn multiple(mut self) -> Self {
        self.multiple = true;
        self
    }

    /// Allows only these values.
    #[must_use]
    pub fn choices(mut self, values: &[&str]) -> Self {
        self.choices = values.iter().map(ToString::to_string).collect();
        self
    }
}

/// What was given on the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arguments {
    /// The names of the subcommands, outermost first.
    pub subcommands: Vec<String>,
    /// The values of each argument that was given; a flag has one empty value.
    pub values: BTreeMap<String, Vec<String>>,
    /// Whether the user asked for JSON.
    pub json: bool,
}

impl Arguments {
    /// Tells whether a flag or option was given.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Returns the last value of an argument.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.last().map(String::as_str)
    }

    /// Returns all values of an argument.
    pub fn all(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }
}
