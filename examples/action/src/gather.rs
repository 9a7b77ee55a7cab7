//! The settings, and the programs that they name.

use std::io::Write;

use hayloft_plugin_api::{Error, ErrorKind, Host, Progress, Result};
use serde::Deserialize;

/// The section `<facts>`: any number of `<program>`, each with its arguments
/// behind it, separated by blanks.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    program: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self { program: ["uname -a", "df -P", "id"].map(str::to_owned).to_vec() }
    }
}

impl Config {
    /// Refuses what decodes but cannot be used; the host adds the position.
    pub(crate) fn checked(self) -> Result<Self> {
        if self.program.iter().any(|line| line.trim().is_empty()) {
            return Err(Error::new(ErrorKind::CONFIGURATION, "a <program> is empty"));
        }
        Ok(self)
    }

    /// Runs all programs, and returns what they say.
    pub(crate) fn gather(&self, host: &Host) -> Result<Vec<u8>> {
        let mut facts = Vec::new();
        for (done, line) in self.program.iter().enumerate() {
            host.check_cancelled()?;
            host.progress(Progress {
                what: line,
                done: done as u64,
                total: self.program.len() as u64,
            });
            let mut words = line.split_whitespace();
            let program = words.next().unwrap_or_default();
            writeln!(facts, "$ {line}")?;
            facts.extend(host.process(program).args(words).output()?);
        }
        Ok(facts)
    }
}
