//! The suite that every plugin must pass, run against the built `.so` and
//! through the ABI, as the host does it. Needs the feature `conformance`.
//!
//! A plugin's `tests/conformance.rs` is one call:
//!
//! ```no_run
//! #[test]
//! fn the_plugin_keeps_to_the_contract() {
//!     hayloft_plugin_api::conformance::check!();
//! }
//! ```
//!
//! A plugin that needs settings gets them as `"element" = value`, for all that
//! it offers; [`Suite`] has finer means:
//!
//! ```no_run
//! use hayloft_plugin_api::conformance;
//! # let directory = std::path::Path::new("/tmp");
//!
//! conformance::check!("root" = directory.display());
//!
//! let suite = conformance::suite!().set("root", directory.display()).directory(directory);
//! suite.run().assert_passed();
//! ```

mod action;
pub mod codecs;
mod configuration;
mod elf;
mod hook;
mod host;
mod library;
mod locate;
mod log;
mod report;
mod section;
mod storage;
mod stream;
mod transform;

use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

use self::{
    elf::{Elf, Glibc},
    report::Checks,
    storage::Place,
    transform::Streams,
};
pub use self::{
    host::TestHost,
    library::{Plugin, Subject},
    report::{Check, Outcome, Report},
    section::Section,
};
pub use crate::{__conformance_check as check, __conformance_suite as suite};
use crate::{
    error::{Error, Result},
    meta::Provided,
    sdk::Transform,
};

/// Runs the suite on the plugin whose test this is, and ends the test if a
/// check fails. See [the module](crate::conformance).
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_check {
    ($($setting:literal = $value:expr),* $(,)?) => {
        $crate::conformance::suite!()$(.set($setting, $value))*.run().assert_passed()
    };
}

/// Creates the suite for the plugin whose test this is.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_suite {
    () => {
        $crate::conformance::Suite::of_crate(env!("CARGO_MANIFEST_DIR"), env!("CARGO_PKG_NAME"))
    };
}

/// What to check, and with which settings.
#[derive(Debug, Clone)]
pub struct Suite {
    file: Result<PathBuf>,
    shared: Vec<(String, String)>,
    sections: Vec<(String, String, Section)>,
    skipped: Vec<(String, String)>,
    only: Option<(String, String)>,
    directory: Option<PathBuf>,
    nowhere: Option<(String, String)>,
    glibc: Option<Glibc>,
    run_actions: bool,
}

impl Suite {
    /// Creates the suite for a file.
    pub fn of_file(file: impl Into<PathBuf>) -> Self {
        Self::new(Ok(file.into()))
    }

    /// Creates the suite for the shared library of a package, which is the one
    /// beside the running test, or else built now.
    pub fn of_crate(manifest_dir: &str, package: &str) -> Self {
        Self::new(locate::library(Path::new(manifest_dir), package))
    }

    fn new(file: Result<PathBuf>) -> Self {
        Self {
            file,
            shared: Vec::new(),
            sections: Vec::new(),
            skipped: Vec::new(),
            only: None,
            directory: None,
            nowhere: None,
            glibc: None,
            run_actions: false,
        }
    }

    /// Adds a setting to the section of everything that the plugin offers, see
    /// [`Section::set`].
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "callers give paths' displays and numbers")]
    pub fn set(mut self, path: &str, value: impl ToString) -> Self {
        self.shared.push((path.to_owned(), value.to_string()));
        self
    }

    /// Gives one thing that the plugin offers a section of its own.
    #[must_use]
    pub fn section(mut self, kind: &str, name: &str, section: Section) -> Self {
        self.sections.push((kind.to_owned(), name.to_owned(), section));
        self
    }

    /// Names the directory in which the storage keeps its files: after an
    /// object was given up, no file may be left there.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Names a setting of the storage, and a value with which its place is not
    /// there, such as a directory that nobody has made: whatever is asked, that
    /// must be told by an error of always the same kind, with what to do about
    /// it, and never by [`ErrorKind::NOT_FOUND`](crate::ErrorKind::NOT_FOUND),
    /// which means that an object is missing.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "callers give paths' displays and numbers")]
    pub fn nowhere(mut self, path: &str, value: impl ToString) -> Self {
        self.nowhere = Some((path.to_owned(), value.to_string()));
        self
    }

    /// Demands that the plugin runs with that version of the GNU C library. To
    /// get there it must be built on a system that has none newer.
    #[must_use]
    pub fn glibc(mut self, major: u32, minor: u32) -> Self {
        self.glibc = Some(Glibc(major, minor));
        self
    }

    /// Runs the actions too, on a [`TestHost`].
    #[must_use]
    pub fn run_actions(mut self) -> Self {
        self.run_actions = true;
        self
    }

    /// Checks one of the things that the plugin offers, and no other: where
    /// each needs a server of its own.
    #[must_use]
    pub fn only(mut self, kind: &str, name: &str) -> Self {
        self.only = Some((kind.to_owned(), name.to_owned()));
        self
    }

    /// Leaves the checks of that name out, such as `flipped bits`. The report
    /// shows the reason.
    #[must_use]
    pub fn skip(mut self, check: &str, reason: &str) -> Self {
        self.skipped.push((check.to_owned(), reason.to_owned()));
        self
    }

    /// Loads the file and makes all checks.
    pub fn run(&self) -> Report {
        let loaded = self.file.clone().and_then(|file| {
            let plugins = Plugin::open(&file)?;
            Ok((file, plugins))
        });
        match loaded {
            Ok((file, plugins)) => {
                let mut report = Report::new(file.display().to_string());
                self.check_file(&mut report, &file);
                for plugin in &plugins {
                    self.check_plugin(&mut report, plugin);
                }
                report
            }
            Err(error) => {
                let file =
                    self.file.as_ref().map_or_else(|_| "?".into(), |it| it.display().to_string());
                let mut report = Report::new(file);
                report.add("file: it loads".to_owned(), Outcome::Failed(with_hint(&error)));
                report
            }
        }
    }

    /// Makes all checks but those of the file on a plugin that somebody else
    /// has loaded, such as the host.
    pub fn run_on(&self, subject: &dyn Subject) -> Report {
        let mut report = Report::new(subject.metadata().id.clone());
        if let Ok(file) = &self.file {
            self.check_file(&mut report, file);
        }
        self.check_plugin(&mut report, subject);
        report
    }

    fn check_file(&self, report: &mut Report, file: &Path) {
        let mut checks = self.checks(report, "file".to_owned());
        match Elf::read(file) {
            Ok(elf) => elf.check(&mut checks, self.glibc),
            Err(error) => checks.check("it is a plugin", || Err(with_hint(&error))),
        }
    }

    fn check_plugin(&self, report: &mut Report, subject: &dyn Subject) {
        for provided in subject.metadata().provides.iter().filter(|it| self.is_meant(it)) {
            let name = format!("{} {}", provided.kind, provided.name);
            let mut checks = self.checks(report, name);
            let section = self.section_of(provided);
            match provided.kind.as_str() {
                "compressor" | "encryptor" => {
                    check_transform(&mut checks, subject, provided, &section);
                }
                "storage" => {
                    self.check_storage(&mut checks, subject, &provided.name, &section);
                    self.check_nowhere(&mut checks, subject, provided);
                }
                "hook" => match subject.hook(&provided.name, section.node()) {
                    Ok(hook) => hook::check(&mut checks, &hook),
                    Err(error) => not_created(&mut checks, &error),
                },
                "action" => {
                    let what = (provided, &section);
                    action::check_action(&mut checks, subject, what, self.run_actions);
                }
                "command" => action::check_command(&mut checks, subject, (provided, &section)),
                _ => continue,
            }
            configuration::check(&mut checks, subject, provided, &section);
        }
    }

    fn is_meant(&self, provided: &Provided) -> bool {
        self.only
            .as_ref()
            .is_none_or(|(kind, name)| *kind == provided.kind && *name == provided.name)
    }

    fn check_storage(
        &self,
        checks: &mut Checks<'_>,
        subject: &dyn Subject,
        name: &str,
        section: &Section,
    ) {
        match Place::open(subject, name, section, self.directory.as_deref()) {
            Ok(place) => storage::check(checks, &place),
            Err(error) => not_created(checks, &error),
        }
    }

    /// Checks a storage whose place is not there, if it is known where that is.
    fn check_nowhere(&self, checks: &mut Checks<'_>, subject: &dyn Subject, provided: &Provided) {
        let Some(nowhere) = &self.nowhere else { return };
        let shared = self.shared.iter().filter(|it| it.0 != nowhere.0);
        let section = self.own_section(provided);
        let section = shared
            .chain([nowhere])
            .fold(section, |section, (path, value)| section.set(path, value));
        match Place::open(subject, &provided.name, &section, None) {
            Ok(place) => storage::nowhere::check(checks, &place),
            Err(error) => not_created(checks, &error),
        }
    }

    fn checks<'a>(&'a self, report: &'a mut Report, subject: String) -> Checks<'a> {
        Checks { report, subject, skipped: &self.skipped }
    }

    fn section_of(&self, provided: &Provided) -> Section {
        let section = self.own_section(provided);
        self.shared.iter().fold(section, |section, (path, value)| section.set(path, value))
    }

    fn own_section(&self, provided: &Provided) -> Section {
        let own = self
            .sections
            .iter()
            .find(|(kind, name, _)| *kind == provided.kind && *name == provided.name);
        let root = provided.fact("section").filter(|it| !it.is_empty()).unwrap_or(&provided.kind);
        own.map_or_else(|| Section::new(root), |(.., section)| section.clone())
    }
}

fn check_transform(
    checks: &mut Checks<'_>,
    subject: &dyn Subject,
    provided: &Provided,
    section: &Section,
) {
    match subject.transform(&provided.kind, &provided.name, section.node()) {
        Ok(raw) => {
            let suffix = provided.fact("suffix").unwrap_or("");
            let transform = &Transform::from_raw(&provided.name, suffix, raw);
            transform::check(checks, &Streams { transform, provided });
        }
        Err(error) => not_created(checks, &error),
    }
}

fn not_created(checks: &mut Checks<'_>, error: &Error) {
    checks.check("it is created from its section", || Err(with_hint(error)));
}

fn with_hint(error: &Error) -> String {
    let all: Vec<String> = error.diagnostics().iter().map(ToString::to_string).collect();
    let shown: &dyn Display = error;
    match (error.remedy(), all.is_empty()) {
        (Some(hint), _) => format!("{shown} ({hint})"),
        (None, false) => all.join("; "),
        (None, true) => shown.to_string(),
    }
}

#[cfg(test)]
mod tests;
