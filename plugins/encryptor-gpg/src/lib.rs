//! Encrypts with GnuPG, through the gpg program.
//!
//! For those who have `OpenPGP` keys already, and for what Cedar Backup's
//! `encrypt` action wrote. See the README for the settings.

mod arguments;
mod child;
mod config;
mod status;

use hayloft_plugin_api::{
    Codec, Encryptor, Error, Result, StreamOptions, config::Secret, export_plugin,
};

pub use crate::config::Config;
use crate::{child::GpgCodec, status::Task};

/// The encryptor `gpg`.
#[derive(Debug)]
pub struct Gpg {
    config: Config,
}

impl Encryptor for Gpg {
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        config.check()?;
        Ok(Self { config })
    }

    fn encoder(&self, _: StreamOptions) -> Result<Box<dyn Codec>> {
        self.config.check_recipients()?;
        // A public key needs no passphrase.
        let passphrase = if self.config.recipient.is_empty() { self.passphrase()? } else { None };
        self.start(Task::Encrypt, passphrase.as_ref())
    }

    fn decoder(&self) -> Result<Box<dyn Codec>> {
        self.start(Task::Decrypt, self.passphrase()?.as_ref())
    }
}

impl Gpg {
    fn passphrase(&self) -> Result<Option<Secret>> {
        let source = self.config.passphrase_source();
        source.resolve().map_err(|e: Error| e.context("there is no passphrase for gpg"))
    }

    fn start(&self, task: Task, passphrase: Option<&Secret>) -> Result<Box<dyn Codec>> {
        let arguments = arguments::arguments(&self.config, task, passphrase.is_some());
        Ok(Box::new(GpgCodec::start(&self.config.program, &arguments, task, passphrase)?))
    }
}

export_plugin! {
    id: "gpg",
    description: "Encrypts with GnuPG, through the gpg program",
    encryptors: [Gpg as "gpg" { suffix: ".gpg", magic: "" }],
}
