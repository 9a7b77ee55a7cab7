//! The commands `hayloft pg …`.
//!
//! # How to add one
//!
//! 1. Write a module below `commands/` with one constant:
//!
//!    ```text
//!    pub(super) const COMMAND: Subcommand = Subcommand { name: "list", spec, run };
//!
//!    fn spec() -> CommandSpec { … }                  // `name` is filled in
//!    fn run(call: &Call<'_>) -> Result<u8> { … }     // the exit code
//!    ```
//!
//! 2. Declare the module and put the constant into [`COMMANDS`], in the order
//!    in which `hayloft pg --help` is to list them.
//!
//! A command with commands of its own (`pg cluster init`) has a list of them
//! itself: `spec` ends with `..group(BELOW)`, and `run` is
//! `call.enter(BELOW)`. Inside, `call.arguments` are those of all levels.
//!
//! `call.servers` is the section `<postgres_servers>`; it is empty where there
//! is no configuration file, and every command of which that makes sense works
//! then. A command that does need a server asks `call.server(name)`, which
//! says what is missing. Everything else comes from `call.host`, as in any
//! other command.

mod after_edit;
mod backup;
mod backups;
mod check;
mod cluster;
mod conf;
mod drill;
mod expected;
mod hba;
mod ident;
mod place;
pub(crate) mod report;
mod restore;
mod server;
pub(crate) mod snapshot;
mod status;
mod verify;
mod wal;

use hayloft_plugin_api::{
    Argument, Arguments, Command, CommandSpec, Error, ErrorKind, Host, Request, Result,
};

use crate::config::{PostgresServers, Server};

/// All commands, in the order of the help.
const COMMANDS: &[Subcommand] = &[
    check::COMMAND,
    status::COMMAND,
    conf::COMMAND,
    hba::COMMAND,
    ident::COMMAND,
    server::COMMAND,
    snapshot::COMMAND,
    wal::COMMAND,
    backups::list::COMMAND,
    backups::show::COMMAND,
    backups::keep::COMMAND,
    backups::delete::COMMAND,
    backups::expire::COMMAND,
    backup::COMMAND,
    restore::COMMAND,
    verify::COMMAND,
    drill::COMMAND,
    cluster::COMMAND,
];

/// A command below another.
#[derive(Clone, Copy)]
pub(crate) struct Subcommand {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// Describes it; the name is filled in.
    pub(crate) spec: fn() -> CommandSpec,
    /// Does it, and returns the exit code.
    pub(crate) run: fn(&Call<'_>) -> Result<u8>,
}

/// What a command is called with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    /// The services of the program.
    pub(crate) host: &'a Host,
    /// What is asked: the time of now, the run's number.
    pub(crate) request: &'a Request,
    /// What was given on the command line.
    pub(crate) arguments: &'a Arguments,
    /// The configured servers.
    pub(crate) servers: &'a PostgresServers,
    /// How many of the subcommands' names have been used up.
    depth: usize,
}

impl<'a> Call<'a> {
    /// Runs the one of `commands` that the command line names next.
    pub(crate) fn enter(&self, commands: &[Subcommand]) -> Result<u8> {
        let name = self.arguments.subcommands.get(self.depth).map(String::as_str);
        let found = name.and_then(|name| commands.iter().find(|it| it.name == name));
        let Some(command) = found else {
            let known: Vec<&str> = commands.iter().map(|it| it.name).collect();
            let what = name.unwrap_or("nothing");
            return Err(Error::new(ErrorKind::NOT_FOUND, format!("there is no command {what}"))
                .hint(format!("there are: {}", known.join(", "))));
        };
        (command.run)(&Self { depth: self.depth + 1, ..*self })
    }

    /// Finds a configured server; without a name, the only one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`] with those that there are.
    pub(crate) fn server(&self, name: Option<&str>) -> Result<&'a Server> {
        let all = &self.servers.server;
        let known = || all.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(", ");
        match (name, all.as_slice()) {
            (_, []) => Err(Error::new(ErrorKind::NOT_FOUND, "no PostgreSQL server is configured")
                .hint("add <postgres_servers><server> to the configuration")),
            (None, [only]) => Ok(only),
            (None, _) => Err(Error::msg("several servers are configured")
                .hint(format!("name one of them: {}", known()))),
            (Some(name), all) => all.iter().find(|it| it.name == name).ok_or_else(|| {
                Error::new(ErrorKind::NOT_FOUND, format!("no server `{name}` is configured"))
                    .hint(format!("there are: {}", known()))
            }),
        }
    }

    /// Finds the servers that are named; without a name, all active ones.
    ///
    /// # Errors
    ///
    /// If there is none.
    fn chosen(&self) -> Result<Vec<&'a Server>> {
        let named = self.arguments.all("server");
        if !named.is_empty() {
            return named.iter().map(|it| self.server(Some(it))).collect();
        }
        let all = &self.servers.server;
        let active: Vec<&Server> = all.iter().filter(|it| it.active).collect();
        if active.is_empty() && !all.is_empty() {
            let known: Vec<&str> = all.iter().map(|it| it.name.as_str()).collect();
            return Err(Error::msg("no PostgreSQL server is active")
                .hint(format!("name those that are meant: {}", known.join(", "))));
        }
        if active.is_empty() {
            // Says that there is none.
            return self.server(None).map(|only| vec![only]);
        }
        Ok(active)
    }
}

/// The argument that [`Call::chosen`] reads.
fn which_servers() -> Argument {
    Argument::positional("server", "SERVER", "The servers; all active ones if none is named")
        .multiple()
}

/// Returns the exit code that tells more: a failure is worse than a lock, and
/// that than a warning.
fn worse(one: u8, other: u8) -> u8 {
    let rank = |code| [0, 7, 3, 1].iter().position(|it| *it == code);
    if rank(other) > rank(one) { other } else { one }
}

/// The part of a description that lists commands below.
pub(crate) fn group(commands: &[Subcommand]) -> CommandSpec {
    let describe = |it: &Subcommand| CommandSpec { name: it.name.to_owned(), ..(it.spec)() };
    CommandSpec { subcommands: commands.iter().map(describe).collect(), ..CommandSpec::default() }
}

/// The command `hayloft pg`.
#[derive(Debug)]
pub struct Pg {
    servers: PostgresServers,
}

impl Command for Pg {
    type Config = PostgresServers;

    fn spec() -> CommandSpec {
        CommandSpec {
            about: "Look after PostgreSQL servers: checks, clusters, configuration, backups"
                .to_owned(),
            ..group(COMMANDS)
        }
    }

    fn new(servers: PostgresServers) -> Result<Self> {
        servers.check()?;
        Ok(Self { servers })
    }

    fn run(&self, host: &Host, request: &Request, arguments: &Arguments) -> Result<u8> {
        let call = Call { host, request, arguments, servers: &self.servers, depth: 0 };
        call.enter(COMMANDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls `check` with every command, outermost name first.
    fn walk(spec: &CommandSpec, path: &str, check: &mut impl FnMut(&CommandSpec, &str)) {
        check(spec, path);
        for below in &spec.subcommands {
            walk(below, &format!("{path} {}", below.name), check);
        }
    }

    #[test]
    fn every_command_teaches_with_examples() {
        walk(&Pg::spec(), "hayloft pg", &mut |spec, path| {
            assert!(!spec.about.is_empty(), "{path} says nothing about itself");
            if spec.subcommands.is_empty() {
                assert!(spec.after_help.contains(path), "{path} has no example");
            } else {
                assert!(spec.arguments.is_empty(), "{path} takes a command and arguments");
            }
        });
    }

    #[test]
    fn names_are_given_once() {
        walk(&Pg::spec(), "hayloft pg", &mut |spec, path| {
            let mut names: Vec<&str> = spec.subcommands.iter().map(|it| &*it.name).collect();
            names.extend(spec.arguments.iter().map(|it| &*it.name));
            names.sort_unstable();
            let all = names.len();
            names.dedup();
            assert_eq!(names.len(), all, "{path}");
        });
    }
}
