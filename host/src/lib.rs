//! The Hayloft backup program, as a library.
//!
//! The program is a small kernel: it finds and loads plugins, reads the
//! configuration, puts actions in order, runs hooks, hands out services and
//! reports. It backs nothing up itself, and it names no plugin.

pub mod cback3;
pub mod cli;
pub mod clock;
mod commands;
pub mod config;
pub mod engine;
pub mod failure;
pub mod history;
pub mod lock;
pub mod log;
pub mod notes;
pub mod plugins;
mod processes;
pub mod services;
pub mod setup;
pub mod signals;
pub mod worker;
