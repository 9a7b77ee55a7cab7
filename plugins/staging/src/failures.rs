//! Failures that keep no other file from being worked on.

use hayloft_plugin_api::{Error, ErrorKind, Result};

/// How many of them a message names.
const NAMED: usize = 10;

/// What went wrong with some files while others were worked on.
#[derive(Debug, Default)]
pub struct Failures {
    all: Vec<Error>,
}

impl Failures {
    /// Remembers a failure.
    ///
    /// # Errors
    ///
    /// The failure itself if it concerns all other files too: the user wants
    /// an end, or the disk is full.
    pub fn add(&mut self, failure: Error) -> Result<()> {
        if matches!(failure.kind(), ErrorKind::CANCELLED | ErrorKind::FULL) {
            return Err(failure);
        }
        self.all.push(failure);
        Ok(())
    }

    /// Returns how many there were.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Ends the work: fails if anything failed. `what` begins the message if
    /// there is more than one, such as `3 files were not split`.
    ///
    /// # Errors
    ///
    /// All of them in one, with the kind and the remedy of the first.
    pub fn into_result(self, what: impl FnOnce(usize) -> String) -> Result<()> {
        let count = self.all.len();
        let mut all = self.all.into_iter();
        let Some(first) = all.next() else { return Ok(()) };
        if count == 1 {
            return Err(first);
        }
        let mut text: Vec<String> = vec![first.to_string()];
        text.extend(all.take(NAMED - 1).map(|it| it.to_string()));
        if count > NAMED {
            text.push(format!("and {} more", count - NAMED));
        }
        let error = Error::new(first.kind(), text.join("; ")).context(what(count));
        Err(match first.remedy() {
            Some(remedy) => error.hint(remedy),
            None => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_failures_are_in_one_message() {
        let mut failures = Failures::default();
        for n in 0..12 {
            let error = Error::new(ErrorKind::PERMISSION, format!("file {n}")).hint("look");
            failures.add(error).unwrap();
        }
        let error = failures.into_result(|n| format!("{n} files were not read")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PERMISSION);
        assert_eq!(error.remedy(), Some("look"));
        let text = error.to_string();
        assert!(text.starts_with("12 files were not read: file 0; file 1; "), "{text}");
        assert!(text.ends_with("file 9; and 2 more"), "{text}");
        assert!(Failures::default().into_result(|_| String::new()).is_ok());
    }

    #[test]
    fn what_concerns_all_files_ends_the_work() {
        let mut failures = Failures::default();
        assert!(failures.add(Error::new(ErrorKind::FULL, "no room")).is_err());
        assert!(failures.add(Error::new(ErrorKind::CANCELLED, "interrupted")).is_err());
        assert_eq!(failures.count(), 0);
    }
}
