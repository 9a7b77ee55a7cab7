//! Saves facts about the system in the collect directory, so that they are
//! staged and stored with the rest; and shows them as `hayloft facts`.

mod gather;

use std::io::Write;

use hayloft_plugin_api::{
    Action, Arguments, Command, CommandSpec, Error, ErrorKind, Host, Outcome, OutputOptions,
    Request, Result, export_plugin,
};

pub use crate::gather::Config;

/// The action and the command `facts`.
#[derive(Debug)]
pub struct Facts(Config);

impl Action for Facts {
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        config.checked().map(Self)
    }

    fn run(&self, host: &Host, request: &Request) -> Result<Outcome> {
        let directory = host.settings()?.collect_dir.ok_or_else(|| {
            Error::new(ErrorKind::CONFIGURATION, "there is no <collect><collect_dir>")
        })?;
        let path = directory.join("facts.txt");
        if request.dry_run {
            return Ok(Outcome::new(format!("would write {}", path.display())));
        }
        let facts = self.0.gather(host)?;
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
        config.checked().map(Self)
    }

    fn run(&self, host: &Host, _: &Request, _: &Arguments) -> Result<u8> {
        host.print(self.0.gather(host)?).map(|()| 0)
    }
}

export_plugin! {
    id: "facts",
    description: "Saves facts about the system beside what is collected",
    actions: [Facts as "facts" { section: "facts", phase: "collect" }],
    commands: [Facts as "facts" { section: "facts", about: "Show facts about the system" }],
}
