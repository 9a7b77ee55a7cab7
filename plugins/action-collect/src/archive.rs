//! The archive format: pax, as GNU tar reads it, with everything a file has.
//!
//! Pure: bytes in, entries out, and the other way round.

mod acl;
mod entry;
mod facts;
mod listing;
mod pax;
mod reader;
mod sparse;
mod writer;

pub use self::{
    entry::{Device, Entry, Kind, Segment, Time, clean},
    facts::{CEDAR, Coverage, Facts},
    listing::{Listing, Presence},
    reader::{ArchiveError, Reader, is_tar},
    writer::{BLOCK, END, header, padding},
};
