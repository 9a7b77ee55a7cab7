//! The action, as the host sees it.

use std::{collections::BTreeSet, path::Path};

use hayloft_plugin_api::{
    Action, Diagnostic, Error, ErrorKind, Host, Node, Outcome, Request, Result, Settings,
    cedar::{self, Document, Names, PurgeDir},
};
use tracing::info;

use crate::{
    age::{AgeRule, Instant},
    guard::Guard,
    report::Report,
    tree::{Policy, PurgeError, Run, purge},
};

/// Removes backups that are old enough.
#[derive(Debug)]
pub struct Purge {
    config: cedar::Purge,
}

impl Action for Purge {
    type Config = cedar::Purge;

    fn new(config: cedar::Purge) -> Result<Self> {
        Ok(Self { config })
    }

    fn run(&self, host: &Host, request: &Request) -> Result<Outcome> {
        let root = host.document();
        let Some(section) = root.child("purge") else {
            return Err(Error::new(ErrorKind::CONFIGURATION, "the purge section is missing").hint(
                "<purge><dir><abs_path>…</abs_path><retain_days>7</retain_days></dir></purge>",
            ));
        };
        let (document, problems) = cedar::read(&root, &Names::any());
        let errors: Vec<_> =
            problems.into_iter().filter(|it| !it.warning).map(Diagnostic::from).collect();
        if !errors.is_empty() {
            return Err(Error::configuration(errors));
        }
        let guard = guard(&root, &document, &host.settings()?, &request.now.day_path());
        let now =
            Instant { seconds: request.now.unix_seconds, nanoseconds: request.now.nanoseconds };
        let cancelled = || host.cancelled();
        let run = Run { now, dry_run: request.dry_run, guard: &guard, cancelled: &cancelled };
        let (mut all, mut failed) = (Report::default(), Vec::new());
        for (dir, node) in self.config.dirs.iter().zip(section.children_named("dir")) {
            let path = cedar::text(&dir.abs_path).unwrap_or_default();
            match purge(Path::new(path), &policy(dir, node), run) {
                Ok(report) => {
                    info!("{path}: {}", report.summary(request.dry_run));
                    all.add(report);
                }
                Err(PurgeError::Cancelled) => host.check_cancelled()?,
                // The other directories are purged all the same.
                Err(error) => failed.push(Error::from(error)),
            }
        }
        conclude(all, failed, request.dry_run)
    }
}

fn policy(dir: &PurgeDir, node: &Node) -> Policy {
    let retain_days = dir.retain_days.as_ref().map_or(i64::MAX, |it| it.value);
    let age = match cedar::text(&dir.age) {
        Some("cedar") => AgeRule::Accessed,
        Some("day") => AgeRule::Staged,
        _ => AgeRule::Modified,
    };
    let unstored = node.child("unstored").is_some_and(|it| matches!(&*it.first_text, "Y" | "y"));
    Policy { retain_days: u64::try_from(retain_days).unwrap_or(0), age, unstored }
}

/// Finds out what must stay.
fn guard(root: &Node, document: &Document, settings: &Settings, today: &str) -> Guard {
    let mut required = Vec::new();
    let stores = |it: &cedar::Store| !it.storages.is_empty() || it.target_device.is_some();
    if document.store.as_ref().is_some_and(stores) {
        required.push("cback.store".to_owned());
    }
    if root.child("amazons3").is_some() {
        required.push("cback.amazons3".to_owned());
    }
    let peers = cedar::effective_peers(document).into_iter().filter(|it| !it.remote);
    let mut collect: Vec<_> = peers.map(|it| it.collect_dir.into()).collect();
    collect.extend(settings.collect_dir.clone());
    let dirs = document.purge.iter().flat_map(|it| &it.dirs);
    let mut fixed: BTreeSet<_> =
        dirs.filter_map(|it| cedar::text(&it.abs_path)).map(Into::into).collect();
    fixed.insert(settings.working_dir.clone());
    let staging = settings.staging_dir.clone();
    Guard { staging, collect, required, today: today.into(), fixed }.resolve()
}

/// The most warnings of one kind that are shown.
const MOST: usize = 20;

fn conclude(report: Report, failed: Vec<Error>, dry_run: bool) -> Result<Outcome> {
    let summary = report.summary(dry_run);
    if !failed.is_empty() {
        // The first one is the error, the others stand below it.
        let several = failed.len() > 1;
        let count = format!("{} directories could not be purged; {summary}", failed.len());
        let mut errors = failed.into_iter().rev();
        let last = errors.next().unwrap_or_else(|| Error::msg("nothing was purged"));
        let error = errors.fold(last, |error, next| error.context(next.to_string()));
        let error = if several { error.context(count) } else { error };
        return Err(error.hint("correct <abs_path> in <purge>; the other directories were purged"));
    }
    let mut outcome = Outcome::new(summary)
        .value("files", report.files)
        .value("directories", report.directories)
        .value("bytes", report.bytes)
        .value("kept", report.kept.len());
    outcome.incomplete = !report.problems.is_empty();
    shown(report.problems, &mut outcome.warnings);
    if !report.kept.is_empty() {
        shown(report.kept, &mut outcome.warnings);
        outcome.warnings.push(
            "what is kept goes when it is stored or staged, or with <unstored>Y</unstored> in its \
             <dir> of <purge>; a file system that is mounted there needs a <dir> of its own"
                .to_owned(),
        );
    }
    Ok(outcome)
}

fn shown(mut lines: Vec<String>, warnings: &mut Vec<String>) {
    let more = lines.len().saturating_sub(MOST);
    lines.truncate(MOST);
    warnings.append(&mut lines);
    if more > 0 {
        warnings.push(format!("and {more} more of that kind"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_fails_is_an_error_with_all_that_failed_below_it() {
        let outcome = conclude(Report::default(), vec![Error::msg("a"), Error::msg("b")], false);
        let error = outcome.unwrap_err();
        assert_eq!(
            error.message(),
            "2 directories could not be purged; removed 0 files, 0 directories, 0 bytes"
        );
        assert_eq!(error.causes(), ["a", "b"]);
    }

    #[test]
    fn many_problems_are_not_all_shown() {
        let problems = (0..50).map(|it| it.to_string()).collect();
        let outcome =
            conclude(Report { problems, ..Report::default() }, Vec::new(), false).unwrap();
        assert_eq!(outcome.warnings.len(), MOST + 1);
        assert_eq!(outcome.warnings[MOST], "and 30 more of that kind");
        assert!(outcome.incomplete);
    }
}
