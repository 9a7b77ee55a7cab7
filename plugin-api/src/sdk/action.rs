//! Steps of a backup run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Host;
use crate::{config::Configuration, error::Result};

/// A step of a run: it collects, dumps, stages, stores or purges something.
///
/// An action runs in a process of its own. Everything it needs of the outside
/// it should ask of the [`Host`].
pub trait Action: Sized + Send + Sync + 'static {
    /// The section that the plugin claims in [`export_plugin!`](crate::export_plugin).
    type Config: Configuration;

    /// Creates it. Called for a check of the configuration too, so nothing is
    /// touched here.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`](crate::ErrorKind::CONFIGURATION) for a
    /// value that decodes but cannot be used.
    fn new(config: Self::Config) -> Result<Self>;

    /// Does the work. `Ok` means that everything asked for is done and
    /// durable; what was left out for a reason is a warning in the outcome.
    ///
    /// # Errors
    ///
    /// Whatever kept it from doing all of it. Nothing that looks like a good
    /// result may be left behind then.
    fn run(&self, host: &Host, request: &Request) -> Result<Outcome>;
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// A moment, as the clocks of this machine show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalTime {
    /// The year, such as 2026.
    pub year: i16,
    /// The month, from 1.
    pub month: u8,
    /// The day of the month, from 1.
    pub day: u8,
    /// The hour, from 0.
    pub hour: u8,
    /// The minute, from 0.
    pub minute: u8,
    /// The second, from 0.
    pub second: u8,
    /// The day of the week.
    pub weekday: Weekday,
    /// Seconds since 1970, without the fraction.
    pub unix_seconds: i64,
    /// The fraction, in nanoseconds.
    pub nanoseconds: u32,
}

impl LocalTime {
    /// Returns `YYYY/MM/DD`, Cedar Backup's name for the day's directory.
    pub fn day_path(&self) -> String {
        format!("{:04}/{:02}/{:02}", self.year, self.month, self.day)
    }
}

/// What an action is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The action's name in the configuration.
    pub action: String,
    /// Whether everything is to be backed up, whatever the day (`--full`).
    pub full: bool,
    /// Whether it is the week's first day.
    pub start_of_week: bool,
    /// Whether nothing may be changed; say what would be done (`--dry-run`).
    pub dry_run: bool,
    /// When the run began.
    pub now: LocalTime,
    /// A token that no other run has.
    pub run_id: String,
    /// The actions of the phase `collect` that failed in this run so far: the
    /// collect directory does not hold all that it should.
    pub failed: Vec<String>,
}

/// What an action did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// One line for people, such as `17 files, 3.1 MB`.
    pub summary: String,
    /// What a person should look at; the run then ends with exit code 7.
    pub warnings: Vec<String>,
    /// Whether a warning is about something that was to be done and is not,
    /// above all data that should be in the backup. `hayloft run` makes no
    /// difference; called as `cback3`, the run then ends as a failure.
    pub incomplete: bool,
    /// Figures for scripts (`--json`), such as `bytes` and `files`.
    pub values: BTreeMap<String, String>,
}

impl Outcome {
    /// Creates an outcome without warnings.
    pub fn new(summary: impl Into<String>) -> Self {
        Self { summary: summary.into(), ..Self::default() }
    }

    /// Adds a figure.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "callers give numbers")]
    pub fn value(mut self, name: &str, value: impl ToString) -> Self {
        self.values.insert(name.to_owned(), value.to_string());
        self
    }

    /// Adds a warning about data that should be in the backup and is not.
    #[must_use]
    pub fn left_out(self, text: impl Into<String>) -> Self {
        Self { incomplete: true, ..self.warning(text) }
    }

    /// Adds a warning.
    #[must_use]
    pub fn warning(mut self, text: impl Into<String>) -> Self {
        self.warnings.push(text.into());
        self
    }
}
