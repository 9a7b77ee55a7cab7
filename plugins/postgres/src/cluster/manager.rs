//! Who else looks after a cluster: Debian's `pg_ctlcluster`, or systemd.
//!
//! Who starts such a server past them makes them believe that it is down.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::stop::StopMode;
use crate::{
    conf::{Configuration, Sources},
    tree::Disk,
};

/// Where Debian keeps the configuration of clusters.
pub const DEBIAN_ROOT: &str = "/etc/postgresql";

/// Who looks after a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manager {
    /// postgresql-common: `pg_lsclusters` shows it.
    Debian {
        /// The major version, as the directory is called.
        version: String,
        /// The cluster's name.
        name: String,
        /// Where its configuration is.
        configuration: PathBuf,
    },
    /// A unit of systemd.
    Systemd {
        /// The unit.
        unit: String,
    },
}

/// What a manager can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ManagerAction {
    Start,
    Stop(StopMode),
    Restart(StopMode),
    Reload,
    Promote,
}

impl Manager {
    /// Returns the program and the arguments that do something; nothing if the
    /// manager has no word for it, and it does not mind if others do it.
    ///
    /// # Errors
    ///
    /// What it cannot do and would mind.
    pub fn command(&self, action: ManagerAction) -> Result<Option<Vec<String>>, String> {
        let words: Vec<&str> = match self {
            Self::Debian { version, name, .. } => {
                let mut words = vec!["pg_ctlcluster"];
                let mode = match action {
                    ManagerAction::Stop(mode) | ManagerAction::Restart(mode) => Some(mode),
                    _ => None,
                };
                match mode {
                    Some(StopMode::Kill) => return Err("pg_ctlcluster never kills".into()),
                    Some(mode) => words.extend(["-m", mode.as_str()]),
                    None => {}
                }
                let verb = match action {
                    ManagerAction::Start => "start",
                    ManagerAction::Stop(_) => "stop",
                    ManagerAction::Restart(_) => "restart",
                    ManagerAction::Reload => "reload",
                    ManagerAction::Promote => "promote",
                };
                words.extend([version, name, verb]);
                words
            }
            Self::Systemd { unit } => match action {
                ManagerAction::Promote => return Ok(None),
                ManagerAction::Start => vec!["systemctl", "start", unit],
                ManagerAction::Reload => vec!["systemctl", "reload", unit],
                ManagerAction::Stop(StopMode::Fast) => vec!["systemctl", "stop", unit],
                ManagerAction::Restart(StopMode::Fast) => vec!["systemctl", "restart", unit],
                ManagerAction::Stop(mode) | ManagerAction::Restart(mode) => {
                    return Err(format!(
                        "systemd has its own way to stop, which is not {}",
                        mode.as_str()
                    ));
                }
            },
        };
        Ok(Some(words.into_iter().map(ToOwned::to_owned).collect()))
    }
}

impl std::fmt::Display for Manager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Debian { version, name, .. } => write!(f, "pg_ctlcluster {version} {name}"),
            Self::Systemd { unit } => write!(f, "systemd unit {unit}"),
        }
    }
}

/// Finds the cluster of Debian's whose data directory this is: by the
/// configuration files below `root` ([`DEBIAN_ROOT`]).
pub fn debian_cluster(root: &Path, data: &Path) -> Option<Manager> {
    let data = data.canonicalize().ok()?;
    for (version, home) in entries(root) {
        for (name, configuration) in entries(&home) {
            if data_directory(&configuration).and_then(|it| it.canonicalize().ok()).as_deref()
                == Some(&data)
            {
                return Some(Manager::Debian { version, name, configuration });
            }
        }
    }
    None
}

/// Returns the data directory that a directory with a `postgresql.conf` is
/// for, where that is another one.
pub fn data_directory(configuration: &Path) -> Option<PathBuf> {
    let main = configuration.join("postgresql.conf");
    if !main.is_file() {
        return None;
    }
    let settings = Configuration::load(&Sources::main(&main), &Disk);
    let value = &settings.get("data_directory")?.value;
    let path = PathBuf::from(String::from_utf8(value.clone()).ok()?);
    path.is_absolute().then_some(path)
}

fn entries(directory: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut all: Vec<_> =
        entries.filter_map(|it| Some((it.file_name().into_string().ok()?, it.path()))).collect();
    all.sort();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_of_debian_is_found_by_its_configuration() {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        let conf = home.path().join("etc/15/main");
        fs::create_dir_all(&data).unwrap();
        fs::create_dir_all(&conf).unwrap();
        let text = format!("port = 5433\ndata_directory = '{}' # x\n", data.display());
        fs::write(conf.join("postgresql.conf"), text).unwrap();
        let found = debian_cluster(&home.path().join("etc"), &data).unwrap();
        assert_eq!(found.to_string(), "pg_ctlcluster 15 main");
        let words = found.command(ManagerAction::Stop(StopMode::Fast)).unwrap().unwrap();
        assert_eq!(words, ["pg_ctlcluster", "-m", "fast", "15", "main", "stop"]);
        assert_eq!(debian_cluster(&home.path().join("etc"), home.path()), None);
    }
}
