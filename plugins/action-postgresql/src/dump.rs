//! Makes one dump.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{
    Error, ErrorKind, Finished, Output, OutputOptions, Process, Progress, Result, StreamOptions,
};

use crate::{
    arguments,
    context::Context,
    failure, pack,
    plan::Dump,
    pump::{Sink, pump},
    settings::Format,
    watch::Watch,
};

/// A dump that was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Made {
    /// The bytes that the dump program wrote.
    pub dumped: u64,
    /// The size of the file.
    pub stored: u64,
}

/// How an attempt ended: with something, or with the program's bad end.
enum Attempt<T> {
    Done(T),
    Failed { program: String, finished: Finished },
}

/// Returns the file that `dump` is made into, without its directory.
pub(crate) fn file_name(context: &Context<'_>, dump: &Dump) -> String {
    format!("{}{}", dump.file, context.compressor.suffix())
}

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
    let what = &dump.content;
    tracing::info!("dumped {what}: {} bytes in {}", made.stored, file_name(context, dump));
    Ok(made)
}

/// Tries once more with the programs of another version if these are older
/// than the server.
fn again<T>(
    context: &Context<'_>,
    dump: &Dump,
    mut attempt: impl FnMut() -> Result<Attempt<T>>,
) -> Result<T> {
    let mut changed = false;
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
        let error = failure::of_program(&program, &finished);
        return Err(error.unwrap_or_else(|| Error::msg(format!("{program} failed"))));
    }
}

fn start(
    context: &Context<'_>,
    dump: &Dump,
    directory: Option<&Path>,
) -> Result<(Process, String)> {
    let arguments = arguments::arguments(context.settings, &context.target, dump, directory);
    let environment = context.target.environment(arguments::database(dump));
    context.start(arguments::program(dump), &arguments, &environment)
}

fn streamed(context: &Context<'_>, dump: &Dump) -> Result<Attempt<Made>> {
    let file = file_name(context, dump);
    let sink = open(context, &file)?;
    let (mut process, program) = start(context, dump, None)?;
    let mut watch = Watch::default();
    let output = pump(&mut process, sink, Sink::finish, |piece| {
        watch.see(piece);
        context.host.progress(Progress { what: &file, done: watch.bytes(), total: 0 });
        context.host.check_cancelled()
    });
    // The program's end says more than that of its stream.
    let output = match output {
        Ok(output) => output,
        Err(error) => return Err(unfinished(&file, error)),
    };
    let finished = process.wait()?;
    if failure::of_program(&program, &finished).is_some() {
        return Ok(Attempt::Failed { program, finished });
    }
    context.host.check_cancelled()?;
    if let Some(complaint) = watch.complaint(dump) {
        let message = format!("{complaint}, although {program} ended well");
        return Err(Error::new(ErrorKind::CORRUPT, message));
    }
    commit(output, watch.bytes()).map(Attempt::Done)
}

fn packed(context: &Context<'_>, dump: &Dump) -> Result<Made> {
    let directory = context.scratch()?.join(&dump.file);
    let made = again(context, dump, || unpacked(context, dump, &directory))
        .and_then(|()| pack_up(context, dump, &directory));
    // The whole scratch directory goes at the end; this only makes room early.
    if let Err(error) = fs::remove_dir_all(&directory)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::debug!("cannot remove {}: {error}", directory.display());
    }
    made
}

fn unpacked(context: &Context<'_>, dump: &Dump, directory: &Path) -> Result<Attempt<()>> {
    let (mut process, program) = start(context, dump, Some(directory))?;
    io::copy(&mut process, &mut io::sink())?;
    let finished = process.wait()?;
    if failure::of_program(&program, &finished).is_some() {
        return Ok(Attempt::Failed { program, finished });
    }
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
    let file = file_name(context, dump);
    let total = pack::size(directory)?;
    let sink = open(context, &file)?;
    let name = dump.file.strip_suffix(".tar").unwrap_or(&dump.file);
    let mut done = 0;
    let sink = pack::pack(directory, name, sink, |bytes| {
        done += bytes;
        context.host.progress(Progress { what: &file, done, total });
        context.host.check_cancelled().map_err(Error::into_io)
    });
    let output = sink.and_then(Sink::finish).map_err(|error| unfinished(&file, error.into()))?;
    commit(output, total)
}

fn open(context: &Context<'_>, file: &str) -> Result<Sink> {
    let path: PathBuf = context.collect_dir.join(file);
    let failed = |error: Error| error.context(format!("cannot write {}", path.display()));
    let output = context.host.create(&path, &OutputOptions::default()).map_err(failed)?;
    let codec = if context.settings.compress == "none" {
        None
    } else {
        Some(context.compressor.encoder(StreamOptions::default()).map_err(failed)?)
    };
    Ok(Sink::new(codec, output))
}

fn unfinished(file: &str, error: Error) -> Error {
    let full = error.kind() == ErrorKind::FULL;
    let error = error.context(format!("cannot make {file}"));
    if full { error.hint("make room on the disk of <collect_dir>") } else { error }
}

fn commit(output: Output, dumped: u64) -> Result<Made> {
    let stored = output.written();
    output.commit()?;
    Ok(Made { dumped, stored })
}
