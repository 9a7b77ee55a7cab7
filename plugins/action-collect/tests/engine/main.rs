//! The engine without a host: real trees, archives that GNU tar reads too,
//! and what comes back.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests and what they are made of")]

mod histories;
mod hostile;
mod moving;
mod packing;
mod restoring;
mod sandbox;
