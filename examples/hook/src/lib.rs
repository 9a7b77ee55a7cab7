//! Appends each event to a file, as a line of JSON, and vetoes some.

use std::{fs::OpenOptions, io::Write, path::PathBuf};

use hayloft_plugin_api::{Error, Event, Hook, Result, Verdict, export_plugin};
use serde::Deserialize;

/// The settings: `<file>`, and any number of `<veto>`, each with a reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    file: PathBuf,
    #[serde(default)]
    veto: Vec<Veto>,
}

/// What must not happen: `<veto event="pre_action">it is Sunday</veto>`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Veto {
    #[serde(rename = "@event")]
    event: String,
    #[serde(rename = "$text")]
    reason: String,
}

/// The hook `journal`.
#[derive(Debug)]
pub struct Journal(Config);

impl Hook for Journal {
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        Ok(Self(config))
    }

    fn on_event(&self, event: &Event) -> Result<Verdict> {
        let shown = self.0.file.display();
        let failed = |e| Error::from(e).context(format!("cannot write the journal {shown}"));
        let line = serde_json::to_string(event)? + "\n";
        // One write in append mode: lines of several processes do not mix.
        let mut file =
            OpenOptions::new().append(true).create(true).open(&self.0.file).map_err(failed)?;
        file.write_all(line.as_bytes()).map_err(failed)?;
        let veto = self.0.veto.iter().find(|it| it.event == event.name);
        Ok(veto.map_or(Verdict::Continue, |it| Verdict::Veto(it.reason.clone())))
    }
}

export_plugin! {
    id: "journal",
    description: "Keeps a journal of events, and vetoes those that must not happen",
    hooks: [Journal as "journal"],
}
