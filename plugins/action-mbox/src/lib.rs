//! Backs up mailboxes in the mbox format, whole or what is new in them.
//!
//! ```xml
//! <mbox>
//!   <collect_mode>incr</collect_mode>
//!   <compress_mode>zstd</compress_mode>
//!   <file><abs_path>/var/mail/ann</abs_path></file>
//!   <dir><abs_path>/home/ann/mail</abs_path></dir>
//! </mbox>
//! ```
//!
//! A section of Cedar Backup's means what it meant there; `README.md` tells
//! what else can be said, and what is new in a mailbox.

mod action;
mod archive;
mod cedar_state;
mod choice;
mod context;
mod digest;
mod directory;
mod earlier;
mod extract;
mod from_line;
mod headers;
mod items;
mod joined;
mod listing;
mod lock;
mod memory;
mod scan;
mod single;
mod splitter;
mod stale;
mod state;

pub use self::action::Mbox;

hayloft_plugin_api::export_plugin! {
    id: "mbox",
    description: "Backs up mailboxes in the mbox format, whole or what is new in them",
    actions: [Mbox as "mbox" { section: "mbox", phase: "collect" }],
}
