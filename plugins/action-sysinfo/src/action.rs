//! The action: all parts, several at once, and what came of it.

use hayloft_dump::{Made, each, sum_up};
use hayloft_plugin_api::{
    Action, ErrorKind, Host, Outcome, Request, Result,
    text::{one_line, size},
};

use crate::{
    context::Context,
    files, listing, partitions,
    parts::{PACKAGES, Part, Source},
    program,
    report::End,
    section::Config,
};

/// How many parts are made at the same time: most of them wait for a program.
const AT_ONCE: usize = 4;

/// Saves what describes this machine.
#[derive(Debug)]
pub struct Sysinfo {
    config: Config,
}

impl Action for Sysinfo {
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        Ok(Self { config })
    }

    fn run(&self, host: &Host, request: &Request) -> Result<Outcome> {
        let context = Context::open(host, &self.config)?;
        let parts = self.config.parts();
        if request.dry_run {
            return Ok(preview(&context, &parts));
        }
        let ends = each(&parts, AT_ONCE, |(part, _)| {
            host.check_cancelled()?;
            let end = save(&context, part);
            if !matches!(end, Ok(End::Saved { .. })) {
                context.destination.failed(&part.file());
            }
            end
        });
        outcome(parts.into_iter().zip(ends).collect())
    }
}

fn preview(context: &Context<'_>, parts: &[(&Part, bool)]) -> Outcome {
    for (part, _) in parts {
        let file = context.destination.file_name(&part.file());
        tracing::info!("would save {} as {file}", part.about);
    }
    Outcome::new(format!("would save {} parts", parts.len())).value("parts", parts.len())
}

fn save(context: &Context<'_>, part: &Part) -> Result<End> {
    let base = part.file();
    match &part.source {
        Source::Program(program) => program::save(context, program, &base),
        Source::Copy(path) => files::copy(context, path, &base),
        Source::Files(paths) => files::pack(context, paths, &base),
        Source::Partitions => partitions::save(context, part.name),
        Source::Listing => listing::save(context, &base),
    }
}

/// Adds up what came of each part. One that must be there and is not is a
/// failure; one that is only good to have is a warning.
fn outcome(ends: Vec<((&Part, bool), Result<End>)>) -> Result<Outcome> {
    let (mut warnings, mut files) = (Vec::new(), 0);
    let mut packages = PackageLists::default();
    let mut made: Vec<(String, Result<Made>)> = Vec::new();
    for ((part, must), end) in ends {
        packages.see(part, &end);
        let about = part.about;
        match end {
            Ok(End::Saved { files: number, made: it, warnings: more }) => {
                files += number;
                made.push((about.to_owned(), Ok(it)));
                warnings.extend(more.iter().map(|it| format!("{about}: {}", one_line(it))));
            }
            Ok(End::Nothing(why)) => tracing::info!("{about}: nothing to save: {}", one_line(&why)),
            Ok(End::Withheld(why)) if must => {
                warnings.push(format!("{about} could not be saved: {}", one_line(&why)));
            }
            Ok(End::Withheld(why)) => {
                tracing::info!("{about} could not be saved: {}", one_line(&why));
            }
            Err(error) if must || error.kind() == ErrorKind::CANCELLED => {
                made.push((about.to_owned(), Err(error)));
            }
            Err(error) => {
                warnings
                    .push(format!("{about} could not be saved: {}", one_line(error.to_string())));
            }
        }
    }
    warnings.extend(packages.complaint());
    let total = sum_up(made).inspect_err(|_| {
        // An error has no place for them.
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
    })?;
    let summary = format!("{files} files, {}", size(total.stored));
    Ok(Outcome { warnings, ..Outcome::new(summary) }
        .value("files", files)
        .value("bytes", total.stored)
        .value("dumped_bytes", total.dumped))
}

/// Whether anything says which packages are installed.
#[derive(Debug, Default)]
struct PackageLists {
    asked: bool,
    found: bool,
}

impl PackageLists {
    fn see(&mut self, part: &Part, end: &Result<End>) {
        if PACKAGES.contains(&part.name) {
            self.asked = true;
            // A failure is told anyway.
            self.found |= matches!(end, Ok(End::Saved { .. } | End::Withheld(_)) | Err(_));
        }
    }

    fn complaint(&self) -> Option<String> {
        (self.asked && !self.found).then(|| {
            "there is no list of the installed packages: none of dpkg, rpm, pacman and apk tells \
             of any"
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use hayloft_plugin_api::Error;

    use super::*;
    use crate::parts::PARTS;

    fn part(name: &str) -> &'static Part {
        PARTS.iter().find(|it| it.name == name).unwrap()
    }

    fn saved() -> End {
        End::saved(Made { dumped: 10, stored: 3 })
    }

    #[test]
    fn what_must_be_there_and_is_not_is_a_failure() {
        let failed = || Err(Error::msg("boom"));
        let ends = vec![
            ((part("dpkg-selections"), true), Ok(saved())),
            ((part("fdisk-l"), true), failed()),
            ((part("lsblk"), false), failed()),
        ];
        let error = outcome(ends).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::INCOMPLETE);
        assert!(error.to_string().contains("the list of partitions: boom"), "{error}");
    }

    #[test]
    fn what_is_only_good_to_have_is_a_warning() {
        let ends = vec![
            ((part("dpkg-selections"), true), Ok(saved())),
            ((part("lsblk"), false), Err(Error::msg("boom"))),
            ((part("blkid"), false), Ok(End::Nothing("none".to_owned()))),
            ((part("sfdisk-dump"), false), Ok(End::Withheld("root".to_owned()))),
            ((part("fdisk-l"), true), Ok(End::Withheld("root".to_owned()))),
        ];
        let outcome = outcome(ends).unwrap();
        assert_eq!(outcome.summary, "1 files, 3 bytes");
        let expected = [
            "the block devices could not be saved: boom",
            "the list of partitions could not be saved: root",
        ];
        assert_eq!(outcome.warnings, expected);
    }

    #[test]
    fn a_machine_of_which_no_packages_are_known_is_worth_a_warning() {
        let nothing = || Ok(End::Nothing("there is no dpkg".to_owned()));
        let ends = vec![
            ((part("dpkg-selections"), true), nothing()),
            ((part("rpm-qa"), false), nothing()),
            ((part("fstab"), false), Ok(saved())),
        ];
        let outcome = outcome(ends).unwrap();
        assert!(outcome.warnings[0].contains("no list of the installed packages"));
        let only = super::outcome(vec![((part("fstab"), true), Ok(saved()))]).unwrap();
        assert!(only.warnings.is_empty(), "nobody asked for packages");
    }
}
