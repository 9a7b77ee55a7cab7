//! Adapters between the safe traits and the ABI, in both directions.
//!
//! Everything here is called by generated code or by the host. `server` wraps
//! an author's values so that nothing they do can unwind through the
//! boundary; `client` makes what comes over the boundary look like ordinary
//! Rust again.

pub mod client;
mod contain;
pub mod module;
mod relay;
pub mod server;

pub use self::contain::{Contain, guard, last_panic_hook};
