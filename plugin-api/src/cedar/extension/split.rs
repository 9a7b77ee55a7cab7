//! The `<split>` section.

use crate::cedar::{
    ByteQuantity, Cause, Place, quantity,
    reader::{Findings, Reader},
    section::{Context, Section},
};

/// When staged files are split, and into what.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Split {
    /// Files above this size are split.
    pub size_limit: Option<ByteQuantity>,
    /// The size of the parts.
    pub split_size: Option<ByteQuantity>,
    /// Where the section is.
    pub place: Place,
}

impl Section for Split {
    const NAME: &'static str = "split";

    fn read(reader: &Reader<'_>) -> Self {
        Self {
            size_limit: quantity::read(reader, "size_limit"),
            split_size: quantity::read(reader, "split_size"),
            place: reader.place(),
        }
    }

    fn validate(&self, findings: &Findings<'_>, _: &Context<'_>) {
        if self.size_limit.is_none() {
            findings.missing(Cause::SizeLimitMissing, &self.place);
        }
        if self.split_size.is_none() {
            findings.missing(Cause::SplitSizeMissing, &self.place);
        }
    }
}
