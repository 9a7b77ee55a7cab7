//! One stream, of one block or of many.

use std::{fmt, num::NonZero, thread};

use hayloft_plugin_api::{Codec, Op, Result, Step, StreamOptions};
use liblzma::stream::{Action, Check, MtStreamBuilder, Status, Stream};

use crate::Config;

/// More threads than this take more memory than a backup should.
const MOST_THREADS: u32 = 4;
/// The library's own block size at level 6, in bytes: what is smaller is one
/// block, and a block is compressed by one thread.
const WORTH_THREADS: u64 = 24 << 20;

pub(crate) struct XzEncoder {
    stream: Stream,
    ended: bool,
}

impl fmt::Debug for XzEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XzEncoder").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl XzEncoder {
    /// Begins a stream. What the options wish goes before what is configured.
    pub(crate) fn new(config: &Config, options: StreamOptions) -> Result<Self> {
        let preset = u32::try_from(options.level.unwrap_or(config.level).clamp(0, 9))?;
        let small = options.size_hint.is_some_and(|size| size <= WORTH_THREADS);
        let threads = options.threads.or(config.threads).unwrap_or_else(cores);
        let stream = if small || threads == 1 {
            Stream::new_easy_encoder(preset, Check::Crc64)?
        } else {
            let mut builder = MtStreamBuilder::new();
            builder.threads(threads).preset(preset).check(Check::Crc64).encoder()?
        };
        Ok(Self { stream, ended: false })
    }

    /// Returns the bytes taken and given, and whether the action is complete.
    fn code(
        &mut self,
        input: &[u8],
        output: &mut [u8],
        action: Action,
    ) -> Result<(usize, usize, bool)> {
        let before = (self.stream.total_in(), self.stream.total_out());
        let status = self.stream.process(input, output, action)?;
        let taken = usize::try_from(self.stream.total_in() - before.0)?;
        let given = usize::try_from(self.stream.total_out() - before.1)?;
        Ok((taken, given, status == Status::StreamEnd))
    }
}

fn cores() -> u32 {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    u32::try_from(cores).unwrap_or(MOST_THREADS).min(MOST_THREADS)
}

impl Codec for XzEncoder {
    fn step(&mut self, input: &[u8], output: &mut [u8], op: Op) -> Result<Step> {
        let mut step = Step::default();
        // All input first: the library wants to be told of an end once, and
        // then nothing but the same rest.
        while step.consumed < input.len() && step.produced < output.len() && !self.ended {
            let (taken, given, _) =
                self.code(&input[step.consumed..], &mut output[step.produced..], Action::Run)?;
            step.consumed += taken;
            step.produced += given;
            if taken == 0 && given == 0 {
                return Ok(step);
            }
        }
        if op == Op::RUN || step.consumed < input.len() {
            return Ok(step);
        }
        let action = if op == Op::FINISH { Action::Finish } else { Action::FullFlush };
        while !self.ended && !step.done && step.produced < output.len() {
            let (_, given, done) = self.code(&[], &mut output[step.produced..], action)?;
            step.produced += given;
            step.done = done;
        }
        self.ended |= step.done && op == Op::FINISH;
        step.done |= self.ended;
        Ok(step)
    }
}
