#![doc = include_str!("../README.md")]

pub mod days;
pub mod manifest;
pub mod names;
mod plugin;
pub mod source;
pub mod storing;
pub mod upload;

pub use crate::plugin::Store;

hayloft_plugin_api::export_plugin! {
    id: "store",
    description: "Stores staged days in storages",
    actions: [Store as "store" { section: "store", phase: "store" }],
}
