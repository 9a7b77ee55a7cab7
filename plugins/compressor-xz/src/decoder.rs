//! Streams in a row, with padding between them.

use std::fmt;

use hayloft_plugin_api::{Codec, Error, ErrorKind, Op, Result, Step};
use liblzma::stream::{Action, CONCATENATED, Error as LzmaError, Status, Stream};

/// Decodes all streams up to the end of the input. Their checksums and sizes
/// are compared.
pub(crate) struct XzDecoder {
    stream: Stream,
}

impl fmt::Debug for XzDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XzDecoder").finish_non_exhaustive()
    }
}

impl XzDecoder {
    pub(crate) fn new() -> Result<Self> {
        // What a preset of xz needs is 65 MiB at most, and a header that asks
        // for more has a checksum: it is not there by accident.
        Ok(Self { stream: Stream::new_stream_decoder(u64::MAX, CONCATENATED)? })
    }
}

impl Codec for XzDecoder {
    fn step(&mut self, input: &[u8], output: &mut [u8], op: Op) -> Result<Step> {
        let mut step = Step::default();
        while step.produced < output.len() {
            let rest = &input[step.consumed..];
            let ending = rest.is_empty() && op == Op::FINISH;
            let action = if ending { Action::Finish } else { Action::Run };
            let before = (self.stream.total_in(), self.stream.total_out());
            let status =
                self.stream.process(rest, &mut output[step.produced..], action).map_err(damaged)?;
            let taken = usize::try_from(self.stream.total_in() - before.0)?;
            let given = usize::try_from(self.stream.total_out() - before.1)?;
            step.consumed += taken;
            step.produced += given;
            step.done = status == Status::StreamEnd;
            if step.done || (taken == 0 && given == 0 && !ending) {
                break;
            }
            if taken == 0 && given == 0 {
                return Err(Error::new(ErrorKind::CORRUPT, "the xz stream ends too early"));
            }
        }
        Ok(step)
    }
}

fn damaged(error: LzmaError) -> Error {
    let kind = match error {
        LzmaError::Data | LzmaError::Format | LzmaError::Options => ErrorKind::CORRUPT,
        LzmaError::UnsupportedCheck => ErrorKind::UNSUPPORTED,
        _ => ErrorKind::OTHER,
    };
    Error::from(error).context("the xz stream cannot be decoded").with_kind(kind)
}
