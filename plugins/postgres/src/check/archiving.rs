//! Whether WAL is archived.

use super::{CheckLine, Wanted};
use crate::server::{Reading, ServerStatus};

/// So many segments may wait to be archived before it is worth a word.
const BACKLOG: u64 = 20;

pub(super) fn lines(
    status: &ServerStatus,
    primary: Option<&ServerStatus>,
    wanted: &Wanted,
) -> Vec<CheckLine> {
    if wanted.archiver || (!wanted.streaming_archiver && archives(status)) {
        // What a standby does not archive by itself, its primary does.
        let by_primary = status.setting("archive_mode") != Reading::Value("always");
        let primary = primary.filter(|_| wanted.standby && by_primary);
        let standby = wanted.standby && primary.is_none();
        let status = primary.unwrap_or(status);
        return vec![mode(status, standby), command(status), stats(status), backlog(status)];
    }
    if wanted.streaming_archiver {
        return Vec::new();
    }
    vec![CheckLine::warning(
        "wal_archiving",
        "the server does not archive, and neither <archiver> nor <streaming_archiver> is on",
        "without WAL, there is no recovery to a point in time, and a base backup of files cannot \
         be restored at all",
        "set archive_mode = on and archive_command = 'hayloft pg wal push SERVER %p' on the server, \
         or <streaming_archiver>Y</streaming_archiver> here and run `hayloft pg wal receive SERVER`",
    )]
}

/// Whether the server archives by itself, whatever our configuration says: a
/// command that pushes needs no element of it.
fn archives(status: &ServerStatus) -> bool {
    let set =
        |it| matches!(status.setting(it), Reading::Value(it) if !matches!(it, "" | "(disabled)"));
    matches!(status.setting("archive_mode"), Reading::Value("on" | "always"))
        && (set("archive_library") || set("archive_command"))
}

fn mode(status: &ServerStatus, standby: bool) -> CheckLine {
    match status.setting("archive_mode") {
        Reading::Value("off") => CheckLine::failed(
            "archive_mode",
            "off",
            "the server does not archive WAL",
            "ALTER SYSTEM SET archive_mode = on, and restart the server",
        ),
        Reading::Value("on") if standby => CheckLine::failed(
            "archive_mode",
            "on, which is off on a standby",
            "a standby archives nothing then, and nobody knows whether its primary does",
            "ALTER SYSTEM SET archive_mode = always on the standby, and restart it; or let \
             <primary_conninfo> lead to a primary that archives",
        ),
        Reading::Value(mode) => CheckLine::ok("archive_mode", mode),
        other => CheckLine::unknown("archive_mode", other.why()),
    }
}

fn command(status: &ServerStatus) -> CheckLine {
    let library = status.setting("archive_library");
    if let Reading::Value(library) = library
        && !library.is_empty()
    {
        return CheckLine::ok("archive_command", format!("archive_library {library}"));
    }
    match status.setting("archive_command") {
        // The server shows this for a command that is set while the mode is off.
        Reading::Value("" | "(disabled)") => CheckLine::failed(
            "archive_command",
            "empty",
            "WAL piles up in pg_wal until the disk is full",
            "ALTER SYSTEM SET archive_command = 'hayloft pg wal push SERVER %p', and reload",
        ),
        // A command may hold secrets: it is not shown.
        Reading::Value(_) => CheckLine::ok("archive_command", "set"),
        other => CheckLine::unknown("archive_command", other.why()),
    }
}

fn stats(status: &ServerStatus) -> CheckLine {
    let archiver = match &status.archiver {
        Reading::Value(archiver) => archiver,
        other => return CheckLine::unknown("continuous_archiving", other.why()),
    };
    if !archiver.is_healthy() {
        let failed = archiver.last_failed_wal.as_deref().unwrap_or("a segment");
        return CheckLine::failed(
            "continuous_archiving",
            format!("{failed} cannot be archived; {} failures", archiver.failed_count),
            "WAL piles up in pg_wal until the disk is full, and backups wait for it",
            "the server's log has what the archive command said; it tries again by itself",
        );
    }
    match &archiver.last_archived_wal {
        Some(last) => CheckLine::ok("continuous_archiving", format!("last: {last}")),
        None => CheckLine::warning(
            "continuous_archiving",
            "nothing was archived yet",
            "nobody knows whether the archive command works",
            "SELECT pg_switch_wal() finishes a segment, which is archived then",
        ),
    }
}

fn backlog(status: &ServerStatus) -> CheckLine {
    match &status.waiting_to_archive {
        Reading::Value(waiting) if *waiting > BACKLOG => CheckLine::warning(
            "archive_backlog",
            format!("{waiting} segments wait"),
            "a disaster would lose all of them",
            "make the archive command faster, or look why it fails",
        ),
        Reading::Value(waiting) => {
            CheckLine::ok("archive_backlog", format!("{waiting} segments wait"))
        }
        other => CheckLine::unknown("archive_backlog", other.why()),
    }
}
