//! Files of WAL that wait in a directory, on their way into the archive.
//!
//! ```text
//! let batch = Batch::of_incoming(&directory, limit, now)?;
//! let tally = Pass { host, keep: &archive, errors, jobs }.run(batch);
//! ```
//!
//! # Rules
//!
//! * Names that begin with `.` and names that end in `.tmp` are of somebody
//!   who still writes; the latter count as left behind after a day.
//! * Of what is streamed, the newest file stays: it tells where to go on.
//!   Older `….partial` are what is left of timelines that ended.
//! * A limit counts files that can be archived, and nothing else.
//! * A file is removed when every storage has it, durably; until then it is
//!   left as it is. So whatever ends us, the next pass finds it again.
//! * What cannot be archived goes into the directory of errors, under a name
//!   that nothing else has. It is never removed.

mod batch;
mod errors;
mod pass;
mod tally;

use std::{path::Path, time::SystemTime};

use hayloft_plugin_api::{Host, Result};
use hayloft_postgres::wal::FileName;

pub(crate) use self::{
    batch::Batch,
    errors::ErrorsDirectory,
    pass::{Keep, Pass, chain},
    tally::Tally,
};
use crate::{
    archive::Archive,
    backup,
    config::Server,
    directories::Directories,
    lock::{Lock, Tried},
    receive,
};

impl Keep for Archive<'_> {
    fn keep(&self, name: FileName, path: &Path) -> Result<bool> {
        Ok(self.save(name, path)?.is_new())
    }
}

/// Archives everything that waits for a server: first what was streamed, then
/// what somebody else has brought. `Err` within says who is at it already.
///
/// # Errors
///
/// If it cannot even begin.
pub(crate) fn archive(host: &Host, server: &Server) -> Result<std::result::Result<Tally, String>> {
    let directories = Directories::of(host, server)?;
    let archive = Archive::open(host, server)?.in_parallel();
    let archive = archive.in_one_piece(server.wal_workers());
    let errors = ErrorsDirectory::new(&directories.errors);
    let pass = Pass { host, keep: &archive, errors: &errors, jobs: server.wal_jobs() };
    let mut all = Tally::default();
    for (directory, streamed) in [(&directories.streaming, true), (&directories.incoming, false)] {
        if !directory.is_dir() {
            continue;
        }
        let _lock = match Lock::take(&receive::archive_lock(directory))? {
            Tried::Taken(lock) => lock,
            // A receiver archives what it receives.
            Tried::Held(_) if streamed && receive::look(directory)?.1.is_some() => continue,
            Tried::Held(who) => return Ok(Err(who)),
        };
        all.add(pass.run(&batch(server, directory, streamed)?));
    }
    Ok(Ok(all))
}

/// Says of backups that waited for WAL which is archived now that they are
/// `DONE`. What cannot be said now is said another time.
pub(crate) fn complete_backups(host: &Host, server: &Server) {
    if let Err(error) = backup::complete(host, server) {
        let name = &server.name;
        tracing::warn!("backups of server {name} that wait for WAL still do: {}", chain(&error));
    }
}

/// Returns how many files wait for that.
///
/// # Errors
///
/// If a directory cannot be read.
pub(crate) fn waiting(host: &Host, server: &Server) -> Result<u64> {
    let directories = Directories::of(host, server)?;
    let streamed = batch(server, &directories.streaming, true)?;
    let brought = batch(server, &directories.incoming, false)?;
    Ok([streamed, brought].iter().map(|it| (it.items.len() + it.later) as u64).sum())
}

fn batch(server: &Server, directory: &Path, streamed: bool) -> Result<Batch> {
    let now = SystemTime::now();
    if streamed {
        Batch::of_streaming(directory, server.streaming_archiver_batch_size, now)
    } else {
        Batch::of_incoming(directory, server.archiver_batch_size, now)
    }
}
