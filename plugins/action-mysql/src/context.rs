//! What every dump of a run needs.

use std::{env, path::PathBuf};

use hayloft_dump::{Destination, Retry, Started};
use hayloft_plugin_api::{Error, ErrorKind, Host, Process, Result};

use crate::{
    login::Login,
    programs::{self, Names},
    settings::Settings,
};

/// What every dump of a run needs.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    /// The host.
    pub host: &'a Host,
    /// The section.
    pub settings: &'a Settings,
    /// Where the files are made, and what they are compressed with.
    pub destination: Destination<'a>,
    /// What is tried again.
    pub retry: Retry,
    login: Login,
}

impl<'a> Context<'a> {
    /// Opens and checks everything that a run needs.
    ///
    /// # Errors
    ///
    /// For the first thing that is missing or wrong.
    pub(crate) fn open(host: &'a Host, settings: &'a Settings) -> Result<Self> {
        let destination = Destination::open(host, &settings.compress)?;
        let home = env::var_os("HOME").map(PathBuf::from);
        let login = Login::new(&settings.connection, home.as_deref())?;
        Ok(Self { host, settings, destination, retry: Retry::default(), login })
    }

    /// Starts a program so that it finds the server.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`] if there is none.
    pub(crate) fn start(&self, names: Names, arguments: &[String]) -> Result<Started> {
        let mut first: Option<Error> = None;
        for name in programs::candidates(names, &self.host.document()) {
            match self.spawn(name, arguments) {
                Ok(process) => return Ok(Started { process, program: name.to_owned() }),
                Err(error) if error.kind() == ErrorKind::NOT_FOUND => {
                    first = first.or(Some(error));
                }
                Err(error) => return Err(error),
            }
        }
        let error = first.unwrap_or_else(|| Error::msg("there is no program to start"));
        Err(programs::missing(names, error))
    }

    fn spawn(&self, name: &str, arguments: &[String]) -> Result<Process> {
        let mut process = self.host.process(name).args(self.login.arguments()).args(arguments);
        for (variable, value) in self.login.environment() {
            process = process.env(variable, value);
        }
        if let Some(limit) = self.settings.timeout {
            process = process.timeout(limit);
        }
        process.stdin(self.login.input()).spawn()
    }
}
