//! Compresses by counting equal bytes: good for empty disks, bad for the rest.
//!
//! A stream is `RLE1`, pairs of a count and a byte, a count of 0, and the CRC-32
//! of the content. A checksum is what makes damage show.

use std::io::{Error, ErrorKind, Result as IoResult, Write};
use std::num::NonZeroU8;

use crc32fast::Hasher;
use hayloft_plugin_api::{Codec, Compressor, Result, StreamOptions, export_plugin, from_writer};

/// The compressor `rle`. Its setting is `<longest_run>`, 255 if it is not there.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rle {
    longest_run: Option<NonZeroU8>,
}

impl Compressor for Rle {
    type Config = Self;

    fn new(config: Self) -> Result<Self> {
        Ok(config)
    }

    fn encoder(&self, _: StreamOptions) -> Result<Box<dyn Codec>> {
        let longest = self.longest_run.map_or(255, NonZeroU8::get).into();
        let encoder = Encoder(b"RLE1".to_vec(), Hasher::new(), longest);
        let finish = |it: Encoder| Ok([&it.0[..], &[0], &it.1.finalize().to_le_bytes()].concat());
        Ok(from_writer(encoder, |it| &mut it.0, finish))
    }

    fn decoder(&self) -> Result<Box<dyn Codec>> {
        let finish = |it: Decoder| if it.whole { Ok(it.out) } else { Err(damaged()) };
        Ok(from_writer(Decoder::default(), |it| &mut it.out, finish))
    }
}

/// The output, the checksum of the input, and the longest run.
struct Encoder(Vec<u8>, Hasher, usize);

impl Write for Encoder {
    fn write(&mut self, data: &[u8]) -> IoResult<usize> {
        self.1.update(data);
        let runs = data.chunk_by(|a, b| a == b).flat_map(|run| run.chunks(self.2));
        self.0.extend(runs.flat_map(|run| [run.len() as u8, run[0]]));
        Ok(data.len())
    }

    fn flush(&mut self) -> IoResult<()> {
        Ok(())
    }
}

#[derive(Default)]
struct Decoder {
    out: Vec<u8>,
    /// The beginning of what comes next: magic, pair, or checksum.
    held: Vec<u8>,
    /// The checksum of this stream's content; `None` between streams.
    crc: Option<Hasher>,
    whole: bool,
}

impl Write for Decoder {
    fn write(&mut self, data: &[u8]) -> IoResult<usize> {
        let input = [&self.held, data].concat();
        let mut rest = &input[..];
        while !rest.is_empty() {
            let used = match (&mut self.crc, rest) {
                (None, [b'R', b'L', b'E', b'1', ..]) => 4,
                (Some(crc), [0, sum @ ..])
                    if sum.starts_with(&crc.clone().finalize().to_le_bytes()) =>
                {
                    5
                }
                (Some(crc), [count, byte, ..]) if *count > 0 => {
                    let run = &[*byte; 255][..usize::from(*count)];
                    crc.update(run);
                    self.out.extend(run);
                    2
                }
                _ if rest.len() < 5 => break,
                _ => return Err(damaged()),
            };
            match used {
                4 => self.crc = Some(Hasher::new()),
                5 => self.crc = None,
                _ => (),
            }
            rest = &rest[used..];
        }
        self.whole = self.crc.is_none() && rest.is_empty();
        self.held = rest.to_vec();
        Ok(data.len())
    }

    fn flush(&mut self) -> IoResult<()> {
        Ok(())
    }
}

/// Becomes `ErrorKind::CORRUPT` at the boundary.
fn damaged() -> Error {
    Error::new(ErrorKind::InvalidData, "the stream is damaged or cut off")
}

export_plugin! {
    id: "rle",
    description: "Compresses by counting equal bytes",
    compressors: [Rle as "rle" { suffix: ".rle", magic: "524c4531" }],
}
