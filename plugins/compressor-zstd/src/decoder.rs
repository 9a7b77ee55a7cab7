//! Frames in a row.

use std::fmt;

use hayloft_plugin_api::{Codec, Error, ErrorKind, Op, Result, Step};
use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use crate::{
    failure,
    pool::{Lent, Pool},
};

/// Every window that an encoder may have used, 2 GiB at most. Memory is taken
/// only for the one that a frame asks for.
const LARGEST_WINDOW_LOG: u32 = 31;

/// Decodes all frames up to the end of the input, straight into the output
/// buffer. Skippable frames are skipped.
pub(crate) struct ZstdDecoder {
    context: Lent<DCtx<'static>>,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    InFrame,
    AfterFrame,
}

impl fmt::Debug for ZstdDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZstdDecoder").field("place", &self.place).finish_non_exhaustive()
    }
}

impl ZstdDecoder {
    pub(crate) fn new(pool: &Pool<DCtx<'static>>) -> Result<Self> {
        let mut context = pool.take()?;
        context
            .get()?
            .set_parameter(DParameter::WindowLogMax(LARGEST_WINDOW_LOG))
            .map_err(|code| failure(ErrorKind::OTHER, code))?;
        Ok(Self { context, place: Place::Start })
    }

    /// Tells whether an end of the input here is a good one.
    fn end(&self, op: Op) -> Result<bool> {
        let problem = match self.place {
            _ if op != Op::FINISH => return Ok(false),
            Place::AfterFrame => return Ok(true),
            Place::Start => "the zstd stream is empty",
            Place::InFrame => "the zstd stream ends too early",
        };
        Err(Error::new(ErrorKind::CORRUPT, problem))
    }
}

impl Codec for ZstdDecoder {
    fn step(&mut self, input: &[u8], output: &mut [u8], op: Op) -> Result<Step> {
        let (mut from, mut to) = (InBuffer::around(input), OutBuffer::around(output));
        loop {
            // Between frames the library takes no input for a wish for more.
            if from.pos() == input.len() && self.place != Place::InFrame {
                let done = self.end(op)?;
                return Ok(Step { consumed: from.pos(), produced: to.pos(), done });
            }
            let before = (from.pos(), to.pos());
            let wanted = self
                .context
                .get()?
                .decompress_stream(&mut to, &mut from)
                .map_err(|code| failure(ErrorKind::CORRUPT, code))?;
            self.place = if wanted == 0 { Place::AfterFrame } else { Place::InFrame };
            if to.pos() == to.capacity() {
                return Ok(Step { consumed: from.pos(), produced: to.pos(), done: false });
            }
            if (from.pos(), to.pos()) == before {
                let done = self.end(op)?;
                return Ok(Step { consumed: from.pos(), produced: to.pos(), done });
            }
        }
    }
}
