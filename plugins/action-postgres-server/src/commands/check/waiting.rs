//! Whether WAL that comes to this machine gets on: the receiver, what waits,
//! and what cannot be archived.

use std::{collections::BTreeMap, fs, path::Path, time::SystemTime};

use hayloft_plugin_api::{Host, Result};
use hayloft_postgres::{check::CheckLine, receive::Phase};

use crate::{
    config::Server,
    directories::Directories,
    intake::{Batch, chain},
    receive::{self, Record},
};

/// So many files may wait before that is worth a word.
const MANY: usize = 32;

/// The lines; of a server whose WAL is not to come this way, only what came all
/// the same.
pub(super) fn lines(host: &Host, server: &Server) -> Vec<CheckLine> {
    // Where nothing says where they are, nothing comes to this machine.
    let Ok(directories) = Directories::of(host, server) else { return Vec::new() };
    if !server.archiver && !server.streaming_archiver {
        return forgotten(&directories.incoming).into_iter().collect();
    }
    let mut lines = Vec::new();
    if server.streaming_archiver {
        lines.push(match receive::look(&directories.streaming) {
            Ok((record, holder)) => receiver(&record.unwrap_or_default(), holder),
            Err(error) => unreadable("wal_receiver", &chain(&error)),
        });
    }
    lines.extend(incoming(&directories.incoming));
    lines.extend(errors(&directories.errors));
    lines
}

fn unreadable(name: &'static str, problem: &str) -> CheckLine {
    let why = "nobody knows whether WAL that comes here gets on";
    CheckLine::failed(name, problem, why, "let the user that runs this read it")
}

fn receiver(record: &Record, holder: Option<String>) -> CheckLine {
    const NAME: &str = "wal_receiver";
    let Some(holder) = holder else {
        let why = "WAL is not archived, and piles up on the server";
        return CheckLine::failed(NAME, "not running", why, "start `hayloft pg wal receive`");
    };
    if record.phase == Phase::Waiting {
        let problem = record.problem.clone().unwrap_or_default();
        let why = "WAL is not received meanwhile";
        let remedy = "it goes on trying; mend what it says";
        return CheckLine::failed(NAME, format!("waiting: {problem}"), why, remedy);
    }
    if let Some(problem) = &record.archive_problem {
        let found = format!("{} files wait for the archive: {problem}", record.waiting);
        let why = "WAL is on this machine only, until its disk is full";
        return CheckLine::failed(NAME, found, why, "mend the storage");
    }
    CheckLine::ok(NAME, format!("{}, {holder}", record.phase.as_str()))
}

/// What somebody else brings must not pile up.
fn incoming(directory: &Path) -> Option<CheckLine> {
    const NAME: &str = "incoming";
    if !directory.is_dir() {
        return None;
    }
    let batch = match Batch::of_incoming(directory, 0, SystemTime::now()) {
        Ok(batch) => batch,
        Err(error) => return Some(unreadable(NAME, &chain(&error))),
    };
    let count = batch.items.len();
    let found = format!("{count} files wait");
    if count <= MANY {
        return Some(CheckLine::ok(NAME, found));
    }
    let why = "WAL that waits is not in any storage";
    let remedy = "run `hayloft pg wal archive` every minute, and look at what it says";
    Some(CheckLine::warning(NAME, found, why, remedy))
}

/// What lies in the directory of incoming files though nobody archives it.
fn forgotten(directory: &Path) -> Option<CheckLine> {
    const NAME: &str = "incoming";
    if !directory.is_dir() {
        return None;
    }
    let count = match Batch::of_incoming(directory, 0, SystemTime::now()) {
        Ok(batch) => batch.items.len(),
        Err(error) => return Some(unreadable(NAME, &chain(&error))),
    };
    let found = format!("{count} files lie in {}, and <archiver> is off", directory.display());
    let why = "somebody brings WAL that is put into no storage";
    let remedy = "set <archiver>Y</archiver>, or let nobody bring it";
    (count > 0).then(|| CheckLine::warning(NAME, found, why, remedy))
}

fn errors(directory: &Path) -> Option<CheckLine> {
    const NAME: &str = "archiver_errors";
    let counts = match count(directory) {
        Ok(counts) if counts.is_empty() => return None,
        Ok(counts) => counts,
        Err(error) => return Some(unreadable(NAME, &chain(&error))),
    };
    let counted: Vec<String> = counts.iter().map(|(why, n)| format!("{why}: {n}")).collect();
    let found = format!("{} ({})", counted.join(", "), directory.display());
    let why = "what lies there is in no archive; a duplicate may mean two servers under one name";
    let remedy = "look at each file, compare it with the archive, and remove it then";
    Some(CheckLine::warning(NAME, found, why, remedy))
}

/// Counts by the last part of their names, as Barman does.
fn count(directory: &Path) -> Result<BTreeMap<&'static str, u64>> {
    let mut counts = BTreeMap::new();
    if !directory.is_dir() {
        return Ok(counts);
    }
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        let why = match name.rsplit('.').next() {
            Some("duplicate") => "duplicates",
            Some("unknown") => "unknown",
            Some("damaged") => "damaged",
            Some("error") => "not relevant",
            _ => "unknown failure",
        };
        *counts.entry(why).or_default() += 1;
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use hayloft_postgres::check::Outcome;

    use super::*;

    #[test]
    fn a_receiver_is_well_if_it_runs_and_gets_on() {
        let record = |phase, archive_problem: Option<&str>| Record {
            phase,
            archive_problem: archive_problem.map(ToOwned::to_owned),
            ..Record::default()
        };
        let who = || Some("process 1".to_owned());
        let cases = [
            (record(Phase::Streaming, None), who(), Outcome::Ok),
            (record(Phase::Connecting, None), who(), Outcome::Ok),
            (record(Phase::Waiting, None), who(), Outcome::Failed),
            (record(Phase::Streaming, Some("no room")), who(), Outcome::Failed),
            (record(Phase::Streaming, None), None, Outcome::Failed),
            (record(Phase::Ended, None), None, Outcome::Failed),
        ];
        for (record, holder, outcome) in cases {
            assert_eq!(receiver(&record, holder).outcome, outcome, "{record:?}");
        }
    }

    #[test]
    fn errors_are_counted_by_why_they_are_there() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(errors(&place.path().join("nowhere")), None);
        assert_eq!(errors(place.path()), None);
        for name in ["a.1.duplicate", "b.1.unknown", "c.1.unknown", "d", ".hidden", "e.1-2.damaged"]
        {
            fs::write(place.path().join(name), "").unwrap();
        }
        let line = errors(place.path()).unwrap();
        let expected = "damaged: 1, duplicates: 1, unknown: 2, unknown failure: 1 (";
        assert!(line.found.starts_with(expected), "{line:?}");
    }

    #[test]
    fn what_comes_in_though_nobody_archives_it_is_told() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(forgotten(&place.path().join("nowhere")), None);
        assert_eq!(forgotten(place.path()), None);
        fs::write(place.path().join("000000010000000000000001"), "").unwrap();
        assert_eq!(forgotten(place.path()).unwrap().outcome, Outcome::Warning);
    }

    #[test]
    fn what_comes_in_may_wait_a_little() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(incoming(&place.path().join("nowhere")), None);
        for number in 0..=MANY {
            fs::write(place.path().join(format!("0000000100000000000000{number:02X}")), "")
                .unwrap();
            let outcome = incoming(place.path()).unwrap().outcome;
            assert_eq!(outcome == Outcome::Ok, number < MANY, "{number}");
        }
    }
}
