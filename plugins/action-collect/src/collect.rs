//! The action: every configured item made into an archive.

mod archive;
mod exclusions;
mod indicators;
mod items;
mod memory;
mod outputs;
mod summary;

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{
    Action, Error, ErrorKind, Host, Outcome, Request, Result, Settings,
    cedar::{self, Names, Options, read_section, text},
};

use self::{
    archive::Archiver,
    indicators::Indicators,
    items::{Item, Unit},
    outputs::Outputs,
    summary::Summary,
};
use crate::{pack::PackError, shown::shown, walk::WalkError};

/// The `collect` action.
#[derive(Debug)]
pub struct Collect {
    config: cedar::Collect,
}

/// Actions that put nothing into the collect directory. If any other one has
/// failed before, what is there is not complete.
const NOT_COLLECTING: &[&str] = &[
    "stage",
    "store",
    "purge",
    "rebuild",
    "validate",
    "initialize",
    "capacity",
    "split",
    "encrypt",
    "amazons3",
];

impl Action for Collect {
    type Config = cedar::Collect;

    fn new(config: cedar::Collect) -> Result<Self> {
        Ok(Self { config })
    }

    fn run(&self, host: &Host, request: &Request) -> Result<Outcome> {
        let run = Run::prepare(host, request, &self.config)?;
        if request.dry_run {
            return run.dry();
        }
        // Whatever happens from here on: what was ready is so no more.
        let staged = run.indicators.begin(&request.now)?;
        run.carry_out(staged)
    }
}

/// One run of the action.
struct Run<'a> {
    host: &'a Host,
    request: &'a Request,
    settings: Settings,
    collect_dir: PathBuf,
    indicators: Indicators,
    items: Vec<Item>,
}

impl<'a> Run<'a> {
    fn prepare(host: &'a Host, request: &'a Request, config: &cedar::Collect) -> Result<Self> {
        let settings = host.settings()?;
        let Some(collect_dir) = text(&config.collect_dir).map(PathBuf::from) else {
            return Err(Error::new(
                ErrorKind::CONFIGURATION,
                "the configuration has no collect/collect_dir",
            ));
        };
        let indicators = Indicators::new(&collect_dir);
        let options = options(host);
        let items = cedar::effective_collect(&options, config);
        if items.is_empty() {
            let message = "there must be at least one collect/file or collect/dir";
            return Err(Error::new(ErrorKind::CONFIGURATION, message));
        }
        let items = items.into_iter().map(Item::new).collect::<Result<_>>()?;
        Ok(Self { host, request, settings, collect_dir, indicators, items })
    }

    fn due(&self, item: &Item) -> bool {
        let Request { start_of_week, full, .. } = *self.request;
        cedar::is_due(&item.effective.collect_mode, start_of_week, full)
    }

    /// Returns the archives that are to be made, and what is wrong with items
    /// of which not even that can be said.
    fn units(&self, item_errors: &mut Vec<Error>) -> Result<Vec<Unit<'_>>> {
        let never = fs::metadata(&self.collect_dir).ok().map(|it| (it.dev(), it.ino()));
        let mut all = Vec::new();
        for item in &self.items {
            let due = self.due(item);
            match item.units(self.host, due, never) {
                Ok(units) => all.extend(units),
                Err(e) if due => item_errors.push(e),
                Err(_) => {}
            }
        }
        items::refuse_clashes(&all)?;
        all.retain(|it| it.due);
        Ok(all)
    }

    fn dry(&self) -> Result<Outcome> {
        let mut errors = Vec::new();
        let units = self.units(&mut errors)?;
        for unit in &units {
            let archive = self.collect_dir.join(&unit.archive);
            tracing::info!("would collect {} into {}", shown(&unit.path), archive.display());
        }
        if !errors.is_empty() {
            return Err(gathered(&errors, units.len() + errors.len()));
        }
        Ok(Outcome::new(format!("would make {} archives", units.len())))
    }

    fn carry_out(&self, staged: bool) -> Result<Outcome> {
        if !self.collect_dir.is_dir() {
            let message = format!("there is no collect directory {}", self.collect_dir.display());
            return Err(Error::new(ErrorKind::NOT_FOUND, message)
                .hint("create it, or correct collect/collect_dir"));
        }
        let mut errors = Vec::new();
        let units = self.units(&mut errors)?;
        let mut outputs = Outputs::load(self.host)?;
        let mut summary = Summary::default();
        let count = units.len() + errors.len();
        for unit in &units {
            self.host.check_cancelled()?;
            let archiver = Archiver {
                host: self.host,
                request: self.request,
                working_dir: &self.settings.working_dir,
                collect_dir: &self.collect_dir,
                staged,
            };
            // Known before it is there: a crash leaves nothing unknown.
            outputs.add(self.host, &unit.archive)?;
            match archiver.make(unit) {
                Ok(made) => summary.add(made),
                Err(e) if e.kind() == ErrorKind::CANCELLED => return Err(e),
                Err(e) => errors.push(e),
            }
        }
        let produced = |name: &str| units.iter().any(|it| it.archive == name);
        outputs.clean_up(self.host, &self.collect_dir, staged, produced)?;
        if !errors.is_empty() {
            return Err(gathered(&errors, count));
        }
        self.finish(summary)
    }

    /// Says that what is in the collect directory is ready, if it is.
    fn finish(&self, summary: Summary) -> Result<Outcome> {
        let mut outcome = summary.outcome();
        let failed = self.request.failed.iter();
        let mut failed = failed
            .filter(|it| !NOT_COLLECTING.contains(&it.as_str()) && **it != self.request.action);
        if let Some(action) = failed.next() {
            outcome.warnings.push(format!(
                "{} is not ready to be staged, because {action} failed",
                self.collect_dir.display()
            ));
            return Ok(outcome);
        }
        self.indicators.finish(self.host)?;
        Ok(outcome)
    }
}

fn options(host: &Host) -> Options {
    let document = host.document();
    let Some(node) = document.child("options") else { return Options::default() };
    read_section::<Options>(node, &Names::any(), &cedar::Context::default()).0
}

/// Makes one error of all; the first one's kind counts.
fn gathered(errors: &[Error], items: usize) -> Error {
    if let [one] = errors {
        return one.clone();
    }
    let kind = errors.first().map_or(ErrorKind::OTHER, Error::kind);
    let mut texts = errors.iter().map(ToString::to_string).collect::<Vec<_>>();
    texts.sort();
    texts.dedup();
    let message = format!("{} of {items} items failed: {}", errors.len(), texts.join("; "));
    let hint = errors.iter().find_map(Error::remedy);
    let error = Error::new(kind, message);
    if let Some(hint) = hint { error.hint(hint) } else { error }
}

/// Turns what went wrong with an item into an error that names it.
fn item_error(path: &[u8], error: PackError) -> Error {
    let path = shown(path);
    match error {
        PackError::Cancelled => Error::new(ErrorKind::CANCELLED, "interrupted"),
        PackError::Write(e) | PackError::State(e) => {
            Error::from(e).context(format!("cannot collect {path}"))
        }
        PackError::Walk(WalkError::Root { source, .. }) => {
            Error::from(source).context(format!("cannot collect {path}"))
        }
        PackError::Walk(e @ WalkError::Type { .. }) => Error::msg(e.to_string()),
        other => Error::from(other).context(format!("cannot collect {path}")),
    }
}

/// Makes a rename durable.
fn sync_directory(path: &Path) -> Result<()> {
    let synced = fs::File::open(path).and_then(|it| it.sync_all());
    synced.map_err(|e| Error::from(e).context(format!("cannot sync {}", path.display())))
}
