use std::io::{self, Write};

use super::Offer;
use crate::{
    Codec, Compressor, NoConfig, Op, Result, Step, StreamOptions, abi::TransformBox, from_writer,
    shim::server,
};

/// What may be wrong.
const GOOD: u8 = 0;
const NO_CHECKSUM: u8 = 1;
const TAKES_TRUNCATED: u8 = 2;
const ONE_STREAM_ONLY: u8 = 3;
const STOPS_WORKING: u8 = 4;
const NEEDS_ROOM: u8 = 5;
const PANICS: u8 = 6;
const WRONG_KIND: u8 = 7;
const LEVELS_ONLY_TO_NINE: u8 = 8;
const LEAVES_THE_LAST_BYTE: u8 = 9;

/// Stores pieces behind their length, an end mark and a checksum.
struct Stored<const FAULT: u8>;

impl<const FAULT: u8> Compressor for Stored<FAULT> {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self> {
        Ok(Self)
    }

    fn encoder(&self, options: StreamOptions) -> Result<Box<dyn Codec>> {
        if FAULT == LEVELS_ONLY_TO_NINE && options.level.is_some_and(|it| it > 9) {
            return Err(crate::Error::msg("there is no such level"));
        }
        let encoder = Encoder { out: b"ST".to_vec(), sum: 1 };
        Ok(from_writer(
            encoder,
            |it| &mut it.out,
            |mut it| {
                if FAULT == LEAVES_THE_LAST_BYTE {
                    it.sum = 0;
                }
                it.out.push(0);
                it.out.extend(it.sum.to_le_bytes());
                Ok(it.out)
            },
        ))
    }

    fn decoder(&self) -> Result<Box<dyn Codec>> {
        let codec = from_writer(Decoder::<FAULT>::default(), |it| &mut it.out, Decoder::finish);
        Ok(if FAULT == NEEDS_ROOM { Box::new(NeedsRoom(codec)) } else { codec })
    }
}

fn sum(sum: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(sum, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

struct Encoder {
    out: Vec<u8>,
    sum: u32,
}

impl Write for Encoder {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let piece = &data[..data.len().min(255)];
        if let Ok(length @ 1..) = u8::try_from(piece.len()) {
            self.sum = sum(self.sum, piece);
            self.out.push(length);
            self.out.extend_from_slice(piece);
        }
        Ok(piece.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Decoder<const FAULT: u8> {
    out: Vec<u8>,
    held: Vec<u8>,
    inside: bool,
    streams: u32,
    total: usize,
    sum: u32,
}

impl<const FAULT: u8> Default for Decoder<FAULT> {
    fn default() -> Self {
        Self { out: Vec::new(), held: Vec::new(), inside: false, streams: 0, total: 0, sum: 1 }
    }
}

impl<const FAULT: u8> Decoder<FAULT> {
    fn wrong<T>() -> io::Result<T> {
        assert!(FAULT != PANICS, "it is not a stream");
        let kind =
            if FAULT == WRONG_KIND { io::ErrorKind::Other } else { io::ErrorKind::InvalidData };
        Err(io::Error::new(kind, "it is not a stream"))
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        let whole = self.streams > 0 && !self.inside && self.held.is_empty();
        if whole || FAULT == TAKES_TRUNCATED { Ok(self.out) } else { Self::wrong() }
    }

    fn take(&mut self, byte: u8) -> io::Result<()> {
        self.total += 1;
        if FAULT == STOPS_WORKING && self.total > 1 << 20 {
            return Err(io::Error::other("it is too large for me"));
        }
        self.held.push(byte);
        match (self.inside, self.held.as_slice()) {
            (false, held) if !b"ST".starts_with(held) => return Self::wrong(),
            (false, held) if held.len() < 2 => return Ok(()),
            (false, _) if FAULT == ONE_STREAM_ONLY && self.streams > 0 => return Self::wrong(),
            (false, _) => self.inside = true,
            (true, [0, found @ ..]) if found.len() < 4 => return Ok(()),
            (true, [0, found @ ..]) => {
                if self.sum.to_le_bytes() != *found && FAULT != NO_CHECKSUM {
                    return Self::wrong();
                }
                (self.inside, self.sum) = (false, 1);
                self.streams += 1;
            }
            (true, [length, piece @ ..]) if piece.len() < usize::from(*length) => return Ok(()),
            (true, held) => {
                self.sum = sum(self.sum, &held[1..]);
                self.out.extend_from_slice(&held[1..]);
            }
        }
        self.held.clear();
        Ok(())
    }
}

impl<const FAULT: u8> Write for Decoder<FAULT> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        data.iter().try_for_each(|byte| self.take(*byte)).map(|()| data.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Gives nothing unless there is room for many bytes.
struct NeedsRoom(Box<dyn Codec>);

impl Codec for NeedsRoom {
    fn step(&mut self, input: &[u8], output: &mut [u8], op: Op) -> Result<Step> {
        if output.len() < 100 { Ok(Step::default()) } else { self.0.step(input, output, op) }
    }
}

type Make = fn() -> TransformBox;

fn failed(make: Make, facts: [(&str, &str); 2]) -> Vec<String> {
    let mut offer = Offer::new("compressor", &facts);
    offer.transform = Some(make);
    offer.failed()
}

fn stored<const FAULT: u8>() -> TransformBox {
    server::compressor(Stored::<FAULT>)
}

const FACTS: [(&str, &str); 2] = [("suffix", ".st"), ("magic", "5354")];

#[test]
fn a_good_compressor_passes() {
    assert_eq!(failed(stored::<GOOD>, FACTS), [""; 0]);
}

#[test]
fn a_compressor_with_one_fault_fails_the_check_of_that_fault() {
    let cases: [(Make, &str); 9] = [
        (stored::<NO_CHECKSUM>, "flipped bits"),
        (stored::<TAKES_TRUNCATED>, "truncated streams"),
        (stored::<ONE_STREAM_ONLY>, "streams in a row"),
        (stored::<STOPS_WORKING>, "round trips of many sizes"),
        (stored::<NEEDS_ROOM>, "buffers of one byte"),
        (stored::<PANICS>, "garbage"),
        (stored::<WRONG_KIND>, "truncated streams"),
        (stored::<LEVELS_ONLY_TO_NINE>, "options are wishes"),
        (stored::<LEAVES_THE_LAST_BYTE>, "round trips of many sizes"),
    ];
    for (make, expected) in cases {
        let failed = failed(make, FACTS);
        assert!(failed.iter().any(|it| it == expected), "{expected}: {failed:?}");
    }
}

#[test]
fn facts_that_are_not_so_are_found_out() {
    for facts in [
        [("suffix", ".st"), ("magic", "5355")],
        [("suffix", "st"), ("magic", "")],
        [("suffix", ".a/b"), ("magic", "")],
        [("suffix", ".st"), ("magic", "5")],
    ] {
        assert_eq!(failed(stored::<GOOD>, facts), ["suffix and magic"]);
    }
}
