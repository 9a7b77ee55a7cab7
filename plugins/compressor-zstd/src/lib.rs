//! Compresses with Zstandard, on all cores.
//!
//! One frame with a checksum of its content, made by the library's own
//! threads. See the README for the settings.

mod config;
mod decoder;
mod encoder;

use hayloft_plugin_api::{
    Codec, Compressor, Error, ErrorKind, Result, StreamOptions, export_plugin,
};
use zstd::zstd_safe::{self, ErrorCode};

pub use crate::config::Config;
use crate::{decoder::ZstdDecoder, encoder::ZstdEncoder};

/// The compressor `zstd`.
#[derive(Debug)]
pub struct Zstd {
    config: Config,
}

impl Compressor for Zstd {
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        config.check()?;
        Ok(Self { config })
    }

    fn encoder(&self, options: StreamOptions) -> Result<Box<dyn Codec>> {
        Ok(Box::new(ZstdEncoder::new(&self.config, options)?))
    }

    fn decoder(&self) -> Result<Box<dyn Codec>> {
        Ok(Box::new(ZstdDecoder::new()?))
    }
}

/// Turns the library's error into ours.
fn failure(kind: ErrorKind, code: ErrorCode) -> Error {
    Error::new(kind, format!("zstd: {}", zstd_safe::get_error_name(code).to_lowercase()))
}

fn no_memory() -> Error {
    Error::msg("zstd: no memory is left")
}

export_plugin! {
    id: "zstd",
    description: "Compresses with Zstandard, on all cores",
    compressors: [Zstd as "zstd" { suffix: ".zst", magic: "28b52ffd" }],
}
