//! Where collected files are: the collect directory, the staging directory
//! and every storage.

mod catalogue;
mod copy;
mod day;
mod decode;
mod directory;
mod verify;

pub(crate) use self::{
    catalogue::Catalogue,
    copy::{Copy, FileKind, Part},
    day::Day,
    decode::{decoded, plain},
};
