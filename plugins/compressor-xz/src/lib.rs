//! Compresses with xz, on all cores.
//!
//! Small and slow: for what is kept for years. See the README for the
//! settings.

mod config;
mod decoder;
mod encoder;

use hayloft_plugin_api::{Codec, Compressor, Result, StreamOptions, export_plugin};

pub use crate::config::Config;
use crate::{decoder::XzDecoder, encoder::XzEncoder};

/// The compressor `xz`.
#[derive(Debug)]
pub struct Xz {
    config: Config,
}

impl Compressor for Xz {
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        config.check()?;
        Ok(Self { config })
    }

    fn encoder(&self, options: StreamOptions) -> Result<Box<dyn Codec>> {
        Ok(Box::new(XzEncoder::new(&self.config, options)?))
    }

    fn decoder(&self) -> Result<Box<dyn Codec>> {
        Ok(Box::new(XzDecoder::new()?))
    }
}

export_plugin! {
    id: "xz",
    description: "Compresses with xz, on all cores",
    compressors: [Xz as "xz" { suffix: ".xz", magic: "fd377a585a00" }],
}
