//! What is asked of a session, as arguments on the way to the process that
//! holds it.

use std::{path::PathBuf, time::Duration};

use hayloft_plugin_api::{Argument, Arguments, Error, Result, config};

use super::{Call, source::ENVIRONMENT, source::Source};

/// How long a session may last unless told otherwise: one that was forgotten
/// must not last for ever.
const DEADLINE: Duration = Duration::from_hours(24);
/// How long the end waits for the archive unless told otherwise.
const WAIT: Duration = Duration::from_mins(5);

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) label: String,
    pub(super) output: Option<PathBuf>,
    pub(super) deadline: Option<Duration>,
    pub(super) wait: Duration,
    pub(super) spread: bool,
    /// Whether safe-backup's table is kept, and its defaults hold.
    pub(super) table: bool,
}

/// The arguments of commands that begin a session.
pub(super) fn arguments() -> [Argument; 5] {
    [
        Argument::option("output", "DIR", "Where backup_label and tablespace_map are put")
            .short('o'),
        Argument::option("label", "TEXT", "What the server is to call the backup"),
        Argument::option("deadline", "TIME", "Give it up after so long [default: 24h; 0: never]"),
        Argument::option(
            "wait",
            "TIME",
            "How long the end waits until the WAL is archived [default: 5m]",
        ),
        Argument::flag("spread", "Let the server spread its checkpoint over minutes"),
    ]
}

/// Reads a span of time.
pub(super) fn time(arguments: &Arguments, name: &str) -> Result<Option<Duration>> {
    let Some(text) = arguments.get(name) else { return Ok(None) };
    let time = text.parse::<config::Duration>();
    time.map(|it| Some(it.get())).map_err(|e| Error::msg(format!("--{name}: {e}")))
}

/// Returns the path of an argument, absolute.
pub(super) fn path(arguments: &Arguments, name: &str) -> Result<Option<PathBuf>> {
    arguments.get(name).map(|it| Ok(std::path::absolute(it)?)).transpose()
}

impl Options {
    /// Reads what was typed.
    pub(super) fn read(call: &Call<'_>, server: &str) -> Result<Self> {
        let arguments = call.arguments;
        let usual = || format!("hayloft {server} {}", call.request.run_id);
        Ok(Self {
            label: arguments.get("label").map_or_else(usual, ToOwned::to_owned),
            output: path(arguments, "output")?,
            deadline: Some(time(arguments, "deadline")?.unwrap_or(DEADLINE))
                .filter(|it| !it.is_zero()),
            wait: time(arguments, "wait")?.unwrap_or(WAIT),
            spread: arguments.has("spread"),
            table: arguments.has("table"),
        })
    }

    /// Refuses a label that the server must not get.
    pub(super) fn check(&self) -> Result<()> {
        let label = &self.label;
        if label.is_empty() || label.len() > 1024 || label.chars().any(char::is_control) {
            return Err(Error::msg("the label of the backup cannot be used")
                .hint("it has 1 to 1024 bytes, and no control characters"));
        }
        Ok(())
    }

    /// Returns the arguments for the process that holds the session.
    pub(super) fn for_holder(&self, source: &Source, id: &str, state: &str) -> Arguments {
        let seconds = |it: Duration| format!("{}ms", it.as_millis());
        let values = [
            ("server", Some(source.word())),
            ("id", Some(id.to_owned())),
            ("state-dir", Some(state.to_owned())),
            ("label", Some(self.label.clone())),
            ("output", self.output.as_ref().map(|it| it.to_string_lossy().into_owned())),
            ("deadline", Some(self.deadline.map_or("0".to_owned(), seconds))),
            ("wait", Some(seconds(self.wait))),
            ("spread", self.spread.then(String::new)),
            ("table", self.table.then(String::new)),
        ];
        let values =
            values.into_iter().filter_map(|(name, value)| Some((name.to_owned(), vec![value?])));
        let subcommands = ["snapshot", "hold"].map(ToOwned::to_owned).to_vec();
        Arguments { subcommands, values: values.collect(), json: false }
    }
}

/// Finds the server that was named.
pub(super) fn source(call: &Call<'_>) -> Result<Source> {
    match call.arguments.get("server") {
        Some(ENVIRONMENT) => Ok(Source::Environment(call.arguments.has("table"))),
        name => Ok(Source::Configured(Box::new(call.server(name)?.clone()))),
    }
}
