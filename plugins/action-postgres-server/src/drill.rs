//! The drill: proves that what was stored can be restored.
//!
//! A backup is restored into a private directory, a server of its own replays
//! the WAL that is archived, and what comes of it is looked at. The server can
//! touch nothing outside: its configuration is ours and not the backup's, it
//! has neither network nor archive nor replication, its tablespaces lie in the
//! same directory, and WAL is handed to it by us. Afterwards everything is
//! removed.
//!
//! A replay that ends early is no success here, even where PostgreSQL opens
//! the database without a word: what was archived last, or the target, must
//! have been reached.

mod checks;
mod checksums;
mod events;
mod feed;
mod log;
mod place;
mod replay;
mod report;
mod run;
mod scratch;
mod settings;
mod tame;

pub(crate) use self::{
    place::reports,
    report::{Report, all, prometheus},
    run::{Options, drill},
    settings::is_kept_closed,
};
