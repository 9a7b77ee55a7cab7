//! One condition, and whether it holds.

use std::fmt;

use serde::Serialize;

use super::Trouble;
use crate::server::Why;

/// Whether a condition holds; later ones are worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It does.
    Ok,
    /// Things work, and somebody should look.
    Warning,
    /// It does not.
    Failed,
}

/// One condition, and whether it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckLine {
    /// Its name, for scripts.
    #[serde(rename = "check")]
    pub name: &'static str,
    /// Whether it holds.
    pub outcome: Outcome,
    /// What was found.
    pub found: String,
    /// Why it matters, if it does not hold.
    pub why: Option<String>,
    /// The command or setting that mends it.
    pub remedy: Option<String>,
}

impl CheckLine {
    /// A condition that holds.
    pub fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Ok, found: found.into(), why: None, remedy: None }
    }

    /// A condition that does not hold.
    pub fn failed(
        name: &'static str,
        found: impl Into<String>,
        why: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (why, remedy) = (Some(why.into()), Some(remedy.into()));
        Self { name, outcome: Outcome::Failed, found: found.into(), why, remedy }
    }

    /// A condition that somebody should look at.
    pub fn warning(
        name: &'static str,
        found: impl Into<String>,
        why: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { outcome: Outcome::Warning, ..Self::failed(name, found, why, remedy) }
    }

    /// A condition that could not be looked at, since there is no connection.
    pub(super) fn trouble(name: &'static str, trouble: &Trouble, why: &str) -> Self {
        let remedy = trouble.remedy.as_deref().filter(|it| !it.trim().is_empty());
        let remedy = remedy.unwrap_or("mend what it says, and look into the server's log");
        Self::failed(name, &trouble.problem, why, remedy)
    }

    /// A condition that the server does not tell about.
    pub(super) fn unknown(name: &'static str, why: Option<&Why>) -> Self {
        let found = match why {
            Some(why) => format!("unknown: {why}"),
            None => "the server tells nothing".to_owned(),
        };
        let remedy = match why {
            Some(Why::Privilege(_)) => "run what `hayloft pg server grant-sql` prints",
            _ => "look into the server's log",
        };
        Self::warning(name, found, "what is not known cannot be vouched for", remedy)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "FAILED",
        })
    }
}
