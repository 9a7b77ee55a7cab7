//! `pg_hba.conf`: who may connect from where, and how they must prove it.
//!
//! [`Document`] is one file, lossless, with rules that are found, inserted,
//! replaced and removed by index or by their fields. [`Rules`] is everything
//! that a server reads, includes and all; it tells which rule decides about a
//! connection ([`Rules::effective`]) and what is suspicious
//! ([`Rules::warnings`]). [`HbaFile`] edits a file on disk.
//!
//! ```
//! use hayloft_postgres::hba::{Document, Fields, Rule, Server};
//!
//! let server = Server::of(15);
//! let mut document = Document::parse(b"# who may\nlocal   all   all   peer\n", &server);
//! let rule = Rule::parse(b"host app app 10.0.0.0/8 scram-sha-256", &server)?;
//! document.insert_after(&Fields::new().kind("local"), &rule)?;
//! assert_eq!(
//!     document.to_bytes(),
//!     b"# who may\nlocal   all   all   peer\nhost    app   app   10.0.0.0/8 scram-sha-256\n",
//! );
//! # Ok::<(), hayloft_postgres::hba::HbaError>(())
//! ```
//!
//! The rules are those of `hba.c`, compared with running servers of versions
//! 15 to 18 on random lines.

mod address;
mod document;
mod effective;
mod error;
mod ldap;
mod lint;
mod matching;
mod options;
mod parse;
mod plan;
mod rule;
mod rules;

pub use self::{
    address::Address,
    document::{Document, Placed},
    effective::{Client, Decision},
    error::{HbaError, RuleError},
    lint::{Warning, WarningKind, is_octal_address},
    matching::Fields,
    plan::{HbaFile, Plan},
    rule::{ConnectionKind, Method, Rule, Server},
    rules::{LoadedRule, Rules},
};
pub use crate::auth::{
    document::{Position, Record},
    layout::Slot,
    word::Word,
};
