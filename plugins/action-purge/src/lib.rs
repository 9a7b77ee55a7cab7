#![doc = include_str!("../README.md")]

pub mod age;
pub mod guard;
pub mod report;
pub mod tree;
