//! Compresses with bzip2, on all cores.
//!
//! The input is cut into pieces, and each becomes a bzip2 stream of its own;
//! streams in a row are a bzip2 file. See the README for the settings.

mod config;
mod decoder;
mod encoder;

use hayloft_plugin_api::{Codec, Compressor, Result, StreamOptions, export_plugin};

pub use crate::config::Config;
use crate::decoder::Bzip2Decoder;

/// The compressor `bzip2`.
#[derive(Debug)]
pub struct Bzip2 {
    config: Config,
}

impl Compressor for Bzip2 {
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        config.check()?;
        Ok(Self { config })
    }

    fn encoder(&self, options: StreamOptions) -> Result<Box<dyn Codec>> {
        encoder::encoder(&self.config, options)
    }

    fn decoder(&self) -> Result<Box<dyn Codec>> {
        Ok(Box::new(Bzip2Decoder::new()))
    }
}

export_plugin! {
    id: "bzip2",
    description: "Compresses with bzip2, on all cores",
    compressors: [Bzip2 as "bzip2" { suffix: ".bz2", magic: "425a68" }],
}
