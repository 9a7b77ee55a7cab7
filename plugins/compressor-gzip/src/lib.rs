//! Compresses with gzip, on all cores.
//!
//! The input is cut into blocks, and each becomes a gzip member of its own,
//! made by libdeflate. Members in a row are a gzip file (RFC 1952, section
//! 2.2), so that every gunzip reads it. See the README for the settings.

mod config;
mod decoder;
mod encoder;
mod member;

use hayloft_plugin_api::{Codec, Compressor, Result, StreamOptions, export_plugin};

pub use crate::config::Config;
use crate::decoder::GzipDecoder;

/// The compressor `gzip`.
#[derive(Debug)]
pub struct Gzip {
    config: Config,
}

impl Compressor for Gzip {
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        config.check()?;
        Ok(Self { config })
    }

    fn encoder(&self, options: StreamOptions) -> Result<Box<dyn Codec>> {
        encoder::encoder(&self.config, options)
    }

    fn decoder(&self) -> Result<Box<dyn Codec>> {
        Ok(Box::new(GzipDecoder::new()))
    }
}

export_plugin! {
    id: "gzip",
    description: "Compresses with gzip, on all cores",
    compressors: [Gzip as "gzip" { suffix: ".gz", magic: "1f8b" }],
}
