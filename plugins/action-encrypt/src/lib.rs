#![doc = include_str!("../README.md")]

mod action;
mod chains;
mod clear;
mod command;
mod encrypt;
mod open;
mod record;
mod seal;

pub use crate::{action::Encrypt, command::Decrypt};

hayloft_plugin_api::export_plugin! {
    id: "encrypt",
    description: "Encrypts staged files, and decrypts them",
    actions: [Encrypt as "encrypt" { section: "encrypt", phase: "none" }],
    commands: [
        Decrypt as "decrypt" {
            section: "", about: "Decrypt staged files into a directory",
            configuration: "optional"
        },
    ],
}
