//! Asks a server everything, within its time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hayloft_plugin_api::{Error, ErrorKind, Result};
use hayloft_postgres::{
    Failure,
    check::{Facts, SqlFacts, Trouble, Wanted},
    connection::Connection,
    conninfo::{Conninfo, Environment},
    server::{ServerStatus, StreamingStatus},
};

use crate::config::{ConnectionString, Server};

/// What it is called in the server's lists.
const APPLICATION: &str = "hayloft";

/// Which of a server's connection strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// SQL.
    Sql,
    /// The replication protocol.
    Streaming,
    /// SQL to the primary of a standby.
    Primary,
}

/// The time that is left for a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// Begins it.
    pub(crate) fn after(limit: Duration) -> Self {
        Self(Instant::now() + limit)
    }

    pub(crate) fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
    }
}

/// Returns a server's connection string, with its password and our name.
///
/// # Errors
///
/// [`ErrorKind::CONFIGURATION`] if it, or where the password comes from, is
/// wrong. No message has a secret.
pub(crate) fn conninfo(server: &Server, way: Way) -> Result<Conninfo> {
    let (element, text) = match way {
        Way::Streaming if server.streaming_conninfo.is_some() => {
            ("streaming_conninfo", &server.streaming_conninfo)
        }
        Way::Sql | Way::Streaming => ("conninfo", &server.conninfo),
        Way::Primary => ("primary_conninfo", &server.primary_conninfo),
    };
    let text = text.as_ref().map(ConnectionString::expose).unwrap_or_default();
    let wrong = |error: &dyn Failure| wrong(server, element, error);
    let mut conninfo: Conninfo = text.parse().map_err(|e| wrong(&e))?;
    if conninfo.get("password").is_none()
        && let Some(password) = server.login.resolve()?
    {
        conninfo.set("password", password.expose()).map_err(|e| wrong(&e))?;
    }
    conninfo.set_default("application_name", APPLICATION).map_err(|e| wrong(&e))?;
    Ok(if way == Way::Streaming { conninfo.for_streaming() } else { conninfo })
}

pub(crate) fn wrong(server: &Server, element: &str, error: &dyn Failure) -> Error {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(it) = cause {
        text = format!("{text}: {it}");
        cause = it.source();
    }
    let wrong = Error::new(ErrorKind::CONFIGURATION, text)
        .context(format!("<{element}> of server {} cannot be used", server.name));
    match error.hint() {
        Some(hint) => wrong.hint(hint),
        None => wrong,
    }
}

/// Opens a session that answers within the time.
pub(crate) fn open(
    server: &Server,
    way: Way,
    deadline: Deadline,
) -> std::result::Result<Connection, Trouble> {
    let of_config =
        |e: Error| Trouble { problem: e.to_string(), remedy: e.remedy().map(ToOwned::to_owned) };
    let conninfo = conninfo(server, way).map_err(of_config)?;
    let target = conninfo.resolve(&Environment::of_process()).map_err(|e| trouble(&e))?;
    let connection =
        Connection::open_within(&target, Some(deadline.left())).map_err(|e| trouble(&e))?;
    connection.set_limit(deadline.left());
    Ok(connection)
}

/// An error with its causes, and what can be done.
pub(crate) fn trouble(error: &dyn Failure) -> Trouble {
    let mut problem = error.to_string();
    let mut cause = error.source();
    while let Some(it) = cause {
        let text = it.to_string();
        if !problem.contains(&text) {
            problem = format!("{problem}: {text}");
        }
        cause = it.source();
    }
    let remedy = error.hint().unwrap_or_else(|| "look into the server's log".to_owned());
    Trouble { problem, remedy: Some(remedy) }
}

/// Tells whether WAL or backups are to be streamed from a server.
fn streams(server: &Server) -> bool {
    server.streaming_archiver || server.streaming_conninfo.is_some() || server.slot_name.is_some()
}

/// Asks everything.
pub(crate) fn facts(server: &Server, deadline: Deadline, with_size: bool) -> Facts {
    let sql = sql(server, deadline, with_size);
    if sql.is_err() {
        return Facts { sql, streaming: None, primary: None };
    }
    let streaming = streams(server).then(|| {
        let connection = open(server, Way::Streaming, deadline)?;
        StreamingStatus::read(&connection).map_err(|e| trouble(&e))
    });
    let primary = server.primary_conninfo.is_some().then(|| {
        let connection = open(server, Way::Primary, deadline)?;
        ServerStatus::read(&connection, false).map_err(|e| trouble(&e))
    });
    Facts { sql, streaming, primary }
}

fn sql(
    server: &Server,
    deadline: Deadline,
    with_size: bool,
) -> std::result::Result<SqlFacts, Trouble> {
    let connection = open(server, Way::Sql, deadline)?;
    let began = Instant::now();
    let status = ServerStatus::read(&connection, with_size).map_err(|e| trouble(&e))?;
    let ours = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let half = began.elapsed().as_secs_f64() / 2.0;
    let clock_ahead = status.identity.value().map(|it| it.now - (ours - half));
    Ok(SqlFacts {
        status,
        private: connection.is_encrypted() || connection.host().is_local(),
        auth_method: connection.auth_method(),
        clock_ahead,
    })
}

/// What is wanted of a server.
pub(crate) fn wanted(server: &Server) -> Wanted {
    Wanted {
        slot: server.slot_name.clone(),
        archiver: server.archiver,
        streaming_archiver: server.streaming_archiver,
        standby: server.primary_conninfo.is_some(),
    }
}
