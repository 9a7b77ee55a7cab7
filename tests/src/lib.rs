//! What the whole-program tests share: a place to work in, the program with
//! its plugins, and real servers.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "test code fails by panicking"
)]

pub mod chaos;
pub mod faults;
pub mod fixture;
pub mod mariadb;
pub mod postgres;
mod program;
mod sandbox;
mod signals;
pub mod ssh;

pub use self::{
    program::Program,
    sandbox::{Output, Sandbox},
};
