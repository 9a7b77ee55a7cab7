//! What ran, when, and how it ended.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::Result;
use serde::{Deserialize, Serialize};

use crate::services::{output, state::make_private_directory};

/// How many runs are remembered.
const KEPT: usize = 500;

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Everything was done.
    Ok,
    /// Everything was done, but somebody should look.
    Warnings,
    /// It was not done.
    Failed,
    /// It was not tried.
    Skipped,
}

impl Status {
    /// Returns the word that people see.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warnings => "warnings",
            Self::Failed => "FAILED",
            Self::Skipped => "skipped",
        }
    }

    /// Tells whether the work was done.
    pub fn is_done(self) -> bool {
        matches!(self, Self::Ok | Self::Warnings)
    }
}

/// What came of one action.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ActionRecord {
    /// Its name in the configuration.
    pub action: String,
    /// How it ended.
    pub status: Status,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// One line for people.
    pub summary: String,
    /// What somebody should look at.
    pub warnings: Vec<String>,
    /// Whether it was done in part: what failed, or what the warnings speak
    /// of, is missing, and what there is is good.
    #[serde(default)]
    pub incomplete: bool,
    /// Whether a hook is why it failed; not remembered.
    #[serde(skip)]
    pub vetoed: bool,
    /// Why it failed.
    pub error: Option<String>,
    /// The same in its parts, what caused it last; not remembered.
    #[serde(skip)]
    pub causes: Vec<String>,
    /// What can be done about it.
    pub hint: Option<String>,
    /// Figures for scripts.
    pub values: BTreeMap<String, String>,
}

/// What came of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunRecord {
    /// The run's token.
    pub run: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// When it began, in seconds since 1970.
    pub started_unix: i64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Whether everything was backed up regardless of the day.
    pub full: bool,
    /// The exit code.
    pub exit_code: u8,
    /// What came of its actions, in the order they were tried.
    pub actions: Vec<ActionRecord>,
}

/// The records of a working directory.
#[derive(Debug)]
pub struct History {
    directory: PathBuf,
}

impl History {
    /// Names the place: `WORKING_DIR/hayloft/history`. Nothing is touched yet.
    pub fn new(working_dir: &Path) -> Self {
        Self { directory: working_dir.join("hayloft/history") }
    }

    /// Adds a record and forgets the oldest ones.
    ///
    /// # Errors
    ///
    /// If it cannot be made durable.
    pub fn add(&self, record: &RunRecord) -> Result<()> {
        make_private_directory(&self.directory)?;
        let json = serde_json::to_vec(record)?;
        let name = format!("{:012}-{}.json", record.started_unix, record.run);
        output::write_file(&self.directory.join(name), &json, None)?;
        let names = self.names()?;
        for old in names.iter().take(names.len().saturating_sub(KEPT)) {
            // One that stays is forgotten next time.
            drop(fs::remove_file(self.directory.join(old)));
        }
        Ok(())
    }

    /// Returns all records, oldest first. A damaged one is passed over with a
    /// warning.
    ///
    /// # Errors
    ///
    /// If the directory is there but cannot be read.
    pub fn all(&self) -> Result<Vec<RunRecord>> {
        let mut records = Vec::new();
        for name in self.names()? {
            let path = self.directory.join(name);
            match serde_json::from_slice(&fs::read(&path)?) {
                Ok(record) => records.push(record),
                Err(error) => tracing::warn!("{} is damaged: {error}", path.display()),
            }
        }
        Ok(records)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(&self.directory) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry?.file_name().into_string().unwrap_or_default();
            if !name.starts_with('.') && Path::new(&name).extension().is_some_and(|it| it == "json")
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_in_order_and_damage_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::new(dir.path());
        assert!(history.all().unwrap().is_empty());
        for (run, started_unix) in [("b", 20), ("a", 10)] {
            let record = RunRecord {
                run: run.to_owned(),
                started: String::new(),
                started_unix,
                seconds: 1.5,
                full: false,
                exit_code: 0,
                actions: Vec::new(),
            };
            history.add(&record).unwrap();
        }
        fs::write(dir.path().join("hayloft/history/000000000015-x.json"), "{").unwrap();
        let runs: Vec<String> = history.all().unwrap().into_iter().map(|r| r.run).collect();
        assert_eq!(runs, ["a", "b"]);
    }
}
