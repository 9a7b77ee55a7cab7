//! What the host does for plugins.

pub mod detach;
mod direct;
pub mod hooks;
pub mod host;
pub mod output;
pub mod owner;
pub mod process;
pub mod state;
mod streams;
mod writeback;
