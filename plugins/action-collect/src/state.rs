//! What was collected last, so that an increment knows what is unchanged.

mod cedar_digest;
mod file;
mod record;

pub use self::{
    cedar_digest::{CedarDigest, read_cedar_digest},
    file::{Directory, StateError, StateHeader, StateReader, StateTotals, StateWriter, path_order},
    record::Record,
};
