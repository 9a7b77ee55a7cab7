//! The program under the name `cback3`, through a real link: its command line,
//! its log, its exit codes, and what it leaves when it is interrupted.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "cback3/command_lines.rs"]
mod command_lines;
#[path = "cback3/configurations.rs"]
mod configurations;
#[path = "cback3/hooks.rs"]
mod hooks;
#[path = "cback3/installation.rs"]
mod installation;
#[path = "cback3/interrupted.rs"]
mod interrupted;
#[path = "cback3/log.rs"]
mod log;
#[path = "cback3/managed.rs"]
mod managed;
#[path = "cback3/order.rs"]
mod order;
#[path = "cback3/ordinary.rs"]
mod ordinary;
#[path = "cback3/tools.rs"]
mod tools;
