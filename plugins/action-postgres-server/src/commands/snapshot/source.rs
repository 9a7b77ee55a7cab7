//! Which server is meant, and where its sessions are known.

use std::{env, path::PathBuf, time::Duration};

use hayloft_plugin_api::{Argument, Error, ErrorKind, Host, Result, config};
use hayloft_postgres::{
    connection::Heartbeat,
    conninfo::{Conninfo, Environment, Target},
    snapshot::Place,
};

use super::failed;
use crate::{
    config::Server,
    probe::{self, Way},
};

/// What stands for the server of libpq's environment.
pub(super) const ENVIRONMENT: &str = "-";
/// What the shipped `config.sh` of safe-backup said.
const DEFAULTS: [(&str, &str, &str); 2] =
    [("PGUSER", "user", "postgres"), ("PGDATABASE", "dbname", "postgres")];

/// A server.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// One of the configuration.
    Configured(Box<Server>),
    /// That of libpq's environment; `true` with the defaults of safe-backup.
    Environment(bool),
}

/// The arguments that every command has.
pub(super) fn arguments() -> [Argument; 2] {
    [
        Argument::positional(
            "server",
            "SERVER",
            "The server, or - for that of libpq's environment",
        )
        .required(),
        Argument::option("state-dir", "DIR", "Where the session is known; the same for all calls"),
    ]
}

impl Source {
    /// Returns its name, for people.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Configured(server) => server.name.clone(),
            Self::Environment(_) => "the server of the environment".to_owned(),
        }
    }

    /// Returns what the process that holds the session is given instead.
    pub(super) fn word(&self) -> String {
        match self {
            Self::Configured(server) => server.name.clone(),
            Self::Environment(_) => ENVIRONMENT.to_owned(),
        }
    }

    pub(super) fn heartbeat(&self) -> Heartbeat {
        let usual = Heartbeat::default();
        match self {
            Self::Configured(it) => Heartbeat {
                interval: it.keepalive_interval.map_or(usual.interval, config::Duration::get),
                patience: it.keepalive_timeout.map_or(usual.patience, config::Duration::get),
            },
            Self::Environment(_) => usual,
        }
    }

    /// Opens the directory where its sessions are known.
    pub(super) fn place(&self, host: &Host, given: Option<&str>) -> Result<Place> {
        let directory = match given {
            Some(it) => std::path::absolute(it)?,
            None => self.usual_directory(host)?,
        };
        Place::open(&directory).map_err(|e| failed(&e))
    }

    fn usual_directory(&self, host: &Host) -> Result<PathBuf> {
        let home = || {
            Place::state_home().ok_or_else(|| {
                Error::new(ErrorKind::NOT_FOUND, "there is no home directory for the session")
                    .hint("name a directory with --state-dir, or set $XDG_STATE_HOME")
            })
        };
        let Self::Configured(server) = self else {
            return Ok(home()?.join(environment_name()));
        };
        let working = host.settings().ok().map(|it| it.working_dir);
        match working.filter(|it| it.is_absolute()) {
            Some(working) => Ok(working.join("postgres").join(&server.name).join("snapshot")),
            None => Ok(home()?.join(&server.name)),
        }
    }

    /// Returns how to connect, passwords included.
    pub(super) fn target(&self) -> Result<Target> {
        let patience = self.heartbeat().patience;
        match self {
            Self::Configured(server) => {
                resolve(&watched(probe::conninfo(server, Way::Sql)?, patience)?)
            }
            Self::Environment(safe_backup) => {
                let mut conninfo = Conninfo::new();
                let unset = |name| env::var_os(name).is_none_or(|it| it.is_empty());
                for (variable, keyword, value) in DEFAULTS {
                    if *safe_backup && unset(variable) && unset("PGSERVICE") {
                        conninfo.set(keyword, value).map_err(|e| Error::msg(e.to_string()))?;
                    }
                }
                conninfo
                    .set_default("application_name", "hayloft")
                    .map_err(|e| Error::msg(e.to_string()))?;
                resolve(&watched(conninfo, patience)?)
            }
        }
    }

    /// Returns how to connect to the primary, if it is configured.
    pub(super) fn primary(&self) -> Result<Option<Target>> {
        match self {
            Self::Configured(server) if server.primary_conninfo.is_some() => {
                resolve(&probe::conninfo(server, Way::Primary)?).map(Some)
            }
            _ => Ok(None),
        }
    }
}

/// Lets the system notice that the other machine is gone, unless the connection
/// string says how: a session that only waits would never know.
fn watched(mut conninfo: Conninfo, patience: Duration) -> Result<Conninfo> {
    let limit = patience.as_millis().min(i32::MAX.unsigned_abs().into());
    conninfo
        .set_default("tcp_user_timeout", limit.to_string())
        .map_err(|e| Error::msg(e.to_string()))?;
    Ok(conninfo)
}

fn resolve(conninfo: &Conninfo) -> Result<Target> {
    conninfo.resolve(&Environment::of_process()).map_err(|error| {
        let trouble = probe::trouble(&error);
        super::with_hint(
            Error::new(ErrorKind::CONFIGURATION, trouble.problem),
            trouble.remedy.filter(|_| hayloft_postgres::Failure::hint(&error).is_some()),
        )
    })
}

/// A directory's name for the server that the environment leads to: another
/// one for each.
fn environment_name() -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let parts: Vec<String> = ["PGSERVICE", "PGHOST", "PGHOSTADDR", "PGPORT"]
        .iter()
        .map(|it| env::var(it).unwrap_or_default())
        .map(|it| it.chars().map(plain).collect())
        .collect();
    format!("env-{}", parts.join("-"))
}
