//! What is done as a step of a run.

mod backup;
mod drill;
mod expire;

use hayloft_plugin_api::{Action, Error, Host, Outcome, Request, Result};

pub use self::{backup::Backup, drill::Drill, expire::Expire};
use crate::{
    config::{PostgresServers, Server},
    intake::{self, Tally},
};

/// The action `walarchive`: `hayloft pg wal archive` for all active servers
/// whose WAL comes into a directory.
#[derive(Debug)]
pub struct WalArchive {
    servers: PostgresServers,
}

impl Action for WalArchive {
    type Config = PostgresServers;

    fn new(servers: PostgresServers) -> Result<Self> {
        servers.check()?;
        Ok(Self { servers })
    }

    fn run(&self, host: &Host, request: &Request) -> Result<Outcome> {
        let (mut all, mut failures, mut warnings) = (Tally::default(), Vec::new(), Vec::new());
        for server in self.servers.server.iter().filter(|it| takes_part(it)) {
            host.check_cancelled()?;
            if request.dry_run {
                all.waiting += intake::waiting(host, server)?;
                continue;
            }
            let name = &server.name;
            match intake::archive(host, server) {
                Ok(Ok(tally)) => {
                    judge(name, &tally, &mut failures, &mut warnings);
                    all.add(tally);
                    intake::complete_backups(host, server);
                }
                Ok(Err(who)) => failures
                    .push(format!("the WAL of server {name} is being archived already, by {who}")),
                Err(error) => failures.push(format!("server {name}: {}", intake::chain(&error))),
            }
        }
        host.check_cancelled()?;
        if !failures.is_empty() {
            return Err(Error::msg(failures.join("; ")).context("not all WAL is archived"));
        }
        if request.dry_run {
            return Ok(Outcome::new(format!("would archive {} files", all.waiting)));
        }
        let outcome = Outcome::new(all.summary())
            .value("stored", all.stored)
            .value("known", all.known)
            .value("waiting", all.waiting);
        Ok(warnings.into_iter().fold(outcome, Outcome::warning))
    }
}

fn takes_part(server: &Server) -> bool {
    server.active && (server.archiver || server.streaming_archiver)
}

fn judge(name: &str, tally: &Tally, failures: &mut Vec<String>, warnings: &mut Vec<String>) {
    match tally.exit_code() {
        0 => {}
        1 => failures.push(match &tally.failure {
            Some(problem) => format!("server {name}: {problem}"),
            None => format!("server {name}: {}", tally.summary()),
        }),
        _ => warnings.push(format!("server {name}: {}", tally.summary())),
    }
}
