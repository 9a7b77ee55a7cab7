//! The way there.

use std::io::{Result, Write};

use crc32fast::Hasher;

use crate::MAGIC;

/// Takes content, in pieces of any size.
pub(crate) struct Encoder {
    longest: u8,
    pub(crate) out: Vec<u8>,
    /// The count and the byte that will be given out next.
    run: Option<(u8, u8)>,
    crc: Hasher,
}

impl Encoder {
    pub(crate) fn new(longest: u8) -> Self {
        Self { longest, out: MAGIC.to_vec(), run: None, crc: Hasher::new() }
    }

    pub(crate) fn finish(mut self) -> Result<Vec<u8>> {
        self.flush()?;
        self.out.push(0);
        self.out.extend(self.crc.finalize().to_le_bytes());
        Ok(self.out)
    }
}

impl Write for Encoder {
    fn write(&mut self, data: &[u8]) -> Result<usize> {
        self.crc.update(data);
        for &byte in data {
            match &mut self.run {
                Some((count, last)) if *last == byte && *count < self.longest => *count += 1,
                _ => {
                    self.flush()?;
                    self.run = Some((1, byte));
                }
            }
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> Result<()> {
        if let Some((count, byte)) = self.run.take() {
            self.out.extend([count, byte]);
        }
        Ok(())
    }
}
