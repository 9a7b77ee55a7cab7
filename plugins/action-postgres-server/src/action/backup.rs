//! Base backups, as a step of a run.

use hayloft_plugin_api::{Action, Error, Host, Outcome, Request, Result};
use jiff::Timestamp;

use crate::{
    backup::{self, Base, Options, Report, due},
    catalogue::Catalogue,
    config::{PostgresServers, Server},
    intake::chain,
};

/// The action `postgresbackup`: `hayloft pg backup` for all active servers that
/// have a storage and of which a backup is due, one after the other.
#[derive(Debug)]
pub struct Backup {
    servers: PostgresServers,
}

/// What came of all servers.
#[derive(Debug, Default)]
struct All {
    taken: Vec<String>,
    stored: u64,
    failures: Vec<String>,
    warnings: Vec<String>,
}

impl Action for Backup {
    type Config = PostgresServers;

    fn new(servers: PostgresServers) -> Result<Self> {
        servers.check()?;
        Ok(Self { servers })
    }

    fn run(&self, host: &Host, request: &Request) -> Result<Outcome> {
        let mut all = All::default();
        let takes_part = |it: &&Server| it.active && !it.backup_destinations().is_empty();
        for server in self.servers.server.iter().filter(takes_part) {
            host.check_cancelled()?;
            let Some(base) = what_is_due(host, server) else { continue };
            if request.dry_run {
                all.taken.push(format!("{} ({})", server.name, kind(base)));
                continue;
            }
            match backup::take(host, server, &Options::configured(server, base)) {
                Ok(report) => all.add(report),
                Err(error) => {
                    all.failures.push(format!("server {}: {}", server.name, chain(&error)));
                }
            }
        }
        host.check_cancelled()?;
        if !all.failures.is_empty() {
            let message = all.failures.join("; ");
            return Err(Error::msg(message).context("not all servers are backed up"));
        }
        Ok(all.outcome(request.dry_run))
    }
}

/// Decides by what the storages have; one that does not tell has none.
fn what_is_due(host: &Host, server: &Server) -> Option<Base> {
    let catalogue = Catalogue::read(host, server);
    for (storage, error) in &catalogue.unread {
        tracing::warn!("storage {storage} could not be asked: {}", chain(error));
    }
    let base = due::due(server, &catalogue.backups, Timestamp::now());
    if base.is_none() {
        tracing::info!("no backup of server {} is due", server.name);
    }
    base
}

fn kind(base: Base) -> &'static str {
    if base == Base::Nothing { "full" } else { "incremental" }
}

impl All {
    fn add(&mut self, report: Report) {
        let name = &report.server;
        self.stored += report.tally.stored;
        self.taken.push(format!("{name} ({})", report.id));
        self.failures.extend(report.failures.iter().map(|it| format!("server {name}: {it}")));
        for it in &report.damaged {
            let pages = it.pages.len();
            self.warnings.push(format!("server {name}: {} has {pages} damaged pages", it.path));
        }
        if let Some(segment) = report.waits_for {
            let id = report.id;
            let warning = format!("server {name}: backup {id} waits for WAL: {segment}");
            self.warnings.push(warning);
        }
    }

    fn outcome(self, dry_run: bool) -> Outcome {
        let taken = self.taken.join(", ");
        let outcome = match (self.taken.is_empty(), dry_run) {
            (true, _) => Outcome::new("no backup is due"),
            (false, true) => Outcome::new(format!("would back up {taken}")),
            (false, false) => Outcome::new(format!("backed up {taken}"))
                .value("backups", self.taken.len() as u64)
                .value("stored", self.stored),
        };
        self.warnings.into_iter().fold(outcome, Outcome::warning)
    }
}
