//! Collects files into archives, lists what is in them, and puts it back.

pub mod archive;
pub mod state;
