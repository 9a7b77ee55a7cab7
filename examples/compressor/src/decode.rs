//! The way back.

use std::io::{Error, ErrorKind, Result, Write};

use crc32fast::Hasher;

use crate::MAGIC;

/// Takes streams in pieces of any size, several in a row too.
#[derive(Default)]
pub(crate) struct Decoder {
    pub(crate) out: Vec<u8>,
    /// The beginning of what comes next: magic, pair, or checksum.
    held: Vec<u8>,
    inside: bool,
    streams: u64,
    crc: Hasher,
}

/// `InvalidData` becomes `ErrorKind::CORRUPT` at the boundary.
fn corrupt(message: &str) -> Error {
    Error::new(ErrorKind::InvalidData, message)
}

impl Decoder {
    pub(crate) fn finish(self) -> Result<Vec<u8>> {
        let whole = self.streams > 0 && !self.inside && self.held.is_empty();
        if whole { Ok(self.out) } else { Err(corrupt("the stream is cut off")) }
    }

    fn take(&mut self, byte: u8) -> Result<()> {
        self.held.push(byte);
        match (self.inside, self.held.as_slice()) {
            (false, held) if !MAGIC.starts_with(held) => {
                return Err(corrupt("a stream does not begin with RLE1"));
            }
            (false, held) if held.len() < MAGIC.len() => return Ok(()),
            (false, _) => self.inside = true,
            (true, [0, sum @ ..]) if sum.len() < 4 => return Ok(()),
            (true, [0, sum @ ..]) => {
                if std::mem::take(&mut self.crc).finalize().to_le_bytes() != *sum {
                    return Err(corrupt("the checksum is not that of the content"));
                }
                self.streams += 1;
                self.inside = false;
            }
            (true, &[count, byte]) => {
                let run = [byte; 255];
                self.crc.update(&run[..usize::from(count)]);
                self.out.extend(&run[..usize::from(count)]);
            }
            (true, _) => return Ok(()),
        }
        self.held.clear();
        Ok(())
    }
}

impl Write for Decoder {
    fn write(&mut self, data: &[u8]) -> Result<usize> {
        data.iter().try_for_each(|byte| self.take(*byte)).map(|()| data.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
