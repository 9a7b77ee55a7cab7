#![doc = include_str!("../README.md")]

pub mod answers;
pub mod burn;
pub mod capacity;
pub mod commands;
pub mod compare;
pub mod config;
pub mod drive;
pub mod image_file;
pub mod initialize;
pub mod media;
pub mod policy;
pub mod programs;
pub mod rebuild;
pub mod scratch;
pub mod session;
pub mod span;
pub mod storage;
pub mod tools;

pub use crate::{
    capacity::Capacity,
    initialize::Initialize,
    rebuild::{Rebuild, StoreSection},
    span::Span,
    storage::{Cd, CdWriter, Dvd, DvdWriter, Writer},
};

hayloft_plugin_api::export_plugin! {
    id: "disc",
    description: "Writes staged days to CDs, DVDs and image files",
    storages: [CdWriter as "cdwriter", DvdWriter as "dvdwriter"],
    actions: [
        Rebuild as "rebuild" { section: "store", phase: "rebuild" },
        Initialize as "initialize" { section: "store", phase: "initialize" },
        Capacity as "capacity" { section: "capacity", phase: "capacity" },
    ],
    commands: [
        Span as "span" { section: "store", about: "Write staged days over several discs" },
    ],
}
