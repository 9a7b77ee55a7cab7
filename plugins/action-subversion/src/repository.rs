//! One repository: looks at it, dumps what is to be dumped, and remembers it.

use std::ops::RangeInclusive;

use hayloft_dump::{Destination, Made, transfer};
use hayloft_plugin_api::{Error, ErrorKind, Result};

use crate::{
    context::Context,
    dumpfile::Dumpfile,
    earlier,
    names::{self, shown},
    plan::{self, Base, Decision},
    sources::Source,
    state::{Known, Last},
    svnlook,
};

/// What was done with a repository.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// The dumps that were made, or would be: the names of their files.
    pub files: Vec<String>,
    /// Their sizes together.
    pub made: Made,
    /// The revisions in them.
    pub revisions: u64,
    /// What a person should look at.
    pub warnings: Vec<String>,
    /// The repository's UUID, if it was asked for, and the revisions that the
    /// new dumps have.
    pub dumped: Vec<RangeInclusive<u64>>,
}

/// A dump to be made.
#[derive(Debug)]
struct Job<'a> {
    revisions: RangeInclusive<u64>,
    compress: &'a str,
    remembered: bool,
}

/// A repository as it is found.
#[derive(Debug)]
struct Found<'a> {
    path: &'a [u8],
    address: String,
    youngest: u64,
    /// Known if a dump of it is or was remembered.
    uuid: Option<String>,
}

/// Does with the repository at `path` what `sources`, all of that path and
/// due today, ask for.
///
/// # Errors
///
/// Whatever kept a dump from being whole and durable.
pub(crate) fn back_up(context: &Context<'_>, path: &[u8], sources: &[&Source]) -> Result<Report> {
    context.host.check_cancelled()?;
    let mut report = Report::default();
    if sources.is_empty() {
        return Ok(report);
    }
    let found = look(context, path, sources)?;
    for job in jobs(context, &found, sources, &mut report)? {
        let destination = context.destination(job.compress)?;
        let stem = context.names.stem(path);
        let base = names::dump(*job.revisions.start(), *job.revisions.end(), &stem);
        report.files.push(destination.file_name(&base));
        if context.request.dry_run {
            let file = destination.file_name(&base);
            tracing::info!("would dump {} into {file}", shown(path));
            continue;
        }
        let made = make(context, destination, &found, &job, &base)?;
        if job.remembered {
            remember(context, &found, *job.revisions.end())?;
        }
        tracing::info!("dumped {} into {}", shown(path), destination.file_name(&base));
        report.made.dumped += made.dumped;
        report.made.stored += made.stored;
        report.revisions += job.revisions.end() - job.revisions.start() + 1;
        report.dumped.push(job.revisions);
    }
    Ok(report)
}

fn look<'a>(context: &Context<'_>, path: &'a [u8], sources: &[&Source]) -> Result<Found<'a>> {
    let address = context.address(path)?;
    let youngest = svnlook::youngest(context, &address)?;
    let remembered = sources.iter().any(|it| it.mode.is_remembered());
    let uuid = remembered.then(|| svnlook::uuid(context, &address)).transpose()?;
    Ok(Found { path, address, youngest, uuid })
}

fn jobs<'a>(
    context: &Context<'_>,
    found: &Found<'_>,
    sources: &[&'a Source],
    report: &mut Report,
) -> Result<Vec<Job<'a>>> {
    let mut jobs: Vec<Job<'a>> = Vec::new();
    let mut base = None;
    for source in sources {
        let asks = source.mode.asks_for_base(context.is_complete());
        if asks && base.is_none() {
            base = Some(find_base(context, found)?);
        }
        let (revisions, because) = match plan::decide(found.youngest, base.clone().filter(|_| asks))
        {
            Decision::Dump { revisions, because } => (revisions, because),
            Decision::NothingNew => {
                tracing::info!("no need to back up {}: nothing is new", shown(found.path));
                continue;
            }
        };
        if let Some(why) = because {
            let warning = format!("all of {} is dumped, because {why}", shown(found.path));
            if !report.warnings.contains(&warning) {
                report.warnings.push(warning);
            }
        }
        let (compress, remembered) = (source.compress.as_str(), source.mode.is_remembered());
        let same = |it: &&mut Job<'_>| it.revisions == revisions && it.compress == compress;
        match jobs.iter_mut().find(same) {
            Some(job) => job.remembered |= remembered,
            None => jobs.push(Job { revisions, compress, remembered }),
        }
    }
    Ok(jobs)
}

fn find_base(context: &Context<'_>, found: &Found<'_>) -> Result<Base> {
    let last = match context.memory.of(found.path, context.names.is_shared(found.path)) {
        // Dumps of it are there, so something was known.
        Known::Nothing if earlier::exist(context, found.path) => {
            return Ok(Base::Unusable("what was known of its last dump is lost".to_owned()));
        }
        Known::Nothing => return Ok(Base::None),
        Known::Broken(why) => return Ok(Base::Unusable(why)),
        Known::Cedar(revision) => return Ok(Base::Upto(revision)),
        Known::Ours(last) => last,
    };
    if found.uuid.as_deref() != Some(&last.uuid) {
        let why = "it is another repository than the one that was dumped before";
        return Ok(Base::Unusable(why.to_owned()));
    }
    if last.revision <= found.youngest {
        let now = svnlook::fingerprint(context, &found.address, last.revision)?;
        if now != last.fingerprint {
            return Ok(Base::Unusable(format!(
                "its revision {} is not the one that was dumped before: the repository was \
                 restored or changed",
                last.revision
            )));
        }
    }
    Ok(Base::Upto(last.revision))
}

fn make(
    context: &Context<'_>,
    destination: &Destination<'_>,
    found: &Found<'_>,
    job: &Job<'_>,
    base: &str,
) -> Result<Made> {
    let range = format!("-r{}:{}", job.revisions.start(), job.revisions.end());
    let arguments = ["dump", "--quiet", &range, "--incremental", &found.address];
    let mut dump = Dumpfile::new(job.revisions.clone());
    let start = || context.start("svnadmin", &arguments);
    let moved = transfer(destination, base, start, |piece| dump.see(piece))?;
    Context::expect_good_end(&moved.program, &moved.finished)?;
    if let Some(complaint) = dump.complaint() {
        let message = format!("{complaint}, although svnadmin ended well");
        return Err(Error::new(ErrorKind::CORRUPT, message));
    }
    moved.commit(destination, base)
}

fn remember(context: &Context<'_>, found: &Found<'_>, revision: u64) -> Result<()> {
    let fingerprint = svnlook::fingerprint(context, &found.address, revision)?;
    let uuid = found.uuid.as_deref().unwrap_or_default();
    context.memory.put(found.path, &Last::new(found.path, uuid, revision, fingerprint))
}
