#![doc = include_str!("../README.md")]

mod azure;
mod cloud;
pub mod config;
mod connector;
mod core;
mod create;
mod credentials;
mod delete;
mod explain;
mod failure;
mod gcs;
mod get;
mod options;
mod put;
mod rate;
mod reading;
mod remote;
mod retry;
mod runtime;
mod s3;
mod sum;
mod sweep;
mod webdav;

use std::{io::Read, sync::OnceLock};

use hayloft_plugin_api::{
    ByteRange, Capabilities, Error, ErrorKind, Leftover, ObjectMeta, Protection, PutOptions,
    PutStream, Result, Storage, Sweep, Undeleted, export_plugin,
};

use crate::{
    config::{AzureConfig, GcsConfig, HttpConfig, S3Config},
    core::Core,
    remote::Condition,
};

/// A file with keys that is missing is no object that is missing.
fn not_an_object(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NOT_FOUND => error.with_kind(ErrorKind::CONFIGURATION),
        _ => error,
    }
}

/// A type of storage: its name, its section, and how a store is made of that.
macro_rules! storage {
    ($(#[$about:meta])* $name:ident, $config:ty, $open:path) => {
        $(#[$about])*
        #[derive(Debug)]
        pub struct $name {
            config: $config,
            /// Made when it is first needed: keys need not be there before.
            core: OnceLock<Core>,
        }

        impl $name {
            fn core(&self) -> Result<&Core> {
                if let Some(core) = self.core.get() {
                    return Ok(core);
                }
                let opened = $open(&self.config).map_err(not_an_object)?;
                let core = Core::new(opened, &self.config.common);
                Ok(self.core.get_or_init(|| core))
            }
        }

        impl Storage for $name {
            type Config = $config;

            fn new(config: Self::Config) -> Result<Self> {
                Ok(Self { config, core: OnceLock::new() })
            }

            fn put(&self, key: &str, options: PutOptions) -> Result<Box<dyn PutStream>> {
                let condition = options.create_only.then_some(Condition::Absent);
                self.core()?.begin_put(key, options.size_hint, condition)
            }

            fn get(&self, key: &str, range: ByteRange) -> Result<Box<dyn Read + Send>> {
                self.core()?.open(key, range)
            }

            fn stat(&self, key: &str) -> Result<Option<ObjectMeta>> {
                self.core()?.stat(key)
            }

            fn list(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<ObjectMeta>> {
                self.core()?.list(prefix, after, limit)
            }

            fn delete(&self, key: &str) -> Result<()> {
                self.core()?.delete(key)
            }

            fn capabilities(&self) -> Result<Capabilities> {
                self.core()?.capabilities()
            }

            fn replace(
                &self,
                key: &str,
                etag: &str,
                options: PutOptions,
            ) -> Result<Box<dyn PutStream>> {
                let condition = Some(Condition::Etag(etag.to_owned()));
                self.core()?.begin_put(key, options.size_hint, condition)
            }

            fn delete_many(&self, keys: &[&str]) -> Result<Vec<Undeleted>> {
                self.core()?.delete_many(keys)
            }

            fn protection(&self, key: &str) -> Result<Option<Protection>> {
                self.core()?.protection(key)
            }

            fn sweep(&self, request: &Sweep) -> Result<Vec<Leftover>> {
                self.core()?.sweep(request)
            }
        }
    };
}

storage! {
    /// The storage `s3`.
    S3, S3Config, s3::open
}

storage! {
    /// The storage `azure`.
    Azure, AzureConfig, azure::open
}

storage! {
    /// The storage `gcs`.
    Gcs, GcsConfig, gcs::open
}

storage! {
    /// The storage `http`: a WebDAV server.
    Http, HttpConfig, webdav::open
}

export_plugin! {
    id: "object-store",
    description: "Keeps objects in S3, Azure, Google Cloud Storage or on a WebDAV server",
    storages: [S3 as "s3", Azure as "azure", Gcs as "gcs", Http as "http"],
}
