//! The `<amazons3>` section.

use crate::cedar::{
    ByteQuantity, Cause, Place, Text, quantity,
    reader::{Findings, Reader},
    section::{Context, Section},
};

/// Where staged data is uploaded to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AmazonS3 {
    /// Whether a run past midnight is reported.
    pub warn_midnite: bool,
    /// The bucket; it may carry a path.
    pub s3_bucket: Text,
    /// A command that encrypts `${input}` to `${output}`.
    pub encrypt: Text,
    /// What a full day may have; no limit if absent.
    pub full_size_limit: Option<ByteQuantity>,
    /// What any other day may have; no limit if absent.
    pub incr_size_limit: Option<ByteQuantity>,
    /// A name of `<storages>`; not known to Cedar Backup.
    pub storage: Text,
    /// What encrypts instead of the command: `gpg`, `age` or another one; not
    /// known to Cedar Backup.
    pub encryptor: Text,
    /// Whether what was uploaded is read back, if it is said; not known to
    /// Cedar Backup.
    pub check_data: Option<bool>,
    /// Where the section is.
    pub place: Place,
}

impl Section for AmazonS3 {
    const NAME: &'static str = "amazons3";

    fn read(reader: &Reader<'_>) -> Self {
        Self {
            warn_midnite: reader.boolean("warn_midnite"),
            s3_bucket: reader.text("s3_bucket"),
            encrypt: reader.text("encrypt"),
            full_size_limit: quantity::read(reader, "full_size_limit"),
            incr_size_limit: quantity::read(reader, "incr_size_limit"),
            storage: reader.text("storage"),
            encryptor: reader.text("encryptor"),
            check_data: reader.text("check_data").map(|_| reader.boolean("check_data")),
            place: reader.place(),
        }
    }

    fn validate(&self, findings: &Findings<'_>, _: &Context<'_>) {
        if self.s3_bucket.is_none() && self.storage.is_none() {
            findings.missing(Cause::BucketMissing, &self.place);
        }
    }
}
