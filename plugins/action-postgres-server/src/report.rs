//! The state of all backups on one page.

pub(crate) mod chart;
mod drills;
pub(crate) mod html;
pub(crate) mod pool;
pub(crate) mod wal;

use hayloft_plugin_api::{Host, Result};
use jiff::Timestamp;
use serde::Serialize;

pub(crate) use self::{
    drills::DrillMark,
    pool::{Pool, pool},
    wal::WalLine,
};
use crate::{
    catalogue::{Backup, Catalogue, Moment, State, Status},
    config::Server,
    intake::chain,
};

/// What is on the page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Page {
    /// When it was made.
    pub(crate) made: Timestamp,
    /// The servers, in the order of the configuration.
    pub(crate) servers: Vec<Section>,
    /// What Cedar Backup's actions have staged, if they do.
    pub(crate) pool: Option<Pool>,
}

/// What is said of one server.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Section {
    /// Its name.
    pub(crate) name: String,
    /// What it is.
    pub(crate) description: Option<String>,
    /// Its retention policy.
    pub(crate) policy: Option<String>,
    /// Its backups, oldest first.
    pub(crate) backups: Vec<Bar>,
    /// Its WAL, one for each timeline in each storage.
    pub(crate) wal: Vec<WalLine>,
    /// Its drills, oldest first.
    pub(crate) drills: Vec<DrillMark>,
    /// What somebody should look at.
    pub(crate) alarms: Vec<String>,
}

/// A backup.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Bar {
    /// Its id.
    pub(crate) id: String,
    /// What the administrator calls it.
    pub(crate) name: Option<String>,
    /// What can be done with it.
    pub(crate) status: String,
    /// Whether it can be restored, has failed, or is neither yet.
    pub(crate) light: Light,
    /// What it is made of.
    pub(crate) kind: String,
    /// When it was begun.
    pub(crate) begin: Option<Timestamp>,
    /// When it was whole.
    pub(crate) end: Option<Timestamp>,
    /// How large the files are, in bytes.
    pub(crate) size: Option<u64>,
    /// How many bytes were stored for it.
    pub(crate) stored: Option<u64>,
    /// The mark that it is kept.
    pub(crate) keep: Option<String>,
    /// The storages that it is in.
    pub(crate) storages: Vec<String>,
    /// Why it is as it is.
    pub(crate) remark: Option<String>,
}

/// How good something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Light {
    /// In order.
    Good,
    /// Under way.
    Busy,
    /// Somebody should look.
    Bad,
}

/// Finds out what is to be said of one server; whatever cannot be asked is
/// said too.
///
/// # Errors
///
/// If the work is to end.
pub(crate) fn section(host: &Host, server: &Server, now: Timestamp) -> Result<Section> {
    host.check_cancelled()?;
    let catalogue = Catalogue::read(host, server);
    let mut alarms = alarms(server, &catalogue, now);
    let wal = match wal::lines(host, server) {
        Ok(lines) => lines,
        Err(error) => {
            alarms.push(format!("its WAL cannot be listed: {}", chain(&error)));
            Vec::new()
        }
    };
    for line in wal.iter().filter(|it| !it.gaps.is_empty()) {
        let (gaps, on) = (line.gaps.len(), line.timeline);
        alarms.push(format!("WAL of timeline {on} has {gaps} gaps in storage {}", line.storage));
    }
    host.check_cancelled()?;
    let drills = drills::marks(host, server).unwrap_or_else(|error| {
        alarms.push(format!("its drills cannot be read: {}", chain(&error)));
        Vec::new()
    });
    alarms.extend(drills::alarm(&drills));
    Ok(Section {
        name: server.name.clone(),
        description: server.description.clone(),
        policy: server.retention_policy.map(|it| it.to_string()),
        backups: catalogue.backups.iter().map(bar).collect(),
        wal,
        drills,
        alarms,
    })
}

fn bar(backup: &Backup) -> Bar {
    let (state, info) = (backup.state(), backup.info());
    let light = match &state {
        _ if state.is_copied() => Light::Good,
        State::Is(best) if best.0 != Status::Failed => Light::Busy,
        State::Deleting => Light::Busy,
        _ => Light::Bad,
    };
    let at = |it: Option<Moment>| it.map(Moment::timestamp);
    let remark = match &state {
        State::Broken(why) => Some(why.clone()),
        _ => info.and_then(|it| it.error.clone()),
    };
    Bar {
        id: backup.id.to_string(),
        name: info.and_then(|it| it.backup_name.clone()),
        status: state.to_string(),
        light,
        kind: info.map_or("", |it| it.kind().name()).to_owned(),
        begin: at(info.and_then(|it| it.begin_time)),
        end: at(info.and_then(|it| it.end_time)),
        size: info.and_then(|it| it.size),
        stored: info.and_then(|it| it.deduplicated_size),
        keep: backup.keep().map(|it| it.to_string()),
        storages: backup.copies.iter().map(|it| it.storage.clone()).collect(),
        remark,
    }
}

/// What somebody should look at.
fn alarms(server: &Server, catalogue: &Catalogue, now: Timestamp) -> Vec<String> {
    let mut alarms: Vec<String> = catalogue
        .unread
        .iter()
        .map(|(name, error)| format!("storage {name} could not be asked: {}", chain(error)))
        .collect();
    let done = || catalogue.backups.iter().filter(|it| it.state().is(Status::Done));
    let newest = done().next_back().and_then(Backup::info).and_then(|it| it.end_time);
    match (newest.map(Moment::timestamp), server.last_backup_maximum_age) {
        (None, _) => alarms.push("there is no backup that can be restored".to_owned()),
        (Some(ended), Some(most)) if now.duration_since(ended).unsigned_abs() > most.get() => {
            let hours = now.duration_since(ended).as_hours();
            alarms
                .push(format!("overdue: the newest backup is {hours} hours old, more than {most}"));
        }
        _ => {}
    }
    let full = done().filter(|it| it.info().is_some_and(|it| it.parent_backup_id.is_none()));
    let (have, want) = (full.count(), server.minimum_redundancy);
    if have < want as usize {
        alarms.push(format!("{have} full backups, and {want} are wanted at least"));
    }
    let bad = catalogue.backups.iter().filter(|it| bar(it).light == Light::Bad).count();
    if bad > 0 {
        let backups = if bad == 1 { "backup" } else { "backups" };
        alarms.push(format!("{bad} {backups} failed or broken"));
    }
    alarms
}
