//! Members in a row, however they were made.

use flate2::{Decompress, FlushDecompress, Status};
use hayloft_plugin_api::{Codec, Error, ErrorKind, Op, Result, Step};

use crate::member;

/// The largest window that there is, as a power of two.
const WINDOW_BITS: u8 = 15;

/// Decodes all members up to the end of the input. Their checksums and
/// lengths are compared. Zeros after the last member are passed over, as
/// gunzip does: tapes are filled up with them.
#[derive(Debug)]
pub(crate) struct GzipDecoder {
    state: State,
    /// The first bytes of the member, as far as they have come.
    head: Vec<u8>,
}

#[derive(Debug)]
enum State {
    /// At the beginning, or behind a member that says that more follow.
    Expecting,
    Member(Decompress),
    AfterMember,
    Padding,
}

impl GzipDecoder {
    pub(crate) fn new() -> Self {
        Self { state: State::Expecting, head: Vec::with_capacity(member::HEAD) }
    }

    /// Moves on between members, where `next` is the next byte. Returns how
    /// many bytes that took.
    fn between(&mut self, next: u8) -> Result<usize> {
        match (&self.state, next) {
            (State::AfterMember | State::Padding, 0) => self.state = State::Padding,
            (State::Padding, _) => {
                return Err(corrupt("there is something after the padding of the gzip stream"));
            }
            _ => {
                self.head.clear();
                self.state = State::Member(Decompress::new_gzip(WINDOW_BITS));
            }
        }
        Ok(usize::from(matches!(self.state, State::Padding)))
    }

    /// Tells whether an end of the input here is a good one.
    fn end(&self, op: Op) -> Result<bool> {
        match &self.state {
            _ if op != Op::FINISH => Ok(false),
            State::AfterMember | State::Padding => Ok(true),
            State::Expecting if self.head.is_empty() => Err(corrupt("the gzip stream is empty")),
            State::Expecting | State::Member(_) => Err(corrupt("the gzip stream ends too early")),
        }
    }
}

impl Codec for GzipDecoder {
    fn step(&mut self, input: &[u8], output: &mut [u8], op: Op) -> Result<Step> {
        let mut step = Step::default();
        loop {
            let rest = &input[step.consumed..];
            let State::Member(member) = &mut self.state else {
                let Some(next) = rest.first() else {
                    step.done = self.end(op)?;
                    return Ok(step);
                };
                step.consumed += self.between(*next)?;
                continue;
            };
            let (taken, given, ended) = inflate(member, rest, &mut output[step.produced..])?;
            let missing = member::HEAD - self.head.len();
            self.head.extend_from_slice(&rest[..taken.min(missing)]);
            step.consumed += taken;
            step.produced += given;
            if ended {
                let more = member::more_follow(&self.head);
                self.state = if more { State::Expecting } else { State::AfterMember };
            } else if step.produced == output.len() {
                return Ok(step);
            } else if taken == 0 && given == 0 {
                step.done = self.end(op)?;
                return Ok(step);
            }
        }
    }
}

/// Returns the bytes taken and given, and whether the member is at its end.
fn inflate(
    member: &mut Decompress,
    input: &[u8],
    output: &mut [u8],
) -> Result<(usize, usize, bool)> {
    let before = (member.total_in(), member.total_out());
    let status = member.decompress(input, output, FlushDecompress::None).map_err(|e| {
        Error::from(e).context("the gzip stream is damaged").with_kind(ErrorKind::CORRUPT)
    })?;
    let taken = usize::try_from(member.total_in() - before.0)?;
    let given = usize::try_from(member.total_out() - before.1)?;
    Ok((taken, given, status == Status::StreamEnd))
}

fn corrupt(message: &str) -> Error {
    Error::new(ErrorKind::CORRUPT, message)
}
