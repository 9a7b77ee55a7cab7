//! Compression and encryption taken off again.

use std::io::{self, Cursor, Read};

use hayloft_plugin_api::{DecodeReader, Error, ErrorKind, Host, Result};

use crate::archive::{BLOCK, is_tar};

/// Nobody puts more layers around a file.
const MOST_LAYERS: usize = 8;

/// A stream of bytes.
type Stream = Box<dyn Read + Send>;

/// Takes everything off around an archive.
///
/// # Errors
///
/// If there is no archive in it, or no key at hand.
pub(crate) fn plain(host: &Host, name: &str, stream: Stream) -> Result<Stream> {
    let (stream, _, is_archive) = peel(host, name, stream, is_tar)?;
    if is_archive {
        return Ok(stream);
    }
    Err(Error::new(ErrorKind::CORRUPT, format!("{name} is no archive")).hint(
        "if it was split and then encrypted, put it together first: `hayloft decrypt --into DIR DAY`, \
         then `hayloft join DIR`",
    ))
}

/// Takes off what the name says was put around a file; returns the name that
/// is left, too.
///
/// # Errors
///
/// If no key is at hand.
pub(crate) fn decoded(host: &Host, name: &str, stream: Stream) -> Result<(Stream, String)> {
    let (stream, name, _) = peel(host, name, stream, |_| false)?;
    Ok((stream, name))
}

fn peel(
    host: &Host,
    name: &str,
    mut stream: Stream,
    is_done: impl Fn(&[u8]) -> bool,
) -> Result<(Stream, String, bool)> {
    let mut name = name.to_owned();
    for _ in 0..MOST_LAYERS {
        let head = head(&mut stream)?;
        let done = is_done(&head);
        // A file without a suffix is not looked into: what a dump begins with
        // may look like anything.
        let found = if done { None } else { host.recognise(&name, &head)? };
        let found = found.filter(|it| !it.suffix().is_empty() && name.ends_with(it.suffix()));
        stream = Box::new(Cursor::new(head).chain(stream));
        let Some(transform) = found else { return Ok((stream, name, done)) };
        name.truncate(name.len() - transform.suffix().len());
        stream = Box::new(DecodeReader::new(transform.decoder()?, stream));
    }
    Err(Error::new(ErrorKind::CORRUPT, format!("{name} is encoded over and over")))
}

fn head(stream: &mut Stream) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(BLOCK);
    stream.take(BLOCK as u64).read_to_end(&mut head)?;
    Ok(head)
}
