#![doc = include_str!("../README.md")]

mod action;
mod context;
mod dumpfile;
mod earlier;
mod names;
mod plan;
mod repository;
mod sources;
mod state;
mod svnlast;
mod svnlook;

pub use self::action::Subversion;

hayloft_plugin_api::export_plugin! {
    id: "subversion",
    description: "Dumps Subversion repositories with svnadmin",
    actions: [Subversion as "subversion" { section: "subversion", phase: "collect" }],
}
