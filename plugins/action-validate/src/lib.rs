#![doc = include_str!("../README.md")]

pub mod checks;
pub mod element;
pub mod machine;
