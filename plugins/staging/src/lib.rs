#![doc = include_str!("../README.md")]

pub mod content;
pub mod day;
pub mod failures;
pub mod files;
pub mod leftovers;
pub mod names;
pub mod parts;
pub mod place;
pub mod record;
pub mod source;
pub mod upload;
