//! Saves facts about the system in the collect directory, so that they are
//! staged and stored with the rest; and shows them as `hayloft facts`.

use std::io::Write;

use hayloft_plugin_api::{Action, Arguments, Command, CommandSpec, Error, ErrorKind, Host};
use hayloft_plugin_api::{Outcome, OutputOptions, Progress, Request, Result, export_plugin};

/// The section `<facts>`: any number of `<program>`, each with its arguments
/// behind it, separated by blanks.
#[derive(Debug, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    program: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self { program: ["uname -a", "df -P", "id"].map(str::to_owned).to_vec() }
    }
}

/// The action and the command `facts`.
#[derive(Debug)]
pub struct Facts(Config);

impl Facts {
    /// Runs all programs, and returns what they say.
    fn gather(&self, host: &Host) -> Result<Vec<u8>> {
        let mut facts = Vec::new();
        for (done, line) in (0..).zip(&self.0.program) {
            host.check_cancelled()?;
            host.progress(Progress { what: line, done, total: self.0.program.len() as u64 });
            let mut words = line.split_whitespace();
            writeln!(facts, "$ {line}")?;
            facts.extend(host.process(words.next().unwrap_or_default()).args(words).output()?);
        }
        Ok(facts)
    }
}

impl Action for Facts {
    type Config = Config;

    /// Refuses what decodes but cannot be used; the host adds the position.
    fn new(config: Config) -> Result<Self> {
        let empty = config.program.iter().any(|line| line.trim().is_empty());
        let refused = || Error::new(ErrorKind::CONFIGURATION, "a <program> is empty");
        (!empty).then_some(Self(config)).ok_or_else(refused)
    }

    fn run(&self, host: &Host, request: &Request) -> Result<Outcome> {
        let missing = || Error::new(ErrorKind::CONFIGURATION, "there is no <collect><collect_dir>");
        let path = host.settings()?.collect_dir.ok_or_else(missing)?.join("facts.txt");
        if request.dry_run {
            return Ok(Outcome::new(format!("would write {}", path.display())));
        }
        let facts = self.gather(host)?;
        let mut file = host.create(&path, &OutputOptions::default())?;
        file.write_all(&facts)?;
        let bytes = file.commit()?.size;
        Ok(Outcome::new(format!("{bytes} bytes of facts")).value("bytes", bytes))
    }
}

impl Command for Facts {
    type Config = Config;

    fn spec() -> CommandSpec {
        CommandSpec { about: "Show facts about the system".to_owned(), ..CommandSpec::default() }
    }

    fn new(config: Config) -> Result<Self> {
        Action::new(config)
    }

    fn run(&self, host: &Host, _: &Request, _: &Arguments) -> Result<u8> {
        host.print(self.gather(host)?).map(|()| 0)
    }
}

export_plugin! {
    id: "facts",
    description: "Saves facts about the system beside what is collected",
    actions: [Facts as "facts" { section: "facts", phase: "collect" }],
    commands: [Facts as "facts" { section: "facts", about: "Show facts about the system" }],
}
