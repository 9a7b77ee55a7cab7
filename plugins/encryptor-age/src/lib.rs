//! Encrypts with age, for recipients or with a passphrase.
//!
//! The host that makes backups needs public keys only; who has no identity
//! cannot read what it stored yesterday. See the README for the settings.

mod config;
mod decoder;
mod encoder;
mod keys;

use hayloft_plugin_api::{Codec, Encryptor, Result, StreamOptions, export_plugin};

pub use crate::config::Config;
use crate::{decoder::AgeDecoder, encoder::AgeEncoder};

/// The encryptor `age`.
#[derive(Debug)]
pub struct Age {
    config: Config,
}

impl Encryptor for Age {
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        config.check()?;
        Ok(Self { config })
    }

    fn encoder(&self, _: StreamOptions) -> Result<Box<dyn Codec>> {
        let recipients = keys::recipients(&self.config)?;
        Ok(Box::new(AgeEncoder::new(&recipients)?))
    }

    fn decoder(&self) -> Result<Box<dyn Codec>> {
        let identities = keys::identities(&self.config)?;
        Ok(Box::new(AgeDecoder::new(identities)))
    }
}

export_plugin! {
    id: "age",
    description: "Encrypts with age, for recipients or with a passphrase",
    encryptors: [Age as "age" {
        suffix: ".age",
        magic: "6167652d656e6372797074696f6e2e6f72672f76310a",
    }],
}
