//! The command `restore`.

use std::{
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{
    Argument, Arguments, Command, CommandSpec, Error, ErrorKind, Host, Request, Result, text::size,
};
use serde_json::json;

use super::{
    arguments::{self, AnyConfiguration, member_path, usage},
    dump,
    list::newest,
    targets::{self, Targets},
};
use crate::{
    archive::ArchiveError,
    days::{Archives, DayState},
    restore::{Conflict, ExtractError, Extracted, Extraction, Plan, extract, outermost, plan},
    shown::{absolute, shown},
    sources::{Catalogue, Day},
};

/// The `restore` command: puts back what was collected.
#[derive(Debug)]
pub struct Restore;

impl Command for Restore {
    type Config = AnyConfiguration;

    fn spec() -> CommandSpec {
        let [day, peer, from] = arguments::places();
        CommandSpec {
            about: "Put collected files back, as they were on a day".to_owned(),
            long_about: "Puts files and directories back with owners, permissions, times, links \
                         and attributes, as they were on a day. What was deleted before that day \
                         stays away. Nothing is written before every archive has been read and \
                         found whole."
                .to_owned(),
            arguments: vec![
                Argument::positional("path", "PATH", "What to restore, by its original path")
                    .multiple(),
                day,
                Argument::option("to", "DIR", "Restore below this directory, with full paths"),
                Argument::flag("in-place", "Restore to the original place"),
                Argument::flag("overwrite", "Replace files that are there already"),
                peer,
                from,
                Argument::flag(
                    "allow-missing",
                    "Go on if an archive is missing that a newer one builds on",
                ),
                Argument::option(
                    "dump",
                    "NAME",
                    "Fetch one file of a backup, such as a database dump, to --to",
                ),
                Argument::flag("raw", "With --dump: leave it compressed and encrypted"),
                Argument::flag("dry-run", "Only say what would be written").short('n'),
            ],
            after_help: "Examples:\n  hayloft restore /etc/fstab --to /tmp/r\n  hayloft restore \
                         /home/alice --day yesterday --in-place --overwrite\n  hayloft restore \
                         --dump postgresqldump-db.txt.gz --to /tmp"
                .to_owned(),
            ..CommandSpec::default()
        }
    }

    fn new(_: AnyConfiguration) -> Result<Self> {
        Ok(Self)
    }

    fn run(&self, host: &Host, request: &Request, arguments: &Arguments) -> Result<u8> {
        if arguments.has("dump") {
            return dump::fetch(host, request, arguments);
        }
        let paths = arguments.all("path").iter().map(|it| member_path(it));
        let paths = outermost(paths.collect::<Result<_>>()?);
        if paths.is_empty() {
            return Err(usage("say what to restore: a path, or --dump and a name"));
        }
        let dry_run = arguments.has("dry-run") || request.dry_run;
        let targets = targets_of(arguments, &paths)?;
        let catalogue = Catalogue::load(host, arguments.get("from"))?;
        for problem in &catalogue.problems {
            tracing::warn!("{problem}");
        }
        let peer = arguments::peer(&catalogue, arguments)?;
        let day = arguments::day(arguments, request)?
            .or_else(|| newest(&catalogue, peer))
            .ok_or_else(|| arguments::nothing(&catalogue))?;
        let mut archives = Archives::new(host, &catalogue, peer, &paths);
        archives.allow_missing(arguments.has("allow-missing"));
        let state = archives.state(day)?;
        let plan = plan(&state.tree, &archives.loaded, &targets.wanted)
            .map_err(|it| conflict(&it, day))?;
        let job = Job { host, archives: &archives, catalogue: &catalogue, state: &state, day };
        if dry_run {
            return job.tell(&plan, &targets);
        }
        let done = job.carry_out(&plan, &targets, arguments.has("overwrite"))?;
        job.report(&done, &targets, arguments.json)
    }
}

fn targets_of(arguments: &Arguments, paths: &[Vec<u8>]) -> Result<Targets> {
    match (arguments.get("to"), arguments.has("in-place")) {
        (Some(to), false) => Ok(targets::below(Path::new(to), paths)),
        (None, true) => targets::in_place(paths),
        (Some(_), true) => Err(usage("--to and --in-place do not go together")),
        (None, false) => Err(usage("say where to restore to: --to DIR, or --in-place")),
    }
}

fn conflict(conflict: &Conflict, day: Day) -> Error {
    match conflict {
        Conflict::NotFound(path) => {
            let path = absolute(path);
            let message = format!("{path} was not there on {day}, or was not collected");
            Error::new(ErrorKind::NOT_FOUND, message)
                .hint(format!("`hayloft list --versions {path}` looks at all days"))
        }
        Conflict::NoTarget(path) => Error::new(
            ErrorKind::CORRUPT,
            format!("the content of {} is not in its archive", absolute(path)),
        ),
    }
}

struct Job<'a> {
    host: &'a Host,
    archives: &'a Archives<'a>,
    catalogue: &'a Catalogue<'a>,
    state: &'a DayState,
    day: Day,
}

impl Job<'_> {
    /// Says what would be written.
    fn tell(&self, plan: &Plan<'_>, targets: &Targets) -> Result<u8> {
        let mut all: Vec<_> = plan.directories.iter().chain(plan.files()).collect();
        all.sort_by_key(|it| (it.target, it.path));
        for it in &all {
            let top = targets.names[it.target].display().to_string();
            let path = shown(it.path);
            self.host.print(format!("{}/{path}\n", top.trim_end_matches('/')))?;
        }
        let files = plan.files().count();
        self.host.print(format!("would write {files} files, {}\n", size(plan.bytes)))?;
        self.warn();
        Ok(0)
    }

    fn warn(&self) {
        for warning in &self.state.warnings {
            tracing::warn!("{warning}");
        }
        for (root, day) in &self.state.days {
            if *day != self.day {
                let root = absolute(root);
                tracing::info!("{root} is as of {day}, the last archive up to {}", self.day);
            }
        }
    }

    fn carry_out(&self, plan: &Plan<'_>, targets: &Targets, overwrite: bool) -> Result<Extracted> {
        let archives = self.archives;
        let mut directories = targets.open()?;
        let mut open = |it: usize| archives.open(archives.copies[it]).map_err(Error::into_io);
        let mut going_on = |done| archives.progress("restoring", done, plan.bytes);
        let extraction = Extraction {
            targets: &mut directories,
            overwrite,
            open: &mut open,
            going_on: &mut going_on,
        };
        extract(plan, extraction).map_err(|e| self.error(e, &targets.names))
    }

    fn error(&self, error: ExtractError, targets: &[PathBuf]) -> Error {
        let name = |archive: usize| self.catalogue.describe(self.archives.copies[archive]);
        let full = |target: usize, path: &[u8]| {
            let path = targets[target].join(std::ffi::OsStr::from_bytes(path));
            shown(path.as_os_str().as_bytes())
        };
        match error {
            ExtractError::Exists { target, first, count } => {
                let more = match count - 1 {
                    0 => String::new(),
                    1 => ", and one file more".to_owned(),
                    more => format!(", and {more} files more"),
                };
                let message = format!("{} is there already{more}", full(target, &first));
                Error::new(ErrorKind::ALREADY_EXISTS, message)
                    .hint("nothing was written; --overwrite replaces what is there")
            }
            ExtractError::Write { target, path, source } => {
                Error::from(source).context(format!("cannot restore {}", full(target, &path)))
            }
            ExtractError::Archive { archive, source: ArchiveError::Read(e) } => {
                Error::from(e).context(format!("cannot read {}", name(archive)))
            }
            ExtractError::Archive { archive, source } => {
                Error::new(ErrorKind::CORRUPT, source.to_string())
                    .context(format!("cannot read {}", name(archive)))
            }
            ExtractError::Changed { archive } => {
                Error::msg(format!("{} has changed meanwhile", name(archive)))
                    .hint("was a backup running? try again")
            }
            ExtractError::Cancelled => Error::new(ErrorKind::CANCELLED, "interrupted"),
        }
    }

    fn report(&self, done: &Extracted, targets: &Targets, as_json: bool) -> Result<u8> {
        self.warn();
        let mut warned = !self.state.warnings.is_empty();
        for (count, what) in [
            (done.devices_left_out, "devices were left out: only root can make them"),
            (done.attributes_refused, "attributes were refused by the system or file system"),
        ] {
            if count > 0 {
                tracing::warn!("{count} {what}");
                warned = true;
            }
        }
        if done.owners_kept > 0 {
            tracing::info!("{} files belong to us now: only root can give", done.owners_kept);
        }
        let to = targets.names.first().map(|it| it.display().to_string()).unwrap_or_default();
        self.host.print(if as_json {
            let value = json!({
                "day": self.day.to_string(),
                "to": to,
                "files": done.files,
                "directories": done.directories,
                "bytes": done.bytes,
                "owners_kept": done.owners_kept,
                "attributes_refused": done.attributes_refused,
                "devices_left_out": done.devices_left_out,
                "warnings": self.state.warnings,
            });
            format!("{value}\n")
        } else {
            format!(
                "restored {} files, {} directories, {} as of {}, to {to}\n",
                done.files,
                done.directories,
                size(done.bytes),
                self.day
            )
        })?;
        Ok(if warned { 7 } else { 0 })
    }
}
