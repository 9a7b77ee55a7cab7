//! `postgresql.conf`, the files it includes, and `postgresql.auto.conf`.
//!
//! A [`Document`] is one file: lossless, with the server's own grammar. A
//! [`Configuration`] is everything a server reads, each value with its origin.
//! A [`Catalogue`] knows which parameters a version has and what they can be.
//! [`ConfFile`] edits a file on disk.
//!
//! ```
//! use hayloft_postgres::conf::{Document, Edit, Policy};
//!
//! let mut document = Document::parse(b"#port = 5432\t# (change requires restart)\nwork_mem 4MB\n");
//! document.apply(&[Edit::set("work_mem", "8MB"), Edit::set("port", "5433")], &Policy::default())?;
//! assert_eq!(
//!     document.to_bytes(),
//!     b"port = '5433'\t# (change requires restart)\nwork_mem '8MB'\n",
//! );
//! # Ok::<(), hayloft_postgres::conf::ConfError>(())
//! ```
//!
//! Edits on disk are planned, looked at, and then written whole:
//!
//! ```no_run
//! use std::path::Path;
//! use hayloft_postgres::{conf::{Catalogue, Check, ConfFile, Edit, Policy, Sources}, tree::Disk};
//!
//! let path = Path::new("/etc/postgresql/15/main/postgresql.conf");
//! let sources = Sources::main(path).data("/var/lib/postgresql/15/main");
//! let file = ConfFile::open(path)?;
//! let plan = file.plan(&[Edit::set("work_mem", "8MB"), Edit::unset("port")], &Policy::default())?;
//! for shadow in plan.shadows(&sources, &Disk) {
//!     eprintln!("{} still counts", shadow.by.origin);
//! }
//! plan.write(Check::Catalogue { sources: &sources, catalogue: &Catalogue::built_in(15), tree: &Disk })?;
//! # Ok::<(), hayloft_postgres::conf::ConfError>(())
//! ```
//!
//! `postgresql.auto.conf` is read for what it overrides and never written:
//! the server does that, told by the statement of [`Edit::alter_system`].
//!
//! The grammar and the rules for includes and precedence were compared with
//! running servers of versions 15 to 18 on random lines; the facts on
//! parameters are those of `pg_settings` of 13 to 18.

mod alter_system;
mod arguments;
mod catalogue;
mod document;
mod edit;
mod error;
mod expand;
mod line;
mod name;
mod number;
mod plan;
mod problem;
mod quote;
mod report;
mod token;
mod value;

pub use self::{
    catalogue::{Catalogue, Context, Parameter, Type},
    document::Document,
    edit::{Edit, Effect, Policy},
    error::ConfError,
    expand::{AUTO_CONF, Configuration, Origin, Setting, Sources},
    line::{IncludeKind, Line, LineKind},
    name::canonical_name,
    plan::{Check, ConfFile, Plan, Shadow},
    problem::{Location, Problem, ProblemKind},
    report::FileSetting,
    value::{Value, ValueError},
};
