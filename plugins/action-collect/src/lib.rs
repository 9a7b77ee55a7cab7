#![doc = include_str!("../README.md")]

pub mod archive;
mod collect;
mod commands;
mod days;
mod hex;
mod owners;
pub mod pack;
pub mod restore;
mod shown;
mod sources;
pub mod state;
pub mod walk;

pub use self::{
    collect::Collect,
    commands::{List, Restore},
};

hayloft_plugin_api::export_plugin! {
    id: "collect",
    description: "Collects files into archives, lists what is in them, and puts it back",
    actions: [Collect as "collect" { section: "collect", phase: "collect" }],
    commands: [
        List as "list" { section: "collect", about: "List backups, and the files in them" },
        Restore as "restore" {
            section: "collect", about: "Put collected files back, as they were on a day"
        },
    ],
}
