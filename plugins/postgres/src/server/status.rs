//! Everything that a server says of itself, in one round trip.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
};

use serde::{Deserialize, de::DeserializeOwned};

use super::{
    ClientKind, Reading, Settings, Why,
    bytes::{as_hex, of_hex, shown},
    clients::{CLIENTS, ReplicationClient},
    settings::NAMES,
    wal_state::{ArchiverStats, POSITION, WalState},
};
use crate::{
    connection::{Connection, QueryError},
    version::ServerVersion,
    wal::{Lsn, TimelineId},
};

/// Everything that a server says of itself.
#[derive(Debug, Clone)]
pub struct ServerStatus {
    /// Who the server is, and who we are there.
    pub identity: Reading<Identity>,
    /// What our role may do.
    pub privileges: Reading<Privileges>,
    /// Its settings, as far as we may see them.
    pub settings: Reading<Settings>,
    /// The number that all copies of a cluster share.
    pub system_identifier: Reading<u64>,
    /// The timeline of the last checkpoint: that of today on a primary.
    pub timeline: Reading<TimelineId>,
    /// Where it stands in the WAL.
    pub wal: Reading<WalState>,
    /// What its archiver has done.
    pub archiver: Reading<ArchiverStats>,
    /// Segments that wait to be archived.
    pub waiting_to_archive: Reading<u64>,
    /// Who streams from it.
    pub clients: Reading<Vec<ReplicationClient>>,
    /// Its replication slots.
    pub slots: Reading<Vec<Slot>>,
    /// Its tablespaces outside of the data directory.
    pub tablespaces: Reading<Vec<Tablespace>>,
    /// The bytes of everything; only if it was asked for, since the server
    /// looks at every file.
    pub size: Reading<u64>,
    /// Files that `postgresql.conf` includes, `postgresql.auto.conf` among them.
    pub included_files: Reading<Vec<String>>,
    /// `pg_hba.conf` and all files that it includes; 16 and later, and only a
    /// superuser may see them.
    pub hba_files: Reading<Vec<String>>,
}

/// Who the server is, and who we are there.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Identity {
    /// The number of the version.
    version: u32,
    /// The whole text of `version()`.
    pub version_text: String,
    /// Whether it is a standby, or recovers.
    pub in_recovery: bool,
    /// The role that we are.
    pub user: String,
    /// The database that we are in.
    pub database: String,
    /// Whether the role is a superuser.
    pub superuser: bool,
    /// Whether it may stream.
    pub replication: bool,
    /// When the server started, in seconds since 1970.
    pub started: f64,
    /// When it last read its configuration.
    pub configured: f64,
    /// Its clock.
    pub now: f64,
}

impl Identity {
    /// Returns the version.
    pub fn version(&self) -> ServerVersion {
        ServerVersion::from_number(self.version)
    }
}

/// What our role may do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "rights are there or not, each by itself")]
pub struct Privileges {
    /// Everything: the role is a superuser.
    pub superuser: bool,
    /// To see settings, statistics and sizes of others: member of
    /// `pg_monitor`, or of `pg_read_all_settings` and `pg_read_all_stats`.
    pub monitoring: bool,
    /// To begin a backup of files.
    pub backup_start: bool,
    /// To end it.
    pub backup_stop: bool,
    /// To finish a segment of WAL.
    pub switch_wal: bool,
    /// To give a position a name.
    pub restore_point: bool,
    /// To ask for a checkpoint: from 15 on, members of `pg_checkpoint` too.
    pub checkpoint: bool,
    /// To stream.
    pub replication: bool,
}

impl Privileges {
    /// Tells whether a base backup of files can be taken.
    pub fn backup(&self) -> bool {
        self.missing_for_backup().is_empty()
    }

    /// Returns what is missing for that.
    pub fn missing_for_backup(&self) -> Vec<&'static str> {
        let needed = [
            (self.monitoring, "pg_monitor"),
            (self.backup_start, "pg_backup_start"),
            (self.backup_stop, "pg_backup_stop"),
            (self.switch_wal, "pg_switch_wal"),
            (self.restore_point, "pg_create_restore_point"),
        ];
        needed.iter().filter(|(has, _)| !has).map(|(_, what)| *what).collect()
    }
}

/// A replication slot.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Slot {
    /// Its name.
    #[serde(rename = "slot_name")]
    pub name: String,
    /// `physical` or `logical`.
    #[serde(rename = "slot_type")]
    pub kind: String,
    /// Whether somebody streams from it.
    pub active: bool,
    /// The number of the server's process that streams from it.
    pub active_pid: Option<u32>,
    /// From where on WAL is kept for it; none before it was first used, and
    /// after it was lost.
    #[serde(rename = "restart_lsn")]
    pub restart: Option<Lsn>,
    /// `reserved`, `extended`, `unreserved` or `lost`; none before it was
    /// first used.
    pub wal_status: Option<String>,
    /// Bytes that can still be written before it is lost; none if there is no
    /// limit (`max_slot_wal_keep_size`).
    pub safe_wal_size: Option<i64>,
}

/// A tablespace outside of the data directory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "ToldTablespace")]
pub struct Tablespace {
    /// Its name; bytes that are no text of the database's encoding as `\xe9`.
    pub name: String,
    /// Its number, the name of its link in `pg_tblspc`.
    pub oid: u32,
    /// Where it is, byte for byte.
    pub location: PathBuf,
}

impl Tablespace {
    /// Returns where it is for people: bytes that are no UTF-8 as `\xe9`.
    pub fn shown_location(&self) -> String {
        shown(self.location.as_os_str().as_bytes())
    }
}

/// What [`tablespaces`] gets.
#[derive(Deserialize)]
struct ToldTablespace {
    /// The name as text, if the server can make our text of it.
    name: Option<String>,
    /// The same in hexadecimal digits.
    bytes: String,
    oid: u32,
    /// In hexadecimal digits.
    location: String,
}

impl TryFrom<ToldTablespace> for Tablespace {
    type Error = String;

    fn try_from(told: ToldTablespace) -> Result<Self, String> {
        let read = |digits: &str| of_hex(digits).ok_or_else(|| format!("`{digits}` is no bytes"));
        let name = match told.name {
            Some(name) => name,
            None => shown(&read(&told.bytes)?),
        };
        let location = PathBuf::from(OsString::from_vec(read(&told.location)?));
        Ok(Self { name, oid: told.oid, location })
    }
}

const IDENTITY: &str = "SELECT pg_catalog.json_build_object(\
    'version', pg_catalog.current_setting('server_version_num')::int, \
    'version_text', pg_catalog.version(), \
    'in_recovery', pg_catalog.pg_is_in_recovery(), \
    'user', current_user, 'database', pg_catalog.current_database(), \
    'superuser', r.rolsuper, 'replication', r.rolsuper OR r.rolreplication, \
    'started', extract(epoch FROM pg_catalog.pg_postmaster_start_time()), \
    'configured', extract(epoch FROM pg_catalog.pg_conf_load_time()), \
    'now', extract(epoch FROM pg_catalog.clock_timestamp())) \
    FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";

// `to_regprocedure` is NULL for a function that this version does not have,
// and NULL is no right.
const PRIVILEGES: &str = "SELECT pg_catalog.json_build_object(\
    'superuser', s, 'replication', s OR r.rolreplication, \
    'monitoring', s OR pg_catalog.pg_has_role('pg_monitor', 'USAGE') \
        OR (pg_catalog.pg_has_role('pg_read_all_settings', 'USAGE') \
            AND pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')), \
    'backup_start', s OR coalesce(\
        pg_catalog.has_function_privilege(pg_catalog.to_regprocedure('pg_catalog.pg_backup_start(text,boolean)'), 'EXECUTE'), \
        pg_catalog.has_function_privilege(pg_catalog.to_regprocedure('pg_catalog.pg_start_backup(text,boolean,boolean)'), 'EXECUTE'), false), \
    'backup_stop', s OR coalesce(\
        pg_catalog.has_function_privilege(pg_catalog.to_regprocedure('pg_catalog.pg_backup_stop(boolean)'), 'EXECUTE'), \
        pg_catalog.has_function_privilege(pg_catalog.to_regprocedure('pg_catalog.pg_stop_backup(boolean,boolean)'), 'EXECUTE'), false), \
    'switch_wal', s OR pg_catalog.has_function_privilege('pg_catalog.pg_switch_wal()', 'EXECUTE'), \
    'restore_point', s OR pg_catalog.has_function_privilege('pg_catalog.pg_create_restore_point(text)', 'EXECUTE'), \
    'checkpoint', s OR coalesce((SELECT pg_catalog.pg_has_role(c.oid, 'USAGE') FROM pg_catalog.pg_roles c \
        WHERE c.rolname = 'pg_checkpoint'), false)) \
    FROM pg_catalog.pg_roles r, LATERAL (SELECT r.rolsuper AS s) x WHERE r.rolname = current_user";

const CONTROL: &str =
    "SELECT pg_catalog.to_json(system_identifier) FROM pg_catalog.pg_control_system()";
const TIMELINE: &str =
    "SELECT pg_catalog.to_json(timeline_id) FROM pg_catalog.pg_control_checkpoint()";
const ARCHIVER: &str = "SELECT pg_catalog.json_build_object(\
    'archived_count', archived_count, 'last_archived_wal', last_archived_wal, \
    'last_archived', extract(epoch FROM last_archived_time), \
    'failed_count', failed_count, 'last_failed_wal', last_failed_wal, \
    'last_failed', extract(epoch FROM last_failed_time), \
    'since', extract(epoch FROM stats_reset), \
    'now', extract(epoch FROM pg_catalog.now())) FROM pg_catalog.pg_stat_archiver";
const WAITING: &str = "SELECT pg_catalog.to_json(pg_catalog.count(*)) \
    FROM pg_catalog.pg_ls_archive_statusdir() WHERE name LIKE '%.ready'";
const SLOTS: &str = "SELECT coalesce(pg_catalog.json_agg(s ORDER BY s.slot_name), '[]') \
    FROM pg_catalog.pg_replication_slots s";
const SIZE: &str = "SELECT pg_catalog.to_json(pg_catalog.sum(pg_catalog.pg_tablespace_size(oid))) FROM pg_catalog.pg_tablespace";
const INCLUDED: &str = "SELECT coalesce(pg_catalog.json_agg(DISTINCT sourcefile), '[]') \
    FROM pg_catalog.pg_settings WHERE sourcefile IS NOT NULL \
    AND sourcefile <> pg_catalog.current_setting('config_file', true)";

const HBA_FILES: &str = "SELECT coalesce(pg_catalog.json_agg(DISTINCT file_name), '[]') \
    FROM pg_catalog.pg_hba_file_rules";

/// Asks for the tablespaces. A database without encoding, or in ours, sends
/// names as they are, which may be no text.
fn tablespaces() -> String {
    let (name, location) = (as_hex("spcname"), as_hex("location"));
    format!(
        "SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(\
         'name', CASE WHEN pg_catalog.getdatabaseencoding() NOT IN ('SQL_ASCII', 'UTF8') \
         THEN spcname END, 'bytes', {name}, 'oid', oid::int8, 'location', {location}) \
         ORDER BY spcname), '[]') FROM (\
         SELECT spcname, oid, pg_catalog.pg_tablespace_location(oid) AS location \
         FROM pg_catalog.pg_tablespace) t WHERE location <> ''"
    )
}

impl ServerStatus {
    /// Asks everything, in one round trip. `with_size` asks for the size of
    /// the cluster too, for which the server looks at every file.
    ///
    /// # Errors
    ///
    /// [`QueryError`] if the connection is lost or the time runs out; what the
    /// server refuses is an unknown reading.
    pub fn read(connection: &Connection, with_size: bool) -> Result<Self, QueryError> {
        let names: Vec<String> = NAMES.iter().map(|(name, _)| format!("'{name}'")).collect();
        let settings = format!(
            "SELECT pg_catalog.json_object_agg(name, pg_catalog.json_build_object(\
             'setting', setting, 'unit', unit)) FROM pg_catalog.pg_settings WHERE name IN ({})",
            names.join(", ")
        );
        let tablespaces = tablespaces();
        let mut questions = vec![
            IDENTITY,
            PRIVILEGES,
            &settings,
            CONTROL,
            TIMELINE,
            POSITION,
            ARCHIVER,
            WAITING,
            CLIENTS,
            SLOTS,
            &tablespaces,
            INCLUDED,
            HBA_FILES,
        ];
        questions.extend(with_size.then_some(SIZE));
        let mut answers = connection.ask_all(&questions)?.into_iter();
        let mut next = || answers.next().unwrap_or(Ok(None));
        let mut status = Self {
            identity: read(next()),
            privileges: read(next()),
            settings: read(next()),
            system_identifier: read(next()),
            timeline: read(next()),
            wal: read(next()),
            archiver: read(next()),
            waiting_to_archive: read(next()),
            clients: read(next()),
            slots: read(next()),
            tablespaces: read(next()),
            included_files: read(next()),
            hba_files: read(next()),
            size: Reading::Unknown(Why::NotAsked),
        };
        if with_size {
            status.size = read(next());
        }
        if status.version().value().is_some_and(|it| it.major() < 16) {
            status.hba_files = Reading::Unknown(Why::Version { since: 16 });
        }
        Ok(status)
    }

    /// Returns the version.
    pub fn version(&self) -> Reading<ServerVersion> {
        self.identity.as_ref().map(Identity::version)
    }

    /// Tells whether it is a standby.
    pub fn in_recovery(&self) -> Reading<bool> {
        self.identity.as_ref().map(|it| it.in_recovery)
    }

    /// Returns a setting.
    pub fn setting(&self, name: &str) -> Reading<&str> {
        self.settings.as_ref().and_then(|it| it.get(name))
    }

    /// Tells whether the server archives its WAL, and the last thing that the
    /// archiver did was a success.
    pub fn is_archiving(&self) -> Reading<bool> {
        let on = self.setting("archive_mode").map(|it| matches!(it, "on" | "always"));
        on.and_then(|on| {
            if !on {
                return Reading::Value(false);
            }
            self.archiver.as_ref().map(ArchiverStats::is_healthy)
        })
    }

    /// Returns those of the clients that are of this kind; those that may not
    /// be seen make it unknown.
    pub fn clients_of(&self, kind: ClientKind) -> Reading<Vec<&ReplicationClient>> {
        self.clients.as_ref().and_then(|all| {
            if let Some(why) = all.iter().find_map(|it| it.details.why()) {
                return Reading::Unknown(why.clone());
            }
            let of_kind = |it: &&ReplicationClient| it.kind() == Reading::Value(kind);
            Reading::Value(all.iter().filter(of_kind).collect())
        })
    }

    /// Returns the physical slot of that name.
    pub fn slot(&self, name: &str) -> Reading<&Slot> {
        self.slots.as_ref().and_then(|all| {
            Reading::of_option(all.iter().find(|it| it.name == name && it.kind == "physical"))
        })
    }
}

/// Reads an answer: JSON, or nothing.
fn read<T: DeserializeOwned>(answer: Result<Option<String>, QueryError>) -> Reading<T> {
    let text = match answer {
        Ok(Some(text)) => text,
        Ok(None) => return Reading::No,
        Err(error) => return Reading::of(Err(error)),
    };
    let value = serde_json::from_str(&text);
    Reading::of(value.map_err(|error| QueryError::Answer(error.to_string())))
}
