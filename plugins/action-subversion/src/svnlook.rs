//! What a repository says about itself.

use std::io::{self, Read};

use hayloft_plugin_api::{Error, ErrorKind, Result, text::one_line};
use sha2::{Digest, Sha256};

use crate::{context::Context, names};

/// More than any answer that is not hashed.
const LONGEST_ANSWER: u64 = 64 << 10;

/// Returns the number of the newest revision.
///
/// # Errors
///
/// If it is no repository, or `svnlook` cannot read it.
pub(crate) fn youngest(context: &Context<'_>, repository: &str) -> Result<u64> {
    let answer = ask(context, &["youngest", repository])?;
    answer.parse().map_err(|_| {
        let message = format!("svnlook says `{answer}` where the newest revision must be");
        Error::new(ErrorKind::CORRUPT, message)
    })
}

/// Returns the repository's UUID.
///
/// # Errors
///
/// If `svnlook` cannot read it.
pub(crate) fn uuid(context: &Context<'_>, repository: &str) -> Result<String> {
    ask(context, &["uuid", repository])
}

/// Returns a digest of a revision, by which it is known again: of its time
/// and of what it changed. The log message is not in it, because people
/// correct those.
///
/// # Errors
///
/// If there is no such revision, or `svnlook` cannot read it.
pub(crate) fn fingerprint(
    context: &Context<'_>,
    repository: &str,
    revision: u64,
) -> Result<String> {
    let revision = revision.to_string();
    let mut hash = Hash(Sha256::new());
    for subcommand in ["date", "changed"] {
        let mut started = context.start("svnlook", &[subcommand, "-r", &revision, repository])?;
        io::copy(&mut started.process, &mut hash)?;
        Context::expect_good_end(&started.program, &started.process.wait()?)?;
        hash.0.update([0]);
    }
    Ok(names::hex(&hash.0.finalize()))
}

struct Hash(Sha256);

impl io::Write for Hash {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.update(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn ask(context: &Context<'_>, arguments: &[&str]) -> Result<String> {
    let mut started = context.start("svnlook", arguments)?;
    let mut answer = Vec::new();
    (&mut started.process).take(LONGEST_ANSWER).read_to_end(&mut answer)?;
    io::copy(&mut started.process, &mut io::sink())?;
    Context::expect_good_end(&started.program, &started.process.wait()?)?;
    Ok(one_line(String::from_utf8_lossy(&answer).trim()))
}
