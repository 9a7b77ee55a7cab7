//! The session that a backup belongs to.

use std::{sync::Arc, time::Duration};

use hayloft_plugin_api::{Error, ErrorKind, Result, config};
use hayloft_postgres::{
    Failure,
    connection::{Connection, Guard, Heartbeat, QueryError},
    conninfo::Environment,
    server::{self, BackupStart, BackupStopped, Reading, ServerStatus, Tablespace},
    version::ServerVersion,
    wal::{BackupLabel, SegmentName, SegmentSize, TimelineId},
};

use crate::{
    config::Server,
    manifest::Database,
    probe::{self, Way},
};

/// How long it may take to connect.
const CONNECT: Duration = Duration::from_secs(30);
/// The advisory lock: "hayl", and a base backup.
const LOCK: (i32, i32) = (0x6861_796c, 2);
const PREPARE: &str = "SET client_min_messages = error; SET lock_timeout = '30s'";

/// What a server is.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// Its version.
    pub(crate) version: ServerVersion,
    /// Its version as a number, such as 150020.
    pub(crate) version_number: u32,
    /// Whether it is a standby.
    pub(crate) in_recovery: bool,
    /// Which cluster it is.
    pub(crate) system_identifier: u64,
    /// How large segments of WAL are.
    pub(crate) segment: SegmentSize,
    /// Whether pages have checksums.
    pub(crate) checksums: bool,
    /// Its data directory.
    pub(crate) data: String,
    /// Files outside of it, or in it: `config_file`, `hba_file`, `ident_file`,
    /// and what they include.
    pub(crate) files: Files,
    /// Its tablespaces.
    pub(crate) tablespaces: Vec<Tablespace>,
    /// Its databases.
    pub(crate) databases: Vec<Database>,
    /// Its subscriptions that are enabled.
    pub(crate) subscriptions: Vec<String>,
    /// What else it keeps for `backup.info`.
    pub(crate) summarize_wal: Option<String>,
}

/// Files of the configuration.
#[derive(Debug, Clone, Default)]
pub(crate) struct Files {
    /// `postgresql.conf`.
    pub(crate) config: String,
    /// `pg_hba.conf`.
    pub(crate) hba: String,
    /// `pg_ident.conf`.
    pub(crate) ident: String,
    /// What they include.
    pub(crate) included: Vec<String>,
}

/// A session; a backup that it began is aborted by the server when it ends.
#[derive(Debug)]
pub(crate) struct Session {
    connection: Arc<Connection>,
    /// What the server is.
    pub(crate) facts: Facts,
    _guard: Guard,
    lost: hayloft_postgres::connection::Lost,
}

/// How a backup ended.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// What the server said.
    pub(crate) stopped: BackupStopped,
    /// The timeline that the backup is of.
    pub(crate) timeline: TimelineId,
    /// The first segment that it needs.
    pub(crate) first: SegmentName,
    /// The last one.
    pub(crate) last: SegmentName,
}

impl Session {
    /// Opens a session, and asks the server what it is.
    ///
    /// # Errors
    ///
    /// If it cannot be reached, says too little, or another base backup of it
    /// is taken by us.
    pub(crate) fn open(server: &Server) -> Result<Self> {
        let about = |e: Error| e.context(format!("cannot back up server {}", server.name));
        let connection = Arc::new(connect(server, Way::Sql).map_err(about)?);
        connection.execute(PREPARE).map_err(|e| failed(&e))?;
        let status = ServerStatus::read(&connection, false).map_err(|e| failed(&e))?;
        let facts = facts(&connection, &status).map_err(about)?;
        lock(&connection)?;
        let usual = Heartbeat::default();
        let interval = server.keepalive_interval.map_or(usual.interval, config::Duration::get);
        let heartbeat = Heartbeat { interval, ..usual };
        let guard = connection.guard(heartbeat, |_| {});
        let lost = guard.lost();
        Ok(Self { connection, facts, _guard: guard, lost })
    }

    /// Begins the backup.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub(crate) fn start(&self, label: &str, fast: bool) -> Result<BackupStart> {
        BackupStart::begin(&self.connection, self.facts.version, label, fast)
            .map_err(|e| failed(&e).context("the server did not begin the backup"))
    }

    /// Fails if the session is lost: the backup is void then.
    ///
    /// # Errors
    ///
    /// With the reason.
    pub(crate) fn check(&self) -> Result<()> {
        if !self.lost.is_lost() {
            return Ok(());
        }
        let reason = self.lost.reason().unwrap_or_else(|| "it was closed".to_owned());
        Err(void(&format!("the session with the server was lost: {reason}")))
    }

    /// Ends the backup; what it needs of the WAL may not be archived yet.
    ///
    /// # Errors
    ///
    /// The backup is void then: the session was lost, or the standby was
    /// promoted.
    pub(crate) fn stop(&self, start: &BackupStart) -> Result<Ended> {
        self.check()?;
        let role = self.connection.simple("SELECT pg_catalog.pg_is_in_recovery()");
        let role = role.map_err(|e| failed(&e).context("the session with the server was lost"))?;
        let in_recovery = role.first().and_then(|it| it.first()?.as_deref()) == Some("t");
        if in_recovery != self.facts.in_recovery {
            return Err(void("the standby was promoted while the backup ran"));
        }
        let stopped = BackupStopped::end(&self.connection, self.facts.version, false)
            .map_err(|e| failed(&e).context("the server did not end the backup"))?;
        ended(stopped, start, self.facts.segment)
    }
}

/// Connects to a server.
///
/// # Errors
///
/// If it cannot be reached.
pub(crate) fn connect(server: &Server, way: Way) -> Result<Connection> {
    let conninfo = probe::conninfo(server, way)?;
    let target = conninfo.resolve(&Environment::of_process()).map_err(|e| failed(&e))?;
    Connection::open_within(&target, Some(CONNECT)).map_err(|e| failed(&e))
}

/// An error of the library as ours.
pub(crate) fn failed(error: &dyn Failure) -> Error {
    let trouble = probe::trouble(error);
    let it = Error::msg(trouble.problem);
    match error.hint() {
        Some(hint) => it.hint(hint),
        None => it,
    }
}

fn void(why: &str) -> Error {
    Error::msg(why).hint("the backup is void; begin another one")
}

fn facts(connection: &Connection, status: &ServerStatus) -> Result<Facts> {
    let unknown = |what: &str, why: String| {
        Error::msg(format!("the server does not tell {what}: {why}"))
            .hint("`hayloft pg server grant-sql` prints what a role for backups needs")
    };
    let identity = value(&status.identity).map_err(|why| unknown("what it is", why))?;
    let settings = value(&status.settings).map_err(|why| unknown("its settings", why))?;
    let setting = |name: &str| {
        value(&settings.get(name)).map(|it| (*it).to_owned()).map_err(|why| unknown(name, why))
    };
    let segment = value(&settings.bytes("wal_segment_size")).copied();
    let segment = segment.map_err(|why| unknown("wal_segment_size", why))?;
    let version = identity.version();
    if !version.is_supported() {
        let message = format!("PostgreSQL {version} is too old: 13 is the first that is served");
        return Err(Error::new(ErrorKind::UNSUPPORTED, message));
    }
    let number = connection.simple("SHOW server_version_num").map_err(|e| failed(&e))?;
    let number = number.first().and_then(|it| it.first()?.as_deref()?.parse().ok());
    let id = value(&status.system_identifier).copied();
    let spaces = value(&status.tablespaces).cloned();
    Ok(Facts {
        version,
        version_number: number.unwrap_or_default(),
        in_recovery: identity.in_recovery,
        system_identifier: id.map_err(|why| unknown("which cluster it is", why))?,
        segment: SegmentSize::new(segment).map_err(|e| Error::msg(e.to_string()))?,
        checksums: setting("data_checksums")? == "on",
        data: setting("data_directory")?,
        files: Files {
            config: setting("config_file").unwrap_or_default(),
            hba: setting("hba_file").unwrap_or_default(),
            ident: setting("ident_file").unwrap_or_default(),
            included: included(status),
        },
        tablespaces: spaces.map_err(|why| unknown("its tablespaces", why))?,
        databases: databases(connection)?,
        subscriptions: subscriptions(connection),
        summarize_wal: setting("summarize_wal").ok(),
    })
}

fn value<T>(reading: &Reading<T>) -> std::result::Result<&T, String>
where
    T: Clone,
{
    match reading {
        Reading::Value(value) => Ok(value),
        Reading::No => Err("it has none".to_owned()),
        Reading::Unknown(why) => Err(why.to_string()),
    }
}

fn included(status: &ServerStatus) -> Vec<String> {
    let lists = [&status.included_files, &status.hba_files];
    lists.iter().filter_map(|it| it.value()).flatten().cloned().collect()
}

fn databases(connection: &Connection) -> Result<Vec<Database>> {
    let all = server::databases(connection).map_err(|e| failed(&e))?.into_iter();
    Ok(all.map(|it| Database { oid: it.oid, name: it.name }).collect())
}

/// Subscriptions of all databases. Everybody may read that much of them, unless
/// somebody has forbidden it; a restore tells less then.
fn subscriptions(connection: &Connection) -> Vec<String> {
    const ASK: &str =
        "SELECT subname FROM pg_catalog.pg_subscription WHERE subenabled ORDER BY subname";
    match connection.simple(ASK) {
        Ok(rows) => rows.into_iter().filter_map(|it| it.into_iter().next()?).collect(),
        Err(error) => {
            tracing::info!("whether there are subscriptions is not known: {error}");
            Vec::new()
        }
    }
}

/// Takes the lock of the database that we are in.
fn lock(connection: &Connection) -> Result<()> {
    let (class, key) = LOCK;
    let got = connection.simple(&format!("SELECT pg_catalog.pg_try_advisory_lock({class}, {key})"));
    let got = got.map_err(|e: QueryError| failed(&e))?;
    if got.first().and_then(|it| it.first()?.as_deref()) == Some("t") {
        return Ok(());
    }
    Err(Error::msg("a backup of the server is being taken already, perhaps from another machine")
        .hint("wait for it to end; its session is in pg_stat_activity, as application `hayloft`"))
}

/// Reads the label and compares it with what the backup was begun with.
fn ended(stopped: BackupStopped, start: &BackupStart, size: SegmentSize) -> Result<Ended> {
    let wrong = |why: &str| void(&format!("the server's label cannot be used: {why}"));
    let label = BackupLabel::parse(&stopped.label).map_err(|e| wrong(&e.to_string()))?;
    if label.start != start.lsn {
        return Err(wrong("it is that of another backup"));
    }
    let timeline = label.timeline.unwrap_or(label.segment.timeline());
    let first = SegmentName::containing(label.start, timeline, size);
    let last = SegmentName::ending_at(stopped.lsn, timeline, size);
    Ok(Ended { stopped, timeline, first, last })
}
