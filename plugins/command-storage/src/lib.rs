#![doc = include_str!("../README.md")]

mod commands;
mod listing;
mod names;
mod place;
mod shown;
mod transfer;

#[cfg(test)]
mod memory;

pub use self::commands::Storages;

hayloft_plugin_api::export_plugin! {
    id: "storage-commands",
    description: "Checks storages, and lists, gets, puts, removes and copies objects in them",
    commands: [
        Storages as "storage" {
            section: "", configuration: "optional",
            about: "Look into storages: check, list, get, put, remove, copy"
        },
    ],
}
