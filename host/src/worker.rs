//! Each action runs in a process of its own, so that a plugin that crashes or
//! hangs ends its action and nothing else.

mod channel;
mod parent;
pub mod protocol;
mod session;
mod streams;

pub use self::{
    channel::{Channel, GRACE},
    parent::{Call, End, run},
    streams::Passed,
};

/// The hidden command by which this program starts itself as a worker.
pub const COMMAND: &str = "worker-process";
