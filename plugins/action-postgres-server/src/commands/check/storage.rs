//! Whether the storages of a server answer, and are of its cluster.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::mpsc::{self, Receiver},
    thread,
};

use hayloft_plugin_api::{Error, Host, Result, StorageHandle};
use hayloft_postgres::check::{CheckLine, Facts};

use crate::{archive, config::Server, probe::Deadline};

/// The line that tells of which cluster an archive is.
const IDENTITY: &str = "archive_identity";
/// Why it matters.
const WHY: &str = "backups and WAL can neither be stored nor had back";

/// Of which cluster an archive is: its number and its major version.
type Cluster = (String, String);

/// A configured storage: its name, and what opens it.
pub(super) type Storage = (String, Result<StorageHandle>);

/// Opens each storage that a server has.
pub(super) fn of(host: &Host, server: &Server) -> Vec<Storage> {
    let mut names = server.backup_storages();
    names.extend(server.wal_destinations().into_iter().map(|it| it.storage));
    let mut seen = BTreeSet::new();
    let names = names.into_iter().filter(|it| seen.insert(it.clone()));
    names.map(|name| (name.clone(), host.storage(&name))).collect()
}

/// Storages that were asked.
pub(super) struct Asked {
    names: Vec<String>,
    told: Receiver<(String, Told)>,
}

/// What one has said: whether it answers, and of which cluster what it has is,
/// if that is noted.
struct Told {
    line: CheckLine,
    cluster: Option<Cluster>,
}

/// Asks each of a server's storages, in a thread of its own: one may hang.
pub(super) fn ask(server: &Server, storages: Vec<Storage>) -> Asked {
    let (tell, told) = mpsc::channel();
    let mut names = Vec::new();
    for (name, storage) in storages {
        names.push(name.clone());
        let (server, tell) = (server.name.clone(), tell.clone());
        let ask = move || {
            let said = said(&name, &server, storage);
            // Nobody waits for it any more if this fails.
            drop(tell.send((name, said)));
        };
        // Without a thread nothing comes, which is told as silence.
        drop(thread::Builder::new().name("storage".to_owned()).spawn(ask));
    }
    Asked { names, told }
}

fn said(name: &str, server: &str, storage: Result<StorageHandle>) -> Told {
    let asked = storage.and_then(|it| {
        it.list(&format!("{server}/"), "", 1)?;
        archive::cluster_of(&it, server)
    });
    match asked {
        Ok(cluster) => Told { line: good(name), cluster },
        Err(error) => Told { line: failed(name, &error), cluster: None },
    }
}

impl Asked {
    /// Waits for what is said in time, and returns a line for each; and one
    /// more for each that is of another cluster than `ours`.
    pub(super) fn lines(self, deadline: Deadline, ours: Option<&Cluster>) -> Vec<CheckLine> {
        let mut said = BTreeMap::new();
        while said.len() < self.names.len() {
            let Ok((name, told)) = self.told.recv_timeout(deadline.left()) else { break };
            said.insert(name, told);
        }
        let mut lines = Vec::new();
        let mut same = Vec::new();
        for name in &self.names {
            let Some(told) = said.remove(name) else {
                lines.push(late(name));
                continue;
            };
            lines.push(told.line);
            if let (Some(theirs), Some(ours)) = (told.cluster, ours) {
                match stranger(name, &theirs, ours) {
                    Some(line) => lines.push(line),
                    None => same.push(name.as_str()),
                }
            }
        }
        if !same.is_empty() {
            lines.push(CheckLine::ok(IDENTITY, format!("{}: the server's", same.join(", "))));
        }
        lines
    }
}

/// Returns the cluster that a server is, if that is known.
pub(super) fn cluster(facts: &Facts) -> Option<Cluster> {
    let status = &facts.sql.as_ref().ok()?.status;
    let number = status.system_identifier.value()?.to_string();
    Some((number, status.version().value()?.major().to_string()))
}

fn stranger(name: &str, theirs: &Cluster, ours: &Cluster) -> Option<CheckLine> {
    let found = if theirs.0 != ours.0 {
        format!("{name} has the archive of cluster {}, and the server is {}", theirs.0, ours.0)
    } else if theirs.1 != ours.1 {
        format!("{name} has the archive of a server {}, and this is {}", theirs.1, ours.1)
    } else {
        return None;
    };
    let why = "neither WAL nor backups of the server can be stored there";
    let remedy = "a cluster made anew by initdb or pg_upgrade needs a <server> with another <name>";
    Some(CheckLine::failed(IDENTITY, found, why, remedy))
}

fn good(name: &str) -> CheckLine {
    CheckLine::ok("storage", format!("{name} answers"))
}

fn failed(name: &str, error: &Error) -> CheckLine {
    let remedy = error.remedy().unwrap_or("`hayloft storage check` tells more");
    CheckLine::failed("storage", format!("{name}: {error}"), WHY, remedy)
}

fn late(name: &str) -> CheckLine {
    let found = format!("{name} did not answer in time");
    CheckLine::failed("storage", found, WHY, "look whether it hangs, or raise <check_timeout>")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hayloft_postgres::check::Outcome;

    use super::*;

    #[test]
    fn a_storage_that_hangs_costs_the_time_of_its_server_and_no_more() {
        let (tell, told) = mpsc::channel();
        let names = ["a", "ab", "abc"].map(ToOwned::to_owned).to_vec();
        let asked = Asked { names, told };
        tell.send(("ab".to_owned(), Told { line: good("ab"), cluster: None })).unwrap();
        // As long as somebody may still answer, nobody has hung up.
        let lines = asked.lines(Deadline::after(Duration::from_millis(50)), None);
        drop(tell);
        let found: Vec<&str> = lines.iter().map(|it| it.found.as_str()).collect();
        assert_eq!(found, ["a did not answer in time", "ab answers", "abc did not answer in time"]);
        assert_eq!(lines[0].outcome, Outcome::Failed);
    }

    #[test]
    fn an_archive_of_another_cluster_is_told() {
        let is = |number: &str, version: &str| (number.to_owned(), version.to_owned());
        let ours = is("7", "16");
        assert_eq!(stranger("a", &ours, &ours), None);
        for (theirs, text) in
            [(is("8", "16"), "archive of cluster 8"), (is("7", "15"), "archive of a server 15")]
        {
            let line = stranger("a", &theirs, &ours).unwrap();
            assert_eq!(line.outcome, Outcome::Failed);
            assert!(line.found.contains(text), "{line:?}");
        }
    }
}
