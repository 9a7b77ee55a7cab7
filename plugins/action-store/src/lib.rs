#![doc = include_str!("../README.md")]

pub mod days;
pub mod discs;
pub mod manifest;
mod plugin;
pub mod storing;

pub use hayloft_staging::{names, source, upload};

pub use crate::plugin::Store;

hayloft_plugin_api::export_plugin! {
    id: "store",
    description: "Stores staged days in storages",
    actions: [Store as "store" { section: "store", phase: "store" }],
}
