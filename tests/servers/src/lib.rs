//! Object stores for tests, all on loopback and in memory or in a directory of
//! their own: never one that is already there. Dropping one ends it.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test whose server does not work must fail"
)]

mod azurite;
mod certificate;
mod external;
mod garage;
mod gcs;
mod many;
mod moto;
mod proxy;
mod s3;
mod serving;
mod sts;
mod webdav;

pub use self::{
    azurite::{AZURE_ACCOUNT, AZURE_KEY, Azurite, CONTAINER},
    certificate::Certificate,
    garage::{GARAGE_KEY, GARAGE_SECRET, Garage},
    gcs::GcsServer,
    many::ManyKeys,
    moto::Moto,
    proxy::{Call, Fault, Proxy},
    s3::{ACCESS_KEY, BUCKET, Behaviour, S3Server, SECRET_KEY, Stored},
    sts::StsServer,
    webdav::{DAV_PASSWORD, DAV_USER, WebDavServer},
};
