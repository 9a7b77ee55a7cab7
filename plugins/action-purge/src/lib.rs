#![doc = include_str!("../README.md")]

pub mod age;
pub mod guard;
mod plugin;
pub mod report;
pub mod tree;

pub use crate::plugin::Purge;

hayloft_plugin_api::export_plugin! {
    id: "purge",
    description: "Removes backups that are old enough, and says what it removed",
    actions: [Purge as "purge" { section: "purge", phase: "purge" }],
}
