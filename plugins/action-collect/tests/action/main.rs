//! The action and the commands with a small host, over days that pass as fast
//! as the test wants.
#![expect(clippy::unwrap_used, reason = "tests and what they are made of")]

mod backup;
mod collecting;
mod increments;
mod legacy;
mod restoring;
mod switched;
