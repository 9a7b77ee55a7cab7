//! The server as such, and what our role may do there.

use super::{CheckLine, SqlFacts, Wanted};
use crate::{
    server::{Identity, Reading, ServerStatus},
    version::{NEWEST, OLDEST},
};

/// How far clocks may be apart.
const CLOCKS: f64 = 10.0;

pub(super) fn lines(sql: &SqlFacts, wanted: &Wanted) -> Vec<CheckLine> {
    let status = &sql.status;
    let mut lines = Vec::new();
    match &status.identity {
        Reading::Value(identity) => {
            lines.push(CheckLine::ok("postgresql", connected(identity)));
            lines.push(version(identity));
            lines.push(role(identity, wanted));
        }
        other => lines.push(CheckLine::unknown("postgresql", other.why())),
    }
    lines.push(encryption(sql));
    lines.extend(privileges(status));
    lines.push(wal_level(status));
    lines.push(full_page_writes(status));
    lines.extend(clock(sql));
    lines
}

fn connected(identity: &Identity) -> String {
    let kind = if identity.superuser { " (superuser)" } else { "" };
    format!("role {}{kind}, database {}", identity.user, identity.database)
}

fn version(identity: &Identity) -> CheckLine {
    let version = identity.version();
    let oldest = OLDEST.major();
    if !version.is_supported() {
        return CheckLine::failed(
            "version",
            version.to_string(),
            format!("PostgreSQL before {oldest} is not served"),
            "upgrade the server",
        );
    }
    if version.major() > NEWEST.major() {
        return CheckLine::warning(
            "version",
            version.to_string(),
            format!("this program was tried with {} and older", NEWEST.major()),
            "look for a newer release of hayloft",
        );
    }
    CheckLine::ok("version", version.to_string())
}

fn role(identity: &Identity, wanted: &Wanted) -> CheckLine {
    match (identity.in_recovery, wanted.standby) {
        (true, true) => CheckLine::ok("role", "standby"),
        (false, false) => CheckLine::ok("role", "primary"),
        (false, true) => CheckLine::failed(
            "role",
            "primary, and a standby is expected",
            "<primary_conninfo> says that backups are taken from a standby",
            "let <conninfo> lead to the standby, or remove <primary_conninfo>",
        ),
        (true, false) => CheckLine::warning(
            "role",
            "standby",
            "the end of a backup waits for WAL that only the primary can finish",
            "add <primary_conninfo>, so that the primary can be asked",
        ),
    }
}

fn encryption(sql: &SqlFacts) -> CheckLine {
    let how = if sql.private { "private connection" } else { "open connection" };
    let found = format!("{how}, authenticated by {}", sql.auth_method);
    if !sql.private && matches!(sql.auth_method, "password" | "md5") {
        return CheckLine::warning(
            "encryption",
            found,
            "who listens to the network learns the password",
            "turn on `ssl` on the server and add sslmode=verify-full to the conninfo, or use \
             scram-sha-256 in pg_hba.conf",
        );
    }
    CheckLine::ok("encryption", found)
}

fn privileges(status: &ServerStatus) -> Vec<CheckLine> {
    let grant = "run what `hayloft pg server grant-sql` prints, as a superuser";
    let Reading::Value(privileges) = &status.privileges else {
        return vec![CheckLine::unknown("backup_privileges", status.privileges.why())];
    };
    let missing = privileges.missing_for_backup();
    let backup = if missing.is_empty() {
        CheckLine::ok("backup_privileges", "all there")
    } else {
        CheckLine::failed(
            "backup_privileges",
            format!("missing: {}", missing.join(", ")),
            "the role cannot take base backups",
            grant,
        )
    };
    let monitoring = if privileges.monitoring {
        CheckLine::ok("monitoring_privileges", "all there")
    } else {
        CheckLine::failed(
            "monitoring_privileges",
            "missing: pg_monitor",
            "settings, statistics and sizes stay hidden, and so does what is wrong with them",
            grant,
        )
    };
    vec![backup, monitoring]
}

fn wal_level(status: &ServerStatus) -> CheckLine {
    match status.setting("wal_level") {
        Reading::Value("minimal") => CheckLine::failed(
            "wal_level",
            "minimal",
            "the WAL holds too little to recover from a base backup",
            "ALTER SYSTEM SET wal_level = 'replica', and restart the server",
        ),
        Reading::Value(level) => CheckLine::ok("wal_level", level),
        other => CheckLine::unknown("wal_level", other.why()),
    }
}

fn full_page_writes(status: &ServerStatus) -> CheckLine {
    match status.setting("full_page_writes") {
        Reading::Value("on") => CheckLine::ok("full_page_writes", "on"),
        Reading::Value(_) => CheckLine::warning(
            "full_page_writes",
            "off",
            "a crash can tear pages; a base backup of a standby is refused",
            "ALTER SYSTEM SET full_page_writes = on, and reload",
        ),
        other => CheckLine::unknown("full_page_writes", other.why()),
    }
}

fn clock(sql: &SqlFacts) -> Option<CheckLine> {
    let ahead = sql.clock_ahead?;
    let direction = if ahead < 0.0 { "behind" } else { "ahead of" };
    let found = format!("{:.1} s {direction} ours", ahead.abs());
    Some(if ahead.abs() > CLOCKS {
        CheckLine::warning(
            "clock",
            found,
            "recovery to a point in time goes by the server's clock, ages of backups by ours",
            "let both machines follow a time server (chrony, systemd-timesyncd)",
        )
    } else {
        CheckLine::ok("clock", found)
    })
}
