//! Compresses with Zstandard, on all cores.
//!
//! One frame with a checksum of its content, made by the library's own
//! threads. See the README for the settings.

mod config;
mod decoder;
mod encoder;
mod pool;

use std::fmt;

use hayloft_plugin_api::{
    Codec, Compressor, Error, ErrorKind, Result, StreamOptions, export_plugin,
};
use zstd::zstd_safe::{self, CCtx, DCtx, ErrorCode};

pub use crate::config::Config;
use crate::{decoder::ZstdDecoder, encoder::ZstdEncoder, pool::Pool};

/// The compressor `zstd`.
pub struct Zstd {
    config: Config,
    encoders: Pool<CCtx<'static>>,
    decoders: Pool<DCtx<'static>>,
}

impl fmt::Debug for Zstd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zstd").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Compressor for Zstd {
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        config.check()?;
        Ok(Self { config, encoders: Pool::default(), decoders: Pool::default() })
    }

    fn encoder(&self, options: StreamOptions) -> Result<Box<dyn Codec>> {
        Ok(Box::new(ZstdEncoder::new(&self.config, options, &self.encoders)?))
    }

    fn decoder(&self) -> Result<Box<dyn Codec>> {
        Ok(Box::new(ZstdDecoder::new(&self.decoders)?))
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
