//! Whether what is stored under a name is what is to be stored under it.

use std::io::{self, Read};

use hayloft_plugin_api::Result;

use super::source::Source;

/// How much is compared at a time, in bytes.
const BUFFER: usize = 256 << 10;

/// Tells whether a stream holds what a file does, no more and no less.
///
/// # Errors
///
/// If either cannot be read.
pub(super) fn same(source: &Source, stored: &mut dyn Read) -> Result<bool> {
    let (mut ours, mut theirs) = (vec![0; BUFFER], vec![0; BUFFER]);
    let mut at = 0;
    loop {
        let read = full(stored, &mut theirs)?;
        let expected = source.read(&mut ours, at)?;
        if ours[..expected] != theirs[..read] {
            return Ok(false);
        }
        at += read as u64;
        if read < BUFFER {
            return Ok(at == source.size);
        }
    }
}

/// Reads until the buffer is full or there is no more.
pub(super) fn full(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}
