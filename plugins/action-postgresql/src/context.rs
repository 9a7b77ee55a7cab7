//! What every dump of a run needs.

use std::path::Path;

use hayloft_dump::{Destination, Retry, Scratch, Started};
use hayloft_plugin_api::{Error, ErrorKind, Host, Process, Result};

use crate::{
    arguments::{Environment, Target},
    password::{self, Content},
    programs::{self, Programs},
    settings::{Format, Settings},
};

/// What the private directory of a run is named for.
const NAME: &str = "postgresql";

/// What every dump of a run needs.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    /// The host.
    pub host: &'a Host,
    /// The section.
    pub settings: &'a Settings,
    /// How the server is reached.
    pub target: Target,
    /// Which programs are used.
    pub programs: Programs,
    /// Where the files are made, and what they are compressed with.
    pub destination: Destination<'a>,
    /// What is tried again.
    pub retry: Retry,
    /// Where unpacked dumps are made, if there are any.
    scratch: Option<Scratch>,
}

impl<'a> Context<'a> {
    /// Opens and checks everything that a run needs; `dry` leaves the disk
    /// as it is.
    ///
    /// # Errors
    ///
    /// For the first thing that is missing or wrong.
    pub(crate) fn open(host: &'a Host, settings: &'a Settings, dry: bool) -> Result<Self> {
        let destination = Destination::open(host, &settings.compress)?;
        let run = host.settings()?;
        let password = settings.connection.password_file.as_deref();
        let content = password.map(password::read).transpose()?;
        if !dry {
            Scratch::sweep(&run.working_dir, NAME);
        }
        let unpacked = settings.format == Format::Directory && !dry;
        let alone = matches!(content, Some(Content::Password(_)));
        let scratch =
            (unpacked || alone).then(|| Scratch::make(&run.working_dir, NAME)).transpose()?;
        let file = match (&content, &scratch) {
            (Some(Content::Password(it)), Some(scratch)) => Some(password::write(scratch, it)?),
            _ => password.map(Path::to_owned),
        };
        let service = std::env::var_os("PGSERVICE").is_some_and(|it| !it.is_empty());
        let target = Target::new(&settings.connection, service, file.as_deref());
        let programs = Programs::new(&host.document());
        Ok(Self { host, settings, target, programs, destination, retry: Retry::default(), scratch })
    }

    /// Returns the directory for unpacked dumps.
    ///
    /// # Errors
    ///
    /// If none was made, because the configuration needs none.
    pub(crate) fn scratch(&self) -> Result<&Path> {
        let scratch = self.scratch.as_ref().map(Scratch::path);
        scratch.ok_or_else(|| Error::msg("no directory for unpacked dumps was made"))
    }

    /// Starts a program of PostgreSQL.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`] if there is none.
    pub(crate) fn start(
        &self,
        program: &str,
        arguments: &[String],
        environment: &Environment,
    ) -> Result<Started> {
        let mut name = self.programs.locate(program);
        loop {
            match self.spawn(&name, arguments, environment) {
                Ok(process) => return Ok(Started { process, program: name }),
                Err(error) if error.kind() == ErrorKind::NOT_FOUND => {
                    if !self.programs.change(program, &name, None) {
                        return Err(programs::missing(program, error));
                    }
                    name = self.programs.locate(program);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn spawn(
        &self,
        name: &str,
        arguments: &[String],
        environment: &Environment,
    ) -> Result<Process> {
        let mut process = self.host.process(name).args(arguments);
        for (variable, value) in environment {
            process = match value {
                Some(value) => process.env(variable, value),
                None => process.env_remove(variable),
            };
        }
        if let Some(limit) = self.settings.timeout {
            process = process.timeout(limit);
        }
        process.spawn()
    }
}
