//! Collects files into archives, lists what is in them, and puts it back.

pub mod archive;
mod collect;
mod hex;
mod owners;
pub mod pack;
pub mod restore;
mod shown;
mod sizes;
pub mod state;
pub mod walk;

pub use self::collect::Collect;

hayloft_plugin_api::export_plugin! {
    id: "collect",
    description: "Collects files into archives, lists what is in them, and puts it back",
    actions: [Collect as "collect" { section: "collect", phase: "collect" }],
}
