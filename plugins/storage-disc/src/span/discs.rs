//! Writes one disc after the other, and asks what to do when it goes wrong.

use std::path::Path;

use hayloft_plugin_api::{Error, ErrorKind, LocalTime, Result};

use super::{
    dialogue::Dialogue,
    files::{Load, SpanFile},
};
use crate::{burn::Written, config::Disc, drive::Drive, policy};

/// Returns the target of one disc. A file stands for a single disc, which may
/// have other days, so that these get files of their own beside it.
pub fn device_of(disc: &Disc, is_file: bool, number: usize) -> String {
    if !is_file {
        return disc.device.clone();
    }
    let stem = disc.device.strip_suffix(".iso").unwrap_or(&disc.device);
    format!("{stem}-{number}.iso")
}

/// Makes sure that files of their own are not there yet: they have parts of
/// other days.
///
/// # Errors
///
/// [`ErrorKind::ALREADY_EXISTS`] with the first one that is.
pub fn check_free(disc: &Disc, is_file: bool, all: usize) -> Result<()> {
    for this in 1..=all {
        let device = device_of(disc, is_file, this);
        let taken = Path::new(&device).metadata().is_ok_and(|it| it.len() > 0);
        if device != disc.device && taken {
            let message = format!("{device} is there already");
            return Err(Error::new(ErrorKind::ALREADY_EXISTS, message)
                .hint("it has an earlier part of the days; move it away"));
        }
    }
    Ok(())
}

/// Writes one disc and checks it, if that is configured.
///
/// # Errors
///
/// If the user gives up.
pub fn write(
    drive: &Drive<'_>,
    dialogue: Dialogue<'_>,
    (files, now): (&[&SpanFile], &LocalTime),
) -> Result<()> {
    let label = policy::label(now);
    let prepare = || Load::new(label.clone(), files, &drive.working_dir);
    let load =
        retry(dialogue, "The image cannot be prepared", "Retry initialization step?", prepare)?;
    dialogue.say("Writing the disc...")?;
    let mut written = write_until_done(drive, dialogue, &load)?;
    if drive.disc.check_data {
        dialogue.say("Checking the disc...")?;
        while let Err(error) = drive.check(&written, &load.expected) {
            failed(dialogue, "The check has failed", &error)?;
            if !dialogue_retries(dialogue, "Retry the consistency check?")? {
                return Err(error);
            }
            if dialogue.agree("Rewrite the disc first?", false)? {
                dialogue.wait("Please put another disc into the drive.")?;
                drop(written);
                written = write_until_done(drive, dialogue, &load)?;
            }
        }
    }
    written.commit()?;
    dialogue.say("The disc is written.")
}

fn write_until_done(drive: &Drive<'_>, dialogue: Dialogue<'_>, load: &Load) -> Result<Written> {
    loop {
        let error = match drive.write(&load.contents, true) {
            Ok(written) => return Ok(written),
            Err(error) => error,
        };
        failed(dialogue, "The disc cannot be written", &error)?;
        if !dialogue_retries(dialogue, "Retry this step?")? {
            return Err(error);
        }
        dialogue.wait("Please replace the disc if that is needed.")?;
    }
}

fn retry<T>(
    dialogue: Dialogue<'_>,
    what: &str,
    question: &str,
    step: impl Fn() -> Result<T>,
) -> Result<T> {
    loop {
        let error = match step() {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        failed(dialogue, what, &error)?;
        if !dialogue_retries(dialogue, question)? {
            return Err(error);
        }
    }
}

/// Tells what went wrong; an interruption is passed on.
fn failed(dialogue: Dialogue<'_>, what: &str, error: &Error) -> Result<()> {
    if error.kind() == ErrorKind::CANCELLED {
        return Err(error.clone());
    }
    dialogue.say(&format!("{what}: {error}"))
}

/// Without somebody to change something, trying again helps nobody.
fn dialogue_retries(dialogue: Dialogue<'_>, question: &str) -> Result<bool> {
    if dialogue.agreed { Ok(false) } else { dialogue.agree(question, true) }
}
