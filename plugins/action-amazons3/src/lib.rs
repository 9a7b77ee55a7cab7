#![doc = include_str!("../README.md")]

mod action;
mod owner;
mod place;
mod sync;
mod template;
mod transfer;
mod tree;
mod upload;

pub use crate::{action::AmazonS3, sync::Sync};

hayloft_plugin_api::export_plugin! {
    id: "amazons3",
    description: "Uploads staged days to a bucket, and synchronises directories with one",
    actions: [AmazonS3 as "amazons3" { section: "amazons3", phase: "store" }],
    commands: [
        Sync as "amazons3-sync" {
            section: "", about: "Make a bucket hold what a directory holds",
            configuration: "optional"
        },
    ],
}
