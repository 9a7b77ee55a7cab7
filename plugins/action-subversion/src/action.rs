//! The action: all repositories, several at once, and what came of it.

use hayloft_dump::{default_number, each, sum_up};
use hayloft_plugin_api::{Action, Host, Outcome, Request, Result, cedar, text::size};

use crate::{
    context::Context,
    earlier,
    names::shown,
    repository::{self, Report},
    sources::{Source, Sources},
};

/// Dumps Subversion repositories into the collect directory.
#[derive(Debug)]
pub struct Subversion {
    section: cedar::Subversion,
}

/// A repository with all ways in which it is dumped.
#[derive(Debug)]
struct Repository<'a> {
    path: &'a [u8],
    due: Vec<&'a Source>,
}

impl Action for Subversion {
    type Config = cedar::Subversion;

    fn new(section: cedar::Subversion) -> Result<Self> {
        Ok(Self { section })
    }

    fn run(&self, host: &Host, request: &Request) -> Result<Outcome> {
        let Sources { all, failed } = Sources::find(&self.section);
        let timeout = self.section.timeout.as_ref().map(|it| it.value.get());
        let context = Context::open(host, request, &all, timeout)?;
        let repositories = repositories(&context, &all);
        // More than that is as good as no limit.
        let at_once = self.section.parallel.as_ref();
        let at_once = at_once.map(|it| it.value.try_into().unwrap_or(usize::MAX));
        let reports = each(&repositories, at_once.unwrap_or_else(default_number), |it| {
            let report = repository::back_up(&context, it.path, &it.due);
            if !request.dry_run {
                earlier::tidy(&context, it.path, report.as_ref().ok());
            }
            report
        });
        let named = repositories.iter().map(|it| format!("repository {}", shown(it.path)));
        let mut results: Vec<_> = named.zip(reports).collect();
        results.extend(failed.into_iter().map(|(what, error)| (what, Err(error))));
        outcome(results, request.dry_run)
    }
}

fn repositories<'a>(context: &Context<'_>, all: &'a [Source]) -> Vec<Repository<'a>> {
    let mut repositories: Vec<Repository<'a>> = Vec::new();
    for source in all {
        let path = source.path.as_slice();
        let at = repositories.iter().position(|it| it.path == path).unwrap_or_else(|| {
            repositories.push(Repository { path, due: Vec::new() });
            repositories.len() - 1
        });
        if source.mode.is_due(context.is_complete()) {
            repositories[at].due.push(source);
        } else {
            tracing::info!("{} waits for the first day of the week", shown(path));
        }
    }
    repositories
}

fn outcome(results: Vec<(String, Result<Report>)>, dry_run: bool) -> Result<Outcome> {
    let (mut warnings, mut files, mut revisions, mut repositories) = (Vec::new(), 0, 0, 0);
    let mut made = Vec::new();
    for (what, result) in results {
        made.push((
            what,
            result.map(|report| {
                warnings.extend(report.warnings);
                repositories += u32::from(!report.files.is_empty());
                files += report.files.len();
                revisions += report.revisions;
                report.made
            }),
        ));
    }
    let total = sum_up(made).inspect_err(|_| {
        // An error has no place for them.
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
    })?;
    let summary = match (dry_run, repositories) {
        (true, _) => format!("would make {files} dumps"),
        (_, 0) => "nothing new".to_owned(),
        (_, 1) => format!("1 repository, {}", size(total.stored)),
        (_, number) => format!("{number} repositories, {}", size(total.stored)),
    };
    let outcome = Outcome { warnings, ..Outcome::new(summary) }
        .value("repositories", repositories)
        .value("files", files);
    if dry_run {
        return Ok(outcome);
    }
    Ok(outcome
        .value("revisions", revisions)
        .value("bytes", total.stored)
        .value("dumped_bytes", total.dumped))
}

#[cfg(test)]
mod tests {
    use hayloft_dump::Made;
    use hayloft_plugin_api::{Error, ErrorKind};

    use super::*;

    fn report(files: usize) -> Report {
        Report {
            files: vec![String::new(); files],
            made: Made { dumped: 10, stored: 3 },
            revisions: 2,
            warnings: vec!["look".to_owned()],
            ..Report::default()
        }
    }

    #[test]
    fn what_was_done_is_added_up() {
        let results = vec![
            ("repository /a".to_owned(), Ok(report(1))),
            ("repository /b".to_owned(), Ok(report(2))),
            ("repository /c".to_owned(), Ok(Report::default())),
        ];
        let outcome = outcome(results, false).unwrap();
        assert_eq!(outcome.summary, "2 repositories, 6 bytes");
        assert_eq!((outcome.values["files"].as_str(), outcome.warnings.len()), ("3", 2));
    }

    #[test]
    fn one_that_failed_is_named_and_the_run_is_a_failure_in_part() {
        let results = vec![
            ("repository /a".to_owned(), Ok(report(1))),
            ("repository /b".to_owned(), Err(Error::msg("boom"))),
        ];
        let error = outcome(results, false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::INCOMPLETE);
        assert!(error.to_string().contains("repository /b: boom"), "{error}");
    }
}
