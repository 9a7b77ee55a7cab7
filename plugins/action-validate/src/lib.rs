#![doc = include_str!("../README.md")]

pub mod checks;
pub mod element;
pub mod machine;
pub mod order;
mod plugin;

pub use crate::plugin::Validate;

hayloft_plugin_api::export_plugin! {
    id: "validate",
    description: "Checks that what the configuration speaks of is there",
    actions: [Validate as "validate" { section: "validate", phase: "none" }],
}
