//! The elements of `<storage>` that this plugin takes.
//!
//! Each type of storage has elements of its own and shares others with the rest
//! (see [`Common`]). Everything is validated when it is decoded, so that what is
//! wrong is found where it is.

mod azure;
mod common;
mod gcs;
mod http;
mod s3;
mod split;
mod value;

pub use self::{
    azure::{AccessTier, Authentication, AzureConfig, AzureSettings},
    common::Common,
    gcs::{GcsConfig, GcsSettings, GoogleAuthentication},
    http::{HttpConfig, HttpSettings},
    s3::{Checksum, Encryption, S3Config, S3Settings, Tag, Tags},
    value::{Address, Count, Name, PartSize, Positive, Prefix},
};
