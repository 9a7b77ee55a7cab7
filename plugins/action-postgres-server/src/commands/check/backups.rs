//! Whether there are the backups that there should be.

use std::{
    sync::mpsc::{self, Receiver},
    thread,
};

use hayloft_plugin_api::{Error, Host, Result, text};
use hayloft_postgres::check::CheckLine;
use jiff::Timestamp;

use crate::{
    catalogue::{Backup, Catalogue, Moment, Place, Status},
    config::Server,
    intake::chain,
    probe::Deadline,
};

/// A storage of the server's: its name, and what opens it.
pub(super) type Opened = (String, Result<Place>);

/// Opens each storage that the server's backups are in.
pub(super) fn of(host: &Host, server: &Server) -> Vec<Opened> {
    Place::all(host, server)
}

/// A catalogue that is being read.
pub(super) struct Asked {
    told: Option<Receiver<Vec<CheckLine>>>,
}

/// Reads the catalogue, in a thread of its own: a storage may hang.
pub(super) fn ask(server: &Server, opened: Vec<Opened>) -> Asked {
    if opened.is_empty() {
        return Asked { told: None };
    }
    let (tell, told) = mpsc::channel();
    let server = server.clone();
    let ask = move || {
        let (mut places, mut unread) = (Vec::new(), Vec::new());
        for (name, place) in opened {
            match place {
                Ok(place) => places.push(place),
                Err(error) => unread.push((name, error)),
            }
        }
        let catalogue = Catalogue::of(&places, &server.name, unread);
        // Nobody waits for it any more if this fails.
        drop(tell.send(lines(&server, &catalogue, Timestamp::now())));
    };
    // Without a thread nothing comes, which is told as silence.
    drop(thread::Builder::new().name("catalogue".to_owned()).spawn(ask));
    Asked { told: Some(told) }
}

impl Asked {
    /// Waits for what is said in time.
    pub(super) fn lines(self, deadline: Deadline) -> Vec<CheckLine> {
        let Some(told) = self.told else { return Vec::new() };
        told.recv_timeout(deadline.left()).unwrap_or_else(|_| {
            let why = "nobody knows whether there are backups";
            let remedy = "look whether a storage hangs, or raise <check_timeout>";
            vec![CheckLine::failed("backups", "not listed in time", why, remedy)]
        })
    }
}

/// Judges what there is.
fn lines(server: &Server, catalogue: &Catalogue, now: Timestamp) -> Vec<CheckLine> {
    let newest = catalogue.backups.iter().rfind(|it| it.state().is(Status::Done));
    let mut lines = vec![policy(server)];
    lines.extend(catalogue.unread.iter().map(|(name, error)| unread(name, error)));
    lines.extend([age(server, newest, now), size(server, newest), redundancy(server, catalogue)]);
    lines.push(failures(catalogue));
    lines
}

fn policy(server: &Server) -> CheckLine {
    let found = server
        .retention_policy
        .map_or_else(|| "none: backups and WAL are kept for ever".to_owned(), |it| it.to_string());
    CheckLine::ok("retention_policy", found)
}

fn unread(name: &str, error: &Error) -> CheckLine {
    let why = "the backups there are not among those that are judged here";
    let remedy = "`hayloft storage check` tells more";
    CheckLine::failed("catalogue", format!("{name}: {}", chain(error)), why, remedy)
}

fn age(server: &Server, newest: Option<&Backup>, now: Timestamp) -> CheckLine {
    const NAME: &str = "backup_maximum_age";
    const WHY: &str = "what came since is only as safe as the WAL, and takes long to recover";
    const REMEDY: &str = "run `hayloft pg backup`, and look why it was not";
    let Some(most) = server.last_backup_maximum_age else {
        return CheckLine::ok(NAME, "no <last_backup_maximum_age> is set");
    };
    let ended = newest.and_then(Backup::info).and_then(|it| it.end_time).map(Moment::timestamp);
    let Some(ended) = ended else {
        return CheckLine::failed(NAME, "there is no backup", WHY, REMEDY);
    };
    let age = now.duration_since(ended).unsigned_abs();
    let hours = age.as_secs() / 3600;
    let found = format!("the newest backup ended {hours} hours ago; the most is {most}");
    // One of the future is of a clock that goes wrong, and not old.
    if ended <= now && age > most.get() {
        return CheckLine::failed(NAME, found, WHY, REMEDY);
    }
    CheckLine::ok(NAME, found)
}

fn size(server: &Server, newest: Option<&Backup>) -> CheckLine {
    const NAME: &str = "backup_minimum_size";
    let bytes = newest.and_then(Backup::info).and_then(|it| it.size);
    let found = bytes.map_or_else(|| "there is no backup".to_owned(), text::size);
    match server.last_backup_minimum_size {
        Some(least) if bytes.is_none_or(|it| it < least.0) => {
            let why = "a backup that is so small may be one of the wrong cluster";
            let remedy = "look what was backed up, or lower <last_backup_minimum_size>";
            CheckLine::failed(NAME, found, why, remedy)
        }
        _ => CheckLine::ok(NAME, found),
    }
}

fn redundancy(server: &Server, catalogue: &Catalogue) -> CheckLine {
    const NAME: &str = "minimum_redundancy";
    let counts = |it: &&Backup| {
        it.state().is(Status::Done) && it.info().is_some_and(|it| it.parent_backup_id.is_none())
    };
    let (have, want) = (catalogue.backups.iter().filter(counts).count(), server.minimum_redundancy);
    let found = format!("have {have} full backups, expected at least {want}");
    if have < want as usize {
        let why = "one damaged backup may be one too many";
        return CheckLine::failed(NAME, found, why, "run `hayloft pg backup`");
    }
    CheckLine::ok(NAME, found)
}

fn failures(catalogue: &Catalogue) -> CheckLine {
    const NAME: &str = "failed_backups";
    let is_bad = |it: &&Backup| {
        let state = it.state();
        state.is(Status::Failed) || matches!(state, crate::catalogue::State::Broken(_))
    };
    let ids: Vec<String> =
        catalogue.backups.iter().filter(is_bad).map(|it| it.id.to_string()).collect();
    if ids.is_empty() {
        return CheckLine::ok(NAME, "none");
    }
    let found = format!("{}: {}", ids.len(), ids.join(", "));
    let why = "they cannot be restored";
    let remedy = "look why with `hayloft pg show`, then `hayloft pg delete` them";
    CheckLine::failed(NAME, found, why, remedy)
}

#[cfg(test)]
mod tests {
    use hayloft_postgres::check::Outcome;
    use serde_json::json;

    use super::*;
    use crate::catalogue::{Known, backup};

    fn catalogue(failed: bool) -> Catalogue {
        let mut backups = vec![
            backup("20260101T000000", Status::Done, None),
            backup("20260102T000000", Status::Done, Some("20260101T000000")),
        ];
        if failed {
            backups.push(backup("20260103T000000", Status::Failed, None));
        }
        for copy in backups.iter_mut().flat_map(|it| &mut it.copies) {
            if let Known::Info(info) = &mut copy.known {
                info.size = Some(10 << 20);
                info.end_time =
                    Moment::parse("2026-01-02 12:00:00+00:00", &jiff::tz::TimeZone::UTC);
            }
        }
        Catalogue { server: "main".to_owned(), backups, unread: Vec::new() }
    }

    #[test]
    fn backups_are_judged_as_barman_judges_them() {
        let empty =
            Catalogue { server: "main".to_owned(), backups: Vec::new(), unread: Vec::new() };
        let cases = [
            (json!({}), catalogue(false), vec![]),
            (json!({}), empty, vec![]),
            (json!({ "retention_policy": "REDUNDANCY 2" }), catalogue(false), vec![]),
            (json!({ "last_backup_maximum_age": "1 DAY" }), catalogue(false), vec![]),
            (
                json!({ "last_backup_maximum_age": "12 hours" }),
                catalogue(false),
                vec!["backup_maximum_age"],
            ),
            (json!({ "last_backup_minimum_size": "10M" }), catalogue(false), vec![]),
            (
                json!({ "last_backup_minimum_size": "11M" }),
                catalogue(false),
                vec!["backup_minimum_size"],
            ),
            // What refers to another one does not count.
            (json!({ "minimum_redundancy": 1 }), catalogue(false), vec![]),
            (json!({ "minimum_redundancy": 2 }), catalogue(false), vec!["minimum_redundancy"]),
            (json!({}), catalogue(true), vec!["failed_backups"]),
        ];
        let now = "2026-01-03T01:00:00Z".parse().unwrap();
        for (settings, catalogue, expected) in cases {
            let mut text = settings.clone();
            text["name"] = json!("main");
            let server: Server = serde_json::from_value(text).unwrap();
            let lines = lines(&server, &catalogue, now);
            let bad = lines.iter().filter(|it| it.outcome != Outcome::Ok);
            let bad: Vec<&str> = bad.map(|it| it.name).collect();
            assert_eq!(bad, expected, "{settings}");
            assert_eq!(lines.len(), 5);
        }
    }
}
