//! Runs codecs in pieces of any size, and watches that they keep to their
//! contract.

use super::report::Verdict;
use crate::{
    error::{Error, ErrorKind},
    sdk::{Codec, Op, Step},
};

/// The size of the buffers that the host uses, in bytes.
pub(super) const USUAL: usize = 256 << 10;
/// More than the output of any input here; it bounds what damage can cause.
const ENDLESS: usize = 64 << 20;

/// How a stream is cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    /// Bytes of input that are given at once.
    pub(super) input: usize,
    /// Bytes of output that there is room for at once.
    pub(super) output: usize,
    /// Whether to flush after each piece of input.
    pub(super) flush: bool,
}

impl Cut {
    pub(super) const USUAL: Self = Self { input: USUAL, output: USUAL, flush: false };
    pub(super) const fn of(input: usize, output: usize) -> Self {
        Self { input, output, flush: false }
    }
}

/// Why a stream did not come to its end.
#[derive(Debug)]
pub(super) enum Broken {
    /// The plugin says so.
    Error(Error),
    /// The plugin does not keep to the contract of [`Codec::step`].
    Contract(String),
    /// There is more output than anybody would wait for.
    Endless,
}

impl Broken {
    pub(super) fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Error(error) => Some(error.kind()),
            Self::Contract(_) | Self::Endless => None,
        }
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Error(error) => write!(f, "{error} [{}]", error.kind().name()),
            Self::Contract(how) => write!(f, "the contract of `step` is broken: {how}"),
            Self::Endless => write!(f, "the output does not end"),
        }
    }
}

/// What came out of a stream.
#[derive(Debug)]
pub(super) struct Drained {
    pub(super) output: Vec<u8>,
    /// How much of the input was taken.
    pub(super) consumed: usize,
}

/// Gives all of `input` to a codec and ends the stream.
pub(super) fn run(codec: Box<dyn Codec>, input: &[u8], cut: Cut) -> Result<Drained, Broken> {
    let mut pump = Pump {
        codec,
        buffer: vec![0; cut.output],
        drained: Drained { output: Vec::new(), consumed: 0 },
        done: false,
    };
    for piece in input.chunks(cut.input) {
        pump.push(piece, Op::RUN)?;
        if pump.done {
            return Ok(pump.drained);
        }
        if cut.flush {
            pump.push(&[], Op::FLUSH)?;
            pump.done = false;
        }
    }
    pump.push(&[], Op::FINISH)?;
    Ok(pump.drained)
}

struct Pump {
    codec: Box<dyn Codec>,
    buffer: Vec<u8>,
    drained: Drained,
    done: bool,
}

impl Pump {
    fn push(&mut self, mut input: &[u8], op: Op) -> Result<(), Broken> {
        loop {
            let step = self.codec.step(input, &mut self.buffer, op).map_err(Broken::Error)?;
            let Step { consumed, produced, done } = step;
            let (Some(rest), Some(made)) = (input.get(consumed..), self.buffer.get(..produced))
            else {
                return Err(Broken::Contract("the counts are larger than the buffers".to_owned()));
            };
            self.drained.output.extend_from_slice(made);
            self.drained.consumed += consumed;
            if self.drained.output.len() > ENDLESS {
                return Err(Broken::Endless);
            }
            let had = input.len();
            input = rest;
            self.done = done;
            if done || (op == Op::RUN && input.is_empty()) {
                return Ok(());
            }
            if consumed == 0 && produced == 0 {
                let room = self.buffer.len();
                return Err(Broken::Contract(format!(
                    "with {had} bytes of input, room for {room} and {} it takes nothing, gives \
                     nothing and is not done",
                    named(op)
                )));
            }
        }
    }
}

fn named(op: Op) -> &'static str {
    match op {
        Op::RUN => "RUN",
        Op::FLUSH => "FLUSH",
        _ => "FINISH",
    }
}

/// Text that compresses well, and differs everywhere.
pub(super) fn text(length: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(length + 64);
    for i in 0_u32.. {
        if text.len() >= length {
            break;
        }
        let line = format!("{i:07} the quick brown fox {}\n", i.wrapping_mul(2_654_435_761));
        text.extend_from_slice(line.as_bytes());
    }
    text.truncate(length);
    text
}

/// Long runs of the same byte.
pub(super) fn runs(length: usize) -> Vec<u8> {
    const RUN: usize = 5000;
    let mut runs = Vec::with_capacity(length + RUN);
    for byte in (0..=u8::MAX).cycle() {
        if runs.len() >= length {
            break;
        }
        runs.resize(runs.len() + RUN, byte);
    }
    runs.truncate(length);
    runs
}

/// Bytes that do not compress (xorshift64*, always the same).
pub(super) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = Vec::with_capacity(length + 8);
    while noise.len() < length {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        noise.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes());
    }
    noise.truncate(length);
    noise
}

/// Compares without printing megabytes.
pub(super) fn same(got: &[u8], expected: &[u8]) -> Verdict {
    if got == expected {
        return Ok(());
    }
    let at = got.iter().zip(expected).position(|(a, b)| a != b);
    let at = at.unwrap_or(got.len().min(expected.len()));
    Err(format!(
        "{} bytes came back instead of {}, the first difference is at {at}",
        got.len(),
        expected.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    type TakeAndGive = fn(&[u8], &mut [u8], Op) -> Step;

    struct Scripted(TakeAndGive);

    impl Codec for Scripted {
        fn step(&mut self, input: &[u8], output: &mut [u8], op: Op) -> crate::Result<Step> {
            Ok((self.0)(input, output, op))
        }
    }

    #[test]
    fn a_codec_that_breaks_its_contract_is_found_out() {
        let cases: [(TakeAndGive, &str); 3] = [
            (|_, _, _| Step::default(), "takes nothing"),
            (|i, _, _| Step { consumed: i.len() + 1, ..Step::default() }, "larger than"),
            (|_, o, _| Step { produced: o.len(), ..Step::default() }, "does not end"),
        ];
        for (step, expected) in cases {
            let broken = run(Box::new(Scripted(step)), b"hay", Cut::USUAL).unwrap_err();
            assert!(broken.to_string().contains(expected), "{broken}");
        }
    }

    #[test]
    fn samples_have_their_length_and_noise_does_not_repeat() {
        for sample in [text(70_000), noise(70_000), runs(70_000)] {
            assert_eq!(sample.len(), 70_000);
        }
        assert_ne!(noise(64)[..32], noise(64)[32..]);
        assert!(same(b"hat", b"hay").unwrap_err().contains("difference is at 2"));
    }
}
