//! Streaming, slots, and the primary of a standby.

use super::{CheckLine, Facts, SqlFacts, Wanted};
use crate::server::{Reading, ServerStatus, Slot};

/// So much WAL may be kept for a slot before it is worth a word.
const KEPT: u64 = 4 << 30;

pub(super) fn lines(facts: &Facts, sql: &SqlFacts, wanted: &Wanted) -> Vec<CheckLine> {
    let status = &sql.status;
    let mut lines = Vec::new();
    if let Some(primary) = &facts.primary {
        match primary {
            Ok(primary) => lines.extend(of_primary(status, primary)),
            Err(trouble) => lines.push(CheckLine::trouble(
                "primary",
                trouble,
                "at the end of a backup the primary must finish a segment",
            )),
        }
    }
    if let Some(streaming) = &facts.streaming {
        lines.push(senders(status, wanted));
        match streaming {
            Ok(streaming) => {
                let at = format!("timeline {}, {}", streaming.timeline, streaming.position);
                lines.push(CheckLine::ok("streaming", at));
                lines.push(same_cluster(status, streaming.system_identifier));
            }
            Err(trouble) => lines.push(CheckLine::trouble(
                "streaming",
                trouble,
                "WAL and base backups cannot be streamed",
            )),
        }
    }
    if let Some(name) = &wanted.slot {
        lines.push(slots(status, name));
        lines.push(slot(status, name, wanted));
    }
    lines
}

fn of_primary(standby: &ServerStatus, primary: &ServerStatus) -> Vec<CheckLine> {
    let role = match primary.in_recovery() {
        Reading::Value(false) => CheckLine::ok("primary", "it answers"),
        Reading::Value(true) => CheckLine::failed(
            "primary",
            "it is a standby itself",
            "it cannot finish a segment of WAL",
            "let <primary_conninfo> lead to the primary",
        ),
        other => CheckLine::unknown("primary", other.why()),
    };
    let identifiers = (&standby.system_identifier, &primary.system_identifier);
    let same = match identifiers {
        (Reading::Value(ours), Reading::Value(theirs)) if ours == theirs => {
            CheckLine::ok("primary_system_identifier", ours.to_string())
        }
        (Reading::Value(ours), Reading::Value(theirs)) => CheckLine::failed(
            "primary_system_identifier",
            format!("{theirs}, and the standby's is {ours}"),
            "they are two clusters, and not one",
            "correct <conninfo> or <primary_conninfo>",
        ),
        (Reading::Value(_), other) | (other, _) => {
            CheckLine::unknown("primary_system_identifier", other.why())
        }
    };
    vec![role, same]
}

/// A number that the server has so many of, and how many are taken.
struct Room {
    all: usize,
    taken: usize,
}

impl Room {
    fn of(
        status: &ServerStatus,
        name: &'static str,
        taken: Reading<usize>,
    ) -> Result<Self, CheckLine> {
        let all = match status.setting(name) {
            Reading::Value(all) => all,
            other => return Err(CheckLine::unknown(name, other.why())),
        };
        if all == "0" {
            let remedy = format!("ALTER SYSTEM SET {name} = 10, and restart the server");
            return Err(CheckLine::failed(name, "0", "nothing can be streamed", remedy));
        }
        match (all.parse(), taken) {
            (Ok(all), Reading::Value(taken)) => Ok(Self { all, taken }),
            (_, other) => Err(CheckLine::unknown(name, other.why())),
        }
    }

    fn is_full(&self) -> bool {
        self.taken >= self.all
    }

    fn text(&self) -> String {
        format!("{} of {} are taken", self.taken, self.all)
    }
}

fn senders(status: &ServerStatus, wanted: &Wanted) -> CheckLine {
    const NAME: &str = "max_wal_senders";
    const REMEDY: &str = "ALTER SYSTEM SET max_wal_senders to more, and restart the server; or end \
                          one of those that pg_stat_replication lists";
    let room = match Room::of(status, NAME, status.clients.as_ref().map(Vec::len)) {
        Ok(room) => room,
        Err(line) => return line,
    };
    let ours = wanted.slot.as_ref().map(|it| status.slot(it).map(|it| it.active));
    match (room.is_full(), ours) {
        (false, _) => CheckLine::ok(NAME, room.text()),
        (true, Some(Reading::Value(true))) => {
            let why = "WAL is streamed, and no base backup can be";
            CheckLine::warning(NAME, room.text(), why, REMEDY)
        }
        (true, _) => CheckLine::failed(NAME, room.text(), "nothing more can be streamed", REMEDY),
    }
}

/// Full is bad only for a slot that is still to be made.
fn slots(status: &ServerStatus, name: &str) -> CheckLine {
    const NAME: &str = "max_replication_slots";
    let room = match Room::of(status, NAME, status.slots.as_ref().map(Vec::len)) {
        Ok(room) => room,
        Err(line) => return line,
    };
    if room.is_full() && status.slot(name) == Reading::No {
        return CheckLine::failed(
            NAME,
            room.text(),
            format!("the slot {name} cannot be made"),
            "ALTER SYSTEM SET max_replication_slots to more, and restart the server; or drop a \
             slot that nobody needs: pg_replication_slots lists them",
        );
    }
    CheckLine::ok(NAME, room.text())
}

fn same_cluster(status: &ServerStatus, streaming: u64) -> CheckLine {
    const NAME: &str = "system_identifier";
    match &status.system_identifier {
        Reading::Value(sql) if *sql == streaming => CheckLine::ok(NAME, sql.to_string()),
        Reading::Value(sql) => CheckLine::failed(
            NAME,
            format!("{sql} by SQL, {streaming} by streaming"),
            "backups and WAL would be of different clusters",
            "let <conninfo> and <streaming_conninfo> lead to the same server",
        ),
        other => CheckLine::unknown(NAME, other.why()),
    }
}

fn slot(status: &ServerStatus, name: &str, wanted: &Wanted) -> CheckLine {
    const NAME: &str = "replication_slot";
    const LOSS: &str = "the server removes WAL before it was streamed";
    let create = format!("SELECT pg_create_physical_replication_slot('{name}', true)");
    let slot: &Slot = match status.slot(name) {
        Reading::Value(slot) => slot,
        Reading::No => {
            let found = format!("there is no physical slot {name}");
            return CheckLine::failed(NAME, found, LOSS, create);
        }
        Reading::Unknown(why) => return CheckLine::unknown(NAME, Some(&why)),
    };
    if slot.wal_status.as_deref() == Some("lost") {
        return CheckLine::failed(
            NAME,
            format!("{name} has lost WAL"),
            "the archive has a gap from here on, until the next base backup",
            format!("drop it, make it again ({create}), and take a base backup"),
        );
    }
    if slot.restart.is_none() {
        return CheckLine::failed(NAME, format!("{name} was never used"), LOSS, "start streaming");
    }
    if !slot.active && wanted.streaming_archiver {
        let found = format!("nobody streams from {name}{}", kept_text(status, slot));
        let why = "WAL is not archived, and piles up in pg_wal until the disk is full";
        return CheckLine::failed(NAME, found, why, "start `hayloft pg wal receive`");
    }
    if slot.active && !wanted.streaming_archiver {
        let found = format!("somebody streams from {name}, and <streaming_archiver> is off");
        let why = "two may archive the same WAL";
        return CheckLine::warning(NAME, found, why, "stop it, or turn <streaming_archiver> on");
    }
    if slot.wal_status.as_deref() == Some("unreserved") {
        let why = "the server will remove WAL that was not streamed, at the next checkpoint";
        let remedy = "raise max_slot_wal_keep_size, or stream faster";
        return CheckLine::failed(NAME, format!("{name} is about to lose WAL"), why, remedy);
    }
    if kept(status, slot).is_some_and(|it| it > KEPT) {
        let found = format!("{name} is behind{}", kept_text(status, slot));
        let why = "WAL piles up in pg_wal, and a disaster would lose it";
        return CheckLine::warning(NAME, found, why, "stream faster, or look why it does not");
    }
    CheckLine::ok(NAME, format!("{name}{}", kept_text(status, slot)))
}

/// Returns the bytes of WAL that the server keeps for a slot.
fn kept(status: &ServerStatus, slot: &Slot) -> Option<u64> {
    let now = status.wal.value()?.position?;
    now.bytes().checked_sub(slot.restart?.bytes())
}

fn kept_text(status: &ServerStatus, slot: &Slot) -> String {
    let Some(kept) = kept(status, slot) else { return String::new() };
    format!("; {} MiB of WAL are kept for it", kept >> 20)
}
