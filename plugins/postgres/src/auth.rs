//! What `pg_hba.conf` and `pg_ident.conf` have in common: lines, words,
//! fields, files that include one another, and editing by line.

pub(crate) mod document;
pub(crate) mod expand;
pub(crate) mod layout;
pub(crate) mod line;
pub(crate) mod pattern;
pub(crate) mod sheet;
pub(crate) mod word;
