//! What the suite found.

use std::fmt;

use crate::error::Error;

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The plugin does what it must.
    Passed,
    /// It does not, and how that showed.
    Failed(String),
    /// It was not asked, and why.
    Skipped(String),
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was checked, such as `compressor gzip: truncated streams`.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
}

/// Everything that was checked about one file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Report {
    file: String,
    checks: Vec<Check>,
}

impl Report {
    pub(super) fn new(file: impl Into<String>) -> Self {
        Self { file: file.into(), checks: Vec::new() }
    }

    /// Returns all checks, in their order.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// Returns the checks that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|it| matches!(it.outcome, Outcome::Failed(_)))
    }

    /// Tells whether no check failed, and at least one was made.
    pub fn passed(&self) -> bool {
        !self.checks.is_empty() && self.failures().next().is_none()
    }

    /// Ends the test if a check failed, with all that failed in the message.
    ///
    /// # Panics
    ///
    /// If not [`Report::passed`].
    #[track_caller]
    pub fn assert_passed(&self) {
        assert!(self.passed(), "{self}");
    }

    pub(super) fn add(&mut self, name: String, outcome: Outcome) {
        self.checks.push(Check { name, outcome });
    }
}

/// A line for the file, and one for each check.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.failures().count();
        write!(f, "{}: {failed} of {} checks failed", self.file, self.checks.len())?;
        for Check { name, outcome } in &self.checks {
            match outcome {
                Outcome::Passed => write!(f, "\n  passed   {name}")?,
                Outcome::Failed(how) => write!(f, "\n  FAILED   {name}: {how}")?,
                Outcome::Skipped(why) => write!(f, "\n  skipped  {name}: {why}")?,
            }
        }
        Ok(())
    }
}

/// What a check returns: how it failed, if it did.
pub(super) type Verdict<T = ()> = Result<T, String>;

/// Fails a check unless `holds`.
pub(super) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// Says what was being done when the plugin returned an error.
pub(super) trait Explain<T> {
    fn explain(self, doing: &str) -> Verdict<T>;
}

impl<T> Explain<T> for Result<T, Error> {
    fn explain(self, doing: &str) -> Verdict<T> {
        self.map_err(|error| format!("{doing}: {error} [{}]", error.kind().name()))
    }
}

impl<T> Explain<T> for std::io::Result<T> {
    fn explain(self, doing: &str) -> Verdict<T> {
        self.map_err(Error::from).explain(doing)
    }
}

/// Gives checks their names, and leaves out those that are to be skipped.
pub(super) struct Checks<'a> {
    pub(super) report: &'a mut Report,
    /// What is checked, such as `compressor gzip`.
    pub(super) subject: String,
    /// Names of checks, and why they are not made.
    pub(super) skipped: &'a [(String, String)],
}

impl Checks<'_> {
    pub(super) fn check(&mut self, name: &str, check: impl FnOnce() -> Verdict) {
        let known = self.skipped.iter().find(|(skipped, _)| skipped == name);
        let outcome = match known {
            Some((_, why)) => Outcome::Skipped(why.clone()),
            None => check().map_or_else(Outcome::Failed, |()| Outcome::Passed),
        };
        self.report.add(format!("{}: {name}", self.subject), outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_every_check_and_passes_only_if_one_was_made() {
        let mut report = Report::new("libx.so");
        assert!(!report.passed());
        let skipped = [("b".to_owned(), "no server".to_owned())];
        let mut checks =
            Checks { report: &mut report, subject: "hook x".to_owned(), skipped: &skipped };
        checks.check("a", || Ok(()));
        checks.check("b", || Err("never run".to_owned()));
        assert!(report.passed());
        report.add("c".to_owned(), Outcome::Failed("it is wrong".to_owned()));
        assert!(!report.passed());
        assert_eq!(
            report.to_string(),
            "libx.so: 1 of 3 checks failed\n  passed   hook x: a\n  \
             skipped  hook x: b: no server\n  FAILED   c: it is wrong"
        );
    }
}
