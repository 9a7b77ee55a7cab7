//! The loader, with real plugins that are built here.
#![expect(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

#[path = "plugins/bad_files.rs"]
mod bad_files;
#[path = "plugins/c.rs"]
mod c;
#[path = "plugins/containment.rs"]
mod containment;
#[path = "plugins/duplicates.rs"]
mod duplicates;
#[path = "plugins/good.rs"]
mod good;
#[path = "plugins/lab.rs"]
mod lab;
#[path = "plugins/logging.rs"]
mod logging;
#[path = "plugins/versions.rs"]
mod versions;
