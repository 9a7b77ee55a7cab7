//! The commands `list` and `restore`.

mod arguments;
mod dump;
mod entries;
mod list;
mod overview;
mod restore;
mod table;
mod targets;

pub use self::{list::List, restore::Restore};
