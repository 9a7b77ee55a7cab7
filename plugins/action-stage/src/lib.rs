#![doc = include_str!("../README.md")]

pub mod copy;
pub mod day;
mod durable;
mod error;
pub mod incoming;
pub mod local;
pub mod peer;
pub mod quoting;
pub mod remote;
pub mod staging;
pub mod world;

pub use crate::error::StageError;

/// How the names of files that are being written begin. They are never taken
/// for results.
pub const TEMPORARY: &str = ".hayloft-";
