#![doc = include_str!("../README.md")]

mod action;
mod command;
mod join;
mod parts;
mod plan;
mod record;
mod sets;
mod split;

pub use crate::{action::Split, command::Join};

hayloft_plugin_api::export_plugin! {
    id: "split",
    description: "Splits large staged files into parts, and joins parts",
    actions: [Split as "split" { section: "split", phase: "none" }],
    commands: [
        Join as "join" {
            section: "", about: "Put the parts of split files together again",
            configuration: "optional"
        },
    ],
}
