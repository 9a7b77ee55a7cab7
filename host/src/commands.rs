//! The commands: each reads what was typed, asks the engine, and shows.

pub(crate) mod config;
mod context;
pub(crate) mod detached;
pub(crate) mod in_process;
pub(crate) mod man;
pub(crate) mod plugin;
pub(crate) mod plugin_command;
pub(crate) mod run;
pub(crate) mod status;
pub(crate) mod worker;

pub(crate) use self::context::Context;
