//! Compresses by counting equal bytes: good for empty disks, bad for the rest.
//!
//! A stream is `RLE1`, pairs of a count and a byte, a count of 0, and the CRC-32
//! of the content. A checksum is what makes damage show.

mod decode;
mod encode;

use std::num::NonZeroU8;

use hayloft_plugin_api::{Codec, Compressor, Result, StreamOptions, export_plugin, from_writer};
use serde::Deserialize;

use crate::{decode::Decoder, encode::Encoder};

const MAGIC: &[u8] = b"RLE1";

/// The settings: `<longest_run>`, 255 if it is not there.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    longest_run: NonZeroU8,
}

impl Default for Config {
    fn default() -> Self {
        Self { longest_run: NonZeroU8::MAX }
    }
}

/// The compressor `rle`.
#[derive(Debug)]
pub struct Rle(Config);

impl Compressor for Rle {
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        Ok(Self(config))
    }

    fn encoder(&self, _: StreamOptions) -> Result<Box<dyn Codec>> {
        let encoder = Encoder::new(self.0.longest_run.get());
        Ok(from_writer(encoder, |it| &mut it.out, Encoder::finish))
    }

    fn decoder(&self) -> Result<Box<dyn Codec>> {
        Ok(from_writer(Decoder::default(), |it| &mut it.out, Decoder::finish))
    }
}

export_plugin! {
    id: "rle",
    description: "Compresses by counting equal bytes",
    compressors: [Rle as "rle" { suffix: ".rle", magic: "524c4531" }],
}
