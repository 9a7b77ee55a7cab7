//! What came of a check.

use std::{fmt::Write, path::Path};

use hayloft_plugin_api::{Error, ErrorKind, Result};
use serde::Serialize;

use super::right::Right;

/// How a step ended; the greatest is the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Ok,
    Skipped,
    Warning,
    Failed,
}

/// One step.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Line {
    pub(super) step: &'static str,
    pub(super) state: State,
    pub(super) detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
    /// How long it took, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seconds: Option<f64>,
    /// How fast bytes went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bytes_per_second: Option<u64>,
}

/// A storage, and all that was tried with it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Report {
    pub(super) storage: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) lines: Vec<Line>,
}

impl Report {
    pub(super) fn new(storage: &str, kind: &str) -> Self {
        Self { storage: storage.to_owned(), kind: kind.to_owned(), lines: Vec::new() }
    }

    pub(super) fn add(&mut self, step: &'static str, state: State, detail: String) -> &mut Line {
        let line = Line { step, state, detail, hint: None, seconds: None, bytes_per_second: None };
        self.lines.push(line);
        let last = self.lines.len() - 1;
        &mut self.lines[last]
    }

    pub(super) fn ok(&mut self, step: &'static str, detail: String) -> &mut Line {
        self.add(step, State::Ok, detail)
    }

    pub(super) fn warning(&mut self, step: &'static str, detail: String, hint: &str) {
        self.add(step, State::Warning, detail).hint = Some(hint.to_owned());
    }

    /// Notes a failure; `right` is what is missing if it was not permitted.
    pub(super) fn failed(&mut self, step: &'static str, error: &Error, right: Option<Right>) {
        let right = right.filter(|_| error.kind() == ErrorKind::PERMISSION);
        let missing = right.map(|it| it.missing(&self.kind));
        let line = self.add(step, State::Failed, error.to_string());
        line.hint = match (missing, error.remedy()) {
            (Some(missing), Some(remedy)) => Some(format!("{missing}; {remedy}")),
            (missing, remedy) => missing.or(remedy.map(ToOwned::to_owned)),
        };
    }

    /// Notes that the storage cannot even be opened: with each place of the
    /// configuration file that is wrong, if it is for that.
    pub(super) fn not_opened(&mut self, error: &Error, file: &Path) {
        if error.diagnostics().is_empty() {
            return self.failed("open", error, None);
        }
        for it in error.diagnostics() {
            let (line, path, message) = (it.position.line, &it.path, &it.message);
            let detail = format!("{}:{line}: {path}: {message}", file.display());
            self.add("open", State::Failed, detail).hint.clone_from(&it.help);
        }
    }

    /// Returns it for people.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{} ({})\n", self.storage, self.kind);
        for line in &self.lines {
            let state = match line.state {
                State::Ok => "ok",
                State::Skipped => "-",
                State::Warning => "WARNING",
                State::Failed => "FAILED",
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {state:7}  {:10}  {}", line.step, line.detail);
            if let Some(hint) = &line.hint {
                let _ = writeln!(text, "  {:7}  {:10}  {hint}", "", "");
            }
        }
        text
    }
}

/// Returns all for scripts.
pub(super) fn json(reports: &[Report]) -> Result<String> {
    Ok(serde_json::to_string(reports)?)
}
