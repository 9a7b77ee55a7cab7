//! Frames in a row.

use std::io::{self, BufRead, Read};

use hayloft_plugin_api::{Codec, Error, ErrorKind, Op, Result, Step};
use lz4_flex::frame::FrameDecoder;

use crate::frame::{Block, Head, Layout, head};

/// Decodes all frames up to the end of the input. Checksums are compared;
/// skippable frames are skipped.
///
/// The library decodes what it reads from a reader and cannot wait for more,
/// so it is given whole blocks only.
#[derive(Debug)]
pub(crate) struct Lz4Decoder {
    /// Has read nothing but whole blocks.
    decoder: FrameDecoder<Gathered>,
    place: Place,
    /// How many decoded bytes wait in `decoder`.
    waiting: usize,
}

/// A header, a block or both, as far as they have come.
#[derive(Debug, Default)]
struct Gathered {
    bytes: Vec<u8>,
    read: usize,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Start,
    /// Before a block; that many of the gathered bytes come before it.
    InFrame(Layout, usize),
    Skipping(usize),
    AfterFrame,
}

impl Read for Gathered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = (&self.bytes[self.read..]).read(buffer)?;
        self.read += n;
        Ok(n)
    }
}

impl Lz4Decoder {
    pub(crate) fn new() -> Self {
        let decoder = FrameDecoder::new(Gathered::default());
        Self { decoder, place: Place::Start, waiting: 0 }
    }

    fn give(&mut self, output: &mut [u8]) -> Result<usize> {
        let n = self.waiting.min(output.len());
        if n > 0 {
            let decoded = self.decoder.fill_buf().map_err(damaged)?;
            output[..n].copy_from_slice(&decoded[..n]);
            self.decoder.consume(n);
            self.waiting -= n;
        }
        Ok(n)
    }

    /// Takes what belongs to the present part of the frame, and decodes it if
    /// that makes it complete.
    fn take(&mut self, input: &[u8]) -> Result<usize> {
        if let Place::Skipping(left) = self.place {
            let n = left.min(input.len());
            self.place = if n == left { Place::AfterFrame } else { Place::Skipping(left - n) };
            return Ok(n);
        }
        let mut taken = 0;
        while let Some(wanted) = self.wanted()? {
            let bytes = &mut self.decoder.get_mut().bytes;
            let n = (wanted - bytes.len()).min(input.len() - taken);
            bytes.extend_from_slice(&input[taken..taken + n]);
            taken += n;
            if bytes.len() < wanted {
                break;
            }
        }
        Ok(taken)
    }

    /// Returns how many bytes must be gathered to go on. `None` if something
    /// is complete and has been dealt with.
    fn wanted(&mut self) -> Result<Option<usize>> {
        let bytes = self.decoder.get_ref().bytes.as_slice();
        let Place::InFrame(layout, start) = self.place else {
            return self.wanted_of_head();
        };
        let (end, last) = match bytes.get(start..).map(|rest| layout.block(rest)).transpose()? {
            None => return Ok(Some(start)),
            Some(Block::Needs(n)) => return Ok(Some(start + n)),
            Some(Block::Data(n)) => (start + n, false),
            Some(Block::End(n)) => (start + n, true),
        };
        if bytes.len() < end {
            return Ok(Some(end));
        }
        self.waiting = self.decoder.fill_buf().map_err(damaged)?.len();
        self.forget();
        self.place = if last { Place::AfterFrame } else { Place::InFrame(layout, 0) };
        Ok(None)
    }

    fn wanted_of_head(&mut self) -> Result<Option<usize>> {
        match head(&self.decoder.get_ref().bytes)? {
            Head::Needs(n) => Ok(Some(n)),
            Head::Frame(layout) => {
                self.place = Place::InFrame(layout, layout.header());
                Ok(Some(layout.header()))
            }
            Head::Skippable(n) => {
                self.forget();
                self.place = match usize::try_from(n)? {
                    0 => Place::AfterFrame,
                    n => Place::Skipping(n),
                };
                Ok(None)
            }
        }
    }

    fn forget(&mut self) {
        let gathered = self.decoder.get_mut();
        gathered.bytes.clear();
        gathered.read = 0;
    }

    /// Tells whether an end of the input here is a good one.
    fn end(&self, op: Op) -> Result<bool> {
        let gathered = !self.decoder.get_ref().bytes.is_empty();
        let problem = match self.place {
            _ if op != Op::FINISH => return Ok(false),
            Place::AfterFrame if !gathered => return Ok(true),
            Place::Start if !gathered => "the lz4 stream is empty",
            _ => "the lz4 stream ends too early",
        };
        Err(Error::new(ErrorKind::CORRUPT, problem))
    }
}

impl Codec for Lz4Decoder {
    fn step(&mut self, input: &[u8], output: &mut [u8], op: Op) -> Result<Step> {
        let mut step = Step::default();
        loop {
            step.produced += self.give(&mut output[step.produced..])?;
            if self.waiting > 0 {
                return Ok(step);
            }
            if step.consumed == input.len() {
                step.done = self.end(op)?;
                return Ok(step);
            }
            step.consumed += self.take(&input[step.consumed..])?;
        }
    }
}

fn damaged(error: io::Error) -> Error {
    Error::from(error).context("the lz4 frame is damaged").with_kind(ErrorKind::CORRUPT)
}
