//! `hayloft pg cluster …` by the whole program, with real clusters.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code fails by panicking")]

#[path = "pg_cluster/ground.rs"]
mod ground;

#[path = "pg_cluster/containers.rs"]
mod containers;
#[path = "pg_cluster/drops.rs"]
mod drops;
#[path = "pg_cluster/inits.rs"]
mod inits;
#[path = "pg_cluster/life.rs"]
mod life;
#[path = "pg_cluster/managers.rs"]
mod managers;
#[path = "pg_cluster/recovery.rs"]
mod recovery;
#[path = "pg_cluster/reloads.rs"]
mod reloads;
#[path = "pg_cluster/traps.rs"]
mod traps;
