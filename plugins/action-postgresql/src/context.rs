//! What every dump of a run needs.

use std::path::{Path, PathBuf};

use hayloft_plugin_api::{Error, ErrorKind, Host, Process, Result, Transform};

use crate::{
    arguments::{Environment, Target},
    password::{self, Content},
    programs::{self, Programs},
    scratch::{self, Scratch},
    settings::{Format, Settings},
};

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
    /// Where the files are made.
    pub collect_dir: PathBuf,
    /// What they are compressed with.
    pub compressor: Transform,
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
        let run = host.settings()?;
        let collect_dir = run.collect_dir.ok_or_else(|| {
            Error::new(ErrorKind::CONFIGURATION, "there is no <collect_dir> for the dumps")
                .hint("add a <collect> section with a <collect_dir>")
        })?;
        if !collect_dir.is_dir() {
            let message = format!("<collect_dir> {} is no directory", collect_dir.display());
            return Err(Error::new(ErrorKind::NOT_FOUND, message).hint("create it"));
        }
        let compressor = host.compressor(&settings.compress).map_err(|error| {
            let message = format!("cannot use <compress_mode> `{}`", settings.compress);
            error.context(message)
        })?;
        let password = settings.connection.password_file.as_deref();
        let content = password.map(password::read).transpose()?;
        if !dry {
            scratch::sweep(&run.working_dir);
        }
        let unpacked = settings.format == Format::Directory && !dry;
        let alone = matches!(content, Some(Content::Password(_)));
        let scratch = (unpacked || alone).then(|| Scratch::make(&run.working_dir)).transpose()?;
        let file = match (&content, &scratch) {
            (Some(Content::Password(it)), Some(scratch)) => {
                Some(password::write(scratch.path(), it)?)
            }
            _ => password.map(Path::to_owned),
        };
        let service = std::env::var_os("PGSERVICE").is_some_and(|it| !it.is_empty());
        let target = Target::new(&settings.connection, service, file.as_deref());
        let programs = Programs::new(&host.document());
        Ok(Self { host, settings, target, programs, collect_dir, compressor, scratch })
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

    /// Starts a program of PostgreSQL; returns by which name too.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`] if there is none.
    pub(crate) fn start(
        &self,
        program: &str,
        arguments: &[String],
        environment: &Environment,
    ) -> Result<(Process, String)> {
        let mut name = self.programs.locate(program);
        loop {
            match self.spawn(&name, arguments, environment) {
                Ok(process) => return Ok((process, name)),
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
