//! What an earlier run of the same day has made: the next one makes a file of
//! the same name, and what is in it must be in the new one too.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use hayloft_dump::Destination;
use hayloft_plugin_api::{DecodeReader, Error, Host, Result};

/// How many bytes a compressor is recognised by.
const MAGIC: u64 = 64;

/// Opens the file of today that is a backup of the same thing, without its
/// compression; `None` if there is none.
///
/// # Errors
///
/// If it is there but cannot be read.
pub(crate) fn open(destination: &Destination<'_>, base: &str) -> Result<Option<Box<dyn Read>>> {
    let Some(name) = destination.existing(base).into_iter().next() else { return Ok(None) };
    let path = destination.directory().join(&name);
    let opened = decoded(destination.host(), &path, &name);
    opened.map(Some).map_err(|error| error.context(format!("cannot read {}", path.display())))
}

fn decoded(host: &Host, path: &Path, name: &str) -> Result<Box<dyn Read>> {
    let mut head = Vec::new();
    File::open(path)?.take(MAGIC).read_to_end(&mut head)?;
    let file = BufReader::new(File::open(path)?);
    Ok(match host.recognise(name, &head)? {
        Some(compressor) => Box::new(DecodeReader::new(compressor.decoder()?, file)),
        None => Box::new(file),
    })
}

/// Fails as reading an earlier file of today.
pub(crate) fn unusable(error: io::Error) -> Error {
    Error::from(error).context("cannot read what an earlier run of today has made")
}
