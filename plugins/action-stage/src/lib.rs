#![doc = include_str!("../README.md")]

mod claim;
pub mod copy;
pub mod day;
mod durable;
mod error;
pub mod incoming;
pub mod local;
pub mod peer;
mod plugin;
pub mod quoting;
pub mod remote;
pub mod staging;
pub mod world;

pub use crate::{error::StageError, plugin::Stage};

/// How the names of files that are being written begin. They are never taken
/// for results.
pub const TEMPORARY: &str = ".hayloft-";

hayloft_plugin_api::export_plugin! {
    id: "stage",
    description: "Copies what the peers collected into the day's directory",
    actions: [Stage as "stage" { section: "stage", phase: "stage" }],
}
