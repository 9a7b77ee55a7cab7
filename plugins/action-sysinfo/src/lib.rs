#![doc = include_str!("../README.md")]

mod action;
mod context;
mod files;
mod listing;
mod partitions;
mod parts;
mod program;
mod report;
mod section;

pub use self::{action::Sysinfo, section::Config};

hayloft_plugin_api::export_plugin! {
    id: "sysinfo",
    description: "Saves what describes this machine: packages, partitions, units, crontabs, files",
    actions: [Sysinfo as "sysinfo" { section: "sysinfo", phase: "collect" }],
}
