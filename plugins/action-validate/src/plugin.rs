//! The action, as the host sees it.

use std::io::Read;

use hayloft_plugin_api::{
    Action, Diagnostic, Error, ErrorKind, Host, NoConfig, Outcome, Request, Result,
    cedar::{self, Names},
};

use crate::{checks, machine::Machine};

/// Checks the configuration, and that what it speaks of is there.
#[derive(Debug)]
pub struct Validate;

impl Action for Validate {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self> {
        Ok(Self)
    }

    fn run(&self, host: &Host, _: &Request) -> Result<Outcome> {
        let document = host.document();
        let (_, problems) = cedar::read(&document, &Names::any());
        let mut found: Vec<Diagnostic> = problems.into_iter().map(Diagnostic::from).collect();
        found.extend(checks::check(&document, &HostMachine { host }));
        found.sort_by_key(|it| it.position);
        let (errors, warnings): (Vec<_>, Vec<_>) =
            found.into_iter().partition(Diagnostic::is_error);
        if !errors.is_empty() {
            return Err(Error::configuration(errors));
        }
        let outcome = Outcome::new("configuration is valid");
        Ok(warnings.iter().fold(outcome, |outcome, it| outcome.warning(it.to_string())))
    }
}

/// This machine, as far as the host must be asked.
struct HostMachine<'a> {
    host: &'a Host,
}

impl Machine for HostMachine<'_> {
    /// Asks `getent`, which knows every source of users that the machine has.
    fn has(&self, database: &str, name: &str) -> Result<bool> {
        /// What `getent` ends with if there is no such entry.
        const NONE: Option<i32> = Some(2);
        let mut process = self.host.process("getent").args([database, "--", name]).spawn()?;
        process.read_to_end(&mut Vec::new())?;
        let finished = process.wait()?;
        if finished.code == NONE {
            return Ok(false);
        }
        finished.into_result("getent").map(|()| true)
    }

    fn try_storage(&self, name: &str) -> Result<()> {
        match self.host.storage(name)?.list("", "", 1) {
            // A drive takes whole days, and has no objects to list.
            Err(error) if error.kind() == ErrorKind::UNSUPPORTED => Ok(()),
            other => other.map(drop),
        }
    }

    fn try_encoding(&self, kind: &str, name: &str) -> Result<()> {
        match kind {
            "compressor" => self.host.compressor(name).map(drop),
            _ => self.host.encryptor(name).map(drop),
        }
    }

    fn is_root(&self) -> bool {
        rustix::process::geteuid().is_root()
    }
}
