//! `pg_ident.conf`: which users of the system, or of a directory service, may
//! connect as which roles.
//!
//! The same as [`hba`](crate::hba) in lines, quotes, inclusions and editing.
//! A line has the name of a map, the system's user, and the role. A system's
//! user that begins with a slash is a pattern, and `\1` in the role is what
//! its first group holds. From 16 on the role may be a pattern, `all` or
//! `+role` too.
//!
//! ```
//! use hayloft_postgres::{hba::Server, ident::{Document, IdentFields, Mapping}};
//!
//! let server = Server::of(16);
//! let mut document = Document::parse(b"map ann ann\n", &server);
//! document.append(&Mapping::parse(b"map /^(.*)@example\\.com$ \\1", &server)?)?;
//! assert_eq!(document.find(&IdentFields::new().map("map").user("\\1")), Some(1));
//! # Ok::<(), hayloft_postgres::hba::HbaError>(())
//! ```

mod mapping;
mod mappings;

pub use self::{
    mapping::{Document, IdentFields, Mapping},
    mappings::{IdentFile, IdentPlan, LoadedMapping, Mappings, Permission},
};
