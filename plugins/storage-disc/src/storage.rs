//! The storages `cdwriter` and `dvdwriter`.

use std::io::Read;

use hayloft_plugin_api::{
    ByteRange, Error, ErrorKind, Host, ObjectMeta, Outcome, PutOptions, PutStream, Request, Result,
    Storage, Tree,
};

use crate::{
    config::{DriveKind, Kind, Settings},
    policy, session,
};

/// CDs.
#[derive(Debug, Clone, Copy)]
pub struct Cd;

/// DVDs.
#[derive(Debug, Clone, Copy)]
pub struct Dvd;

impl DriveKind for Cd {
    const KIND: Kind = Kind::Cd;
}

impl DriveKind for Dvd {
    const KIND: Kind = Kind::Dvd;
}

/// A drive as a storage: it takes directory trees and no objects.
#[derive(Debug)]
pub struct Writer<K> {
    settings: Settings<K>,
}

/// The storage `cdwriter`.
pub type CdWriter = Writer<Cd>;
/// The storage `dvdwriter`.
pub type DvdWriter = Writer<Dvd>;

fn no_objects<T>() -> Result<T> {
    Err(Error::new(ErrorKind::UNSUPPORTED, "discs take whole days, no single objects"))
}

impl<K: DriveKind> Storage for Writer<K> {
    type Config = Settings<K>;

    fn new(settings: Settings<K>) -> Result<Self> {
        Ok(Self { settings })
    }

    fn put(&self, _: &str, _: PutOptions) -> Result<Box<dyn PutStream>> {
        no_objects()
    }

    fn get(&self, _: &str, _: ByteRange) -> Result<Box<dyn Read + Send>> {
        no_objects()
    }

    fn stat(&self, _: &str) -> Result<Option<ObjectMeta>> {
        no_objects()
    }

    fn list(&self, _: &str, _: &str, _: u32) -> Result<Vec<ObjectMeta>> {
        no_objects()
    }

    fn delete(&self, _: &str) -> Result<()> {
        no_objects()
    }

    fn put_trees(&self, host: &Host, request: &Request, trees: &[Tree]) -> Result<Outcome> {
        if trees.is_empty() {
            return Ok(Outcome::new("nothing to write"));
        }
        let disc = &self.settings.disc;
        let new_disc = policy::new_disc(request.full, request.start_of_week, disc.blanking);
        session::put_trees(host, disc, request, trees, new_disc)
    }
}
