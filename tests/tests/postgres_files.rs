//! Configuration files: random lines, read by us and by running servers of
//! every version.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code fails by panicking")]

#[path = "postgres_files/auth.rs"]
mod auth;
#[path = "postgres_files/catalogue.rs"]
mod catalogue;
#[path = "postgres_files/conf.rs"]
mod conf;
#[path = "postgres_files/decision.rs"]
mod decision;
#[path = "postgres_files/edit.rs"]
mod edit;
#[path = "postgres_files/includes.rs"]
mod includes;
#[path = "postgres_files/lines.rs"]
mod lines;
#[path = "postgres_files/patterns.rs"]
mod patterns;
#[path = "postgres_files/values.rs"]
mod values;
