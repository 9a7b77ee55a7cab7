//! Whether the storages of a server answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::mpsc::{self, Receiver},
    thread,
};

use hayloft_plugin_api::{Error, Host, Result, StorageHandle};
use hayloft_postgres::check::CheckLine;

use crate::{config::Server, probe::Deadline};

/// Why it matters.
const WHY: &str = "backups and WAL can neither be stored nor had back";

/// A configured storage: its name, and what opens it.
pub(super) type Storage = (String, Result<StorageHandle>);

/// Opens each storage that a server has.
pub(super) fn of(host: &Host, server: &Server) -> Vec<Storage> {
    let mut names = server.storage.clone();
    names.extend(server.wal_destinations().into_iter().map(|it| it.storage));
    let mut seen = BTreeSet::new();
    let names = names.into_iter().filter(|it| seen.insert(it.clone()));
    names.map(|name| (name.clone(), host.storage(&name))).collect()
}

/// Storages that were asked.
pub(super) struct Asked {
    names: Vec<String>,
    told: Receiver<(String, CheckLine)>,
}

/// Asks each of a server's storages, in a thread of its own: one may hang.
pub(super) fn ask(server: &Server, storages: Vec<Storage>) -> Asked {
    let (tell, told) = mpsc::channel();
    let mut names = Vec::new();
    for (name, storage) in storages {
        names.push(name.clone());
        let (prefix, tell) = (format!("{}/", server.name), tell.clone());
        let ask = move || {
            let asked = storage.and_then(|it| it.list(&prefix, "", 1));
            // Nobody waits for it any more if this fails.
            let line = asked.map_or_else(|e| failed(&name, &e), |_| good(&name));
            drop(tell.send((name, line)));
        };
        // Without a thread nothing comes, which is told as silence.
        drop(thread::Builder::new().name("storage".to_owned()).spawn(ask));
    }
    Asked { names, told }
}

impl Asked {
    /// Waits for what is said in time, and returns a line for each.
    pub(super) fn lines(self, deadline: Deadline) -> Vec<CheckLine> {
        let mut said = BTreeMap::new();
        while said.len() < self.names.len() {
            let Ok((name, line)) = self.told.recv_timeout(deadline.left()) else { break };
            said.insert(name, line);
        }
        let line = |name: &String| said.remove(name).unwrap_or_else(|| late(name));
        self.names.iter().map(line).collect()
    }
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
        tell.send(("ab".to_owned(), good("ab"))).unwrap();
        // As long as somebody may still answer, nobody has hung up.
        let lines = asked.lines(Deadline::after(Duration::from_millis(50)));
        drop(tell);
        let found: Vec<&str> = lines.iter().map(|it| it.found.as_str()).collect();
        assert_eq!(found, ["a did not answer in time", "ab answers", "abc did not answer in time"]);
        assert_eq!(lines[0].outcome, Outcome::Failed);
    }
}
