//! Streams in a row.

use std::fmt;

use bzip2::{Decompress, Status};
use hayloft_plugin_api::{Codec, Error, ErrorKind, Op, Result, Step};

/// Decodes all streams up to the end of the input. Their checksums are
/// compared.
pub(crate) struct Bzip2Decoder {
    state: State,
}

enum State {
    Start,
    Stream(Decompress),
    AfterStream,
}

impl fmt::Debug for Bzip2Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bzip2Decoder").finish_non_exhaustive()
    }
}

impl Bzip2Decoder {
    pub(crate) fn new() -> Self {
        Self { state: State::Start }
    }

    /// Tells whether an end of the input here is a good one.
    fn end(&self, op: Op) -> Result<bool> {
        let problem = match self.state {
            _ if op != Op::FINISH => return Ok(false),
            State::AfterStream => return Ok(true),
            State::Start => "the bzip2 stream is empty",
            State::Stream(_) => "the bzip2 stream ends too early",
        };
        Err(Error::new(ErrorKind::CORRUPT, problem))
    }
}

impl Codec for Bzip2Decoder {
    fn step(&mut self, input: &[u8], output: &mut [u8], op: Op) -> Result<Step> {
        let mut step = Step::default();
        loop {
            let rest = &input[step.consumed..];
            let State::Stream(stream) = &mut self.state else {
                if rest.is_empty() {
                    step.done = self.end(op)?;
                    return Ok(step);
                }
                self.state = State::Stream(Decompress::new(false));
                continue;
            };
            let (taken, given, ended) = decompress(stream, rest, &mut output[step.produced..])?;
            step.consumed += taken;
            step.produced += given;
            if ended {
                self.state = State::AfterStream;
            } else if step.produced == output.len() {
                return Ok(step);
            } else if taken == 0 && given == 0 {
                step.done = self.end(op)?;
                return Ok(step);
            }
        }
    }
}

/// Returns the bytes taken and given, and whether the stream is at its end.
fn decompress(
    stream: &mut Decompress,
    input: &[u8],
    output: &mut [u8],
) -> Result<(usize, usize, bool)> {
    let before = (stream.total_in(), stream.total_out());
    let status = stream.decompress(input, output).map_err(|e| {
        Error::from(e).context("the bzip2 stream is damaged").with_kind(ErrorKind::CORRUPT)
    })?;
    if status == Status::MemNeeded {
        return Err(Error::msg("bzip2: no memory is left"));
    }
    let taken = usize::try_from(stream.total_in() - before.0)?;
    let given = usize::try_from(stream.total_out() - before.1)?;
    Ok((taken, given, status == Status::StreamEnd))
}
