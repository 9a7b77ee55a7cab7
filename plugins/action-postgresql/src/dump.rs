//! Makes one dump.

use std::{fs, io, path::Path};

use hayloft_dump::{Attempt, Made, Sink, Started, Watch, stream, unfinished};
use hayloft_plugin_api::{Error, ErrorKind, Progress, Result};

use crate::{arguments, context::Context, failure, pack, plan::Dump, settings::Format, watch};

/// Makes one dump. The file appears whole and durable, or not at all.
///
/// # Errors
///
/// Whatever kept it from being complete, with the last lines that the dump
/// program wrote to its standard error.
pub(crate) fn make(context: &Context<'_>, dump: &Dump) -> Result<Made> {
    let made = match dump.format {
        Format::Directory => packed(context, dump),
        Format::Plain | Format::Custom => again(context, dump, || streamed(context, dump)),
    }?;
    for former in &dump.former {
        context.destination.supersede(&dump.file, former);
    }
    let (what, file) = (&dump.content, context.destination.file_name(&dump.file));
    tracing::info!("dumped {what}: {} bytes in {file}", made.stored);
    Ok(made)
}

/// Tries again what may work a moment later, and once with the programs of
/// another version if these are older than the server.
fn again<T>(
    context: &Context<'_>,
    dump: &Dump,
    mut attempt: impl FnMut() -> Result<Attempt<T>>,
) -> Result<T> {
    let mut changed = false;
    context.retry.run(context.host, failure::patience, || {
        loop {
            let (program, finished) = match attempt()? {
                Attempt::Done(it) => return Ok(it),
                Attempt::Failed { program, finished } => (program, finished),
            };
            let server = failure::server_major(&finished.stderr);
            let older = failure::is_version_mismatch(&finished) && !changed;
            changed = true;
            if older && context.programs.change(arguments::program(dump), &program, server) {
                continue;
            }
            let error = failure::MEANINGS.of_program(&program, &finished);
            return Err(error.unwrap_or_else(|| Error::msg(format!("{program} failed"))));
        }
    })
}

fn start(context: &Context<'_>, dump: &Dump, directory: Option<&Path>) -> Result<Started> {
    let arguments = arguments::arguments(context.settings, &context.target, dump, directory);
    let environment = context.target.environment(arguments::database(dump));
    context.start(arguments::program(dump), &arguments, &environment)
}

fn streamed(context: &Context<'_>, dump: &Dump) -> Result<Attempt<Made>> {
    let complaint = |watch: &Watch| watch::complaint(watch, dump).map(ToOwned::to_owned);
    stream(&context.destination, &dump.file, || start(context, dump, None), complaint)
}

fn packed(context: &Context<'_>, dump: &Dump) -> Result<Made> {
    let directory = context.scratch()?.join(&dump.file);
    let made = again(context, dump, || unpacked(context, dump, &directory))
        .and_then(|()| pack_up(context, dump, &directory));
    // The whole scratch directory goes at the end; this only makes room early.
    remove(&directory);
    made
}

fn remove(directory: &Path) {
    if let Err(error) = fs::remove_dir_all(directory)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::debug!("cannot remove {}: {error}", directory.display());
    }
}

fn unpacked(context: &Context<'_>, dump: &Dump, directory: &Path) -> Result<Attempt<()>> {
    // It begins with an empty place, also when it is tried again.
    remove(directory);
    let mut started = start(context, dump, Some(directory))?;
    io::copy(&mut started.process, &mut io::sink())?;
    if let Some(failed) = started.bad_end()? {
        return Ok(failed);
    }
    let program = started.program;
    context.host.check_cancelled()?;
    let complete = pack::is_complete(directory).map_err(|e| {
        Error::from(e)
            .context(format!("cannot read what {program} wrote to {}", directory.display()))
    })?;
    if !complete {
        let message = format!("{program} ended well, but its table of contents is damaged");
        return Err(Error::new(ErrorKind::CORRUPT, message));
    }
    Ok(Attempt::Done(()))
}

fn pack_up(context: &Context<'_>, dump: &Dump, directory: &Path) -> Result<Made> {
    let file = context.destination.file_name(&dump.file);
    let total = pack::size(directory)?;
    let sink = context.destination.create(&dump.file)?;
    let name = dump.file.strip_suffix(".tar").unwrap_or(&dump.file);
    let mut done = 0;
    let sink = pack::pack(directory, name, sink, |bytes| {
        done += bytes;
        context.host.progress(Progress { what: &file, done, total });
        context.host.check_cancelled().map_err(Error::into_io)
    });
    let output = sink.and_then(Sink::finish).map_err(|error| unfinished(&file, error.into()))?;
    context.destination.commit(&dump.file, output, total)
}
