#![doc = include_str!("../README.md")]

pub mod days;
pub mod manifest;
pub mod names;
pub mod source;
pub mod storing;
pub mod upload;
