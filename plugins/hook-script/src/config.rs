//! The plugin's own elements in `<hook>`.

use hayloft_plugin_api::{Error, ErrorKind, Result, config::Duration};
use serde::Deserialize;

use crate::words;

/// What can be set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Config {
    /// The program with its arguments, split at blanks as Cedar Backup does;
    /// `"…"` keeps blanks. With `<argument>` it is the program alone.
    pub command: String,
    /// The arguments, each exactly as it is written.
    #[serde(default)]
    pub argument: Vec<String>,
    /// How long the program may run before it is ended; a day if it is not
    /// given.
    #[serde(default = "a_day")]
    pub timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { command: String::new(), argument: Vec::new(), timeout: a_day() }
    }
}

fn a_day() -> Duration {
    Duration(std::time::Duration::from_hours(24))
}

impl Config {
    /// Returns the program and its arguments.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`] if there is no program, or no time.
    pub(crate) fn arguments(&self) -> Result<Vec<String>> {
        let wrong = |message: String| Err(Error::new(ErrorKind::CONFIGURATION, message));
        if self.timeout.get().is_zero() {
            return wrong("timeout is zero: the program could never run".to_owned());
        }
        let arguments = if self.argument.is_empty() {
            words::split(&self.command).map_err(|problem| {
                Error::new(ErrorKind::CONFIGURATION, format!("command {problem}"))
            })?
        } else {
            [std::slice::from_ref(&self.command), &self.argument].concat()
        };
        if arguments.iter().any(|it| it.contains('\0')) {
            return wrong("command contains NUL".to_owned());
        }
        match arguments.first() {
            Some(program) if !program.is_empty() => Ok(arguments),
            _ => wrong("command names no program".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_becomes_a_program_and_its_arguments() {
        type Case = (&'static str, &'static [&'static str], Result<&'static str, &'static str>);
        let cases: [Case; 7] = [
            ("/bin/check -a", &[], Ok("/bin/check|-a")),
            ("/my tools/check", &["a b", ""], Ok("/my tools/check|a b|")),
            ("", &[], Err("command names no program")),
            ("  ", &[], Err("command names no program")),
            ("\"\" x", &[], Err("command names no program")),
            ("x \"y", &[], Err("command has a quote that is not closed")),
            ("x\0", &["y"], Err("command contains NUL")),
        ];
        for (command, argument, expected) in cases {
            let config = Config {
                command: command.to_owned(),
                argument: argument.iter().map(ToString::to_string).collect(),
                ..Config::default()
            };
            let found = config.arguments().map(|it| it.join("|")).map_err(|e| e.to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{command:?}");
        }
        let hasty = Config {
            command: "x".to_owned(),
            timeout: Duration(std::time::Duration::ZERO),
            ..Config::default()
        };
        assert_eq!(hasty.arguments().unwrap_err().kind(), ErrorKind::CONFIGURATION);
    }
}
