//! Tokens of runs.

use std::hash::{BuildHasher, RandomState};

use crate::clock::Moment;

/// Makes a token that no other run has: when it began, and chance.
pub fn new_run_id(now: &Moment) -> String {
    let chance = RandomState::new().hash_one((std::process::id(), now.unix_seconds()));
    format!("{}-{:08x}", now.compact(), chance & 0xffff_ffff)
}
