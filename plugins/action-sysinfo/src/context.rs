//! What every part needs.

use std::{collections::HashSet, path::Path};

use hayloft_dump::{Destination, Meanings, Started, means};
use hayloft_plugin_api::{Error, ErrorKind, Finished, Host, Result};

use crate::section::Config;

const MEANINGS: Meanings = Meanings {
    section: "sysinfo",
    messages: &[
        means("No space left on device", ErrorKind::FULL, "make room"),
        means("ermission denied", ErrorKind::PERMISSION, "run the backup as root"),
        means("peration not permitted", ErrorKind::PERMISSION, "run the backup as root"),
    ],
};

/// What every part needs.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    /// The host.
    pub host: &'a Host,
    /// The section.
    pub config: &'a Config,
    /// Where the files are made.
    pub destination: Destination<'a>,
    /// Whether we are told everything.
    pub is_root: bool,
    /// Whether systemd runs.
    pub has_systemd: bool,
    overridden: HashSet<String>,
}

impl<'a> Context<'a> {
    /// Opens and checks everything that a run needs.
    ///
    /// # Errors
    ///
    /// For the first thing that is missing or wrong.
    pub(crate) fn open(host: &'a Host, config: &'a Config) -> Result<Self> {
        let document = host.document();
        let options = document.child("options").into_iter();
        let overrides = options.flat_map(|it| it.children_named("override"));
        let commands = overrides.filter_map(|it| it.child("command"));
        Ok(Self {
            host,
            config,
            destination: Destination::open(host, config.compress_mode())?,
            is_root: rustix::process::geteuid().is_root(),
            has_systemd: Path::new("/run/systemd/system").is_dir(),
            overridden: commands.map(|it| it.first_text.to_string()).collect(),
        })
    }

    /// Tells whether the configuration says what is to be run instead of a
    /// program.
    pub(crate) fn is_overridden(&self, program: &str) -> bool {
        self.overridden.contains(program)
    }

    /// Starts the first of several programs that is there; `None` if none of
    /// them is.
    ///
    /// # Errors
    ///
    /// If it cannot be started, or one that the configuration names is
    /// missing.
    pub(crate) fn start(&self, names: &[&str], arguments: &[&str]) -> Result<Option<Started>> {
        let chosen: Vec<_> = names.iter().filter(|it| self.is_overridden(it)).take(1).collect();
        let names = if chosen.is_empty() { names.iter().collect() } else { chosen.clone() };
        for name in names {
            let process = self.host.process(name).args(arguments.iter().copied());
            // Tables are not to be cut off at the width of some terminal.
            let process = process.env("COLUMNS", "500").timeout(self.config.timeout());
            match process.spawn() {
                Ok(process) => {
                    return Ok(Some(Started { process, program: (*name).to_owned() }));
                }
                Err(error) if chosen.is_empty() && is_missing(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Fails if a program did not end well.
    ///
    /// # Errors
    ///
    /// What the program said, and what that means.
    pub(crate) fn expect_good_end(program: &str, finished: &Finished) -> Result<()> {
        MEANINGS.of_program(program, finished).map_or(Ok(()), Err)
    }
}

/// Not there, or nothing that can be run.
fn is_missing(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NOT_FOUND | ErrorKind::PERMISSION)
}
