//! Collects files into archives, lists what is in them, and puts it back.

pub mod archive;
mod owners;
pub mod pack;
mod shown;
pub mod state;
pub mod walk;
