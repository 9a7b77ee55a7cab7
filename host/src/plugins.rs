//! Finding, checking and loading plugins.
//!
//! [`Registry`] is all that the rest of the program needs: it knows what is
//! there without running any of it, and opens what is asked for.

mod c_abi;
mod c_library;
mod entry;
mod inspect;
mod load;
mod log_bridge;
mod negotiate;
#[expect(unreachable_pub, reason = "`export_plugin!` makes a plugin for others")]
mod none;
mod pieces;
mod problem;
mod registry;
mod search;
mod trust;

pub use self::{
    entry::{Entry, Note},
    inspect::{Inspection, inspect},
    problem::{PluginError, Problem},
    registry::{Claimed, Registry},
    search::{PATH_VARIABLE, Pinned, Rejected, SearchRules},
    trust::{Distrust, Fault, Opened, check_directory},
};
