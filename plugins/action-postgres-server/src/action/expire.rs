//! Removing what retention policies do not keep, as a step of a run.

use hayloft_plugin_api::{Action, Error, Host, Outcome, Request, Result};
use jiff::Timestamp;

use crate::{
    catalogue::{self, Expiry, WalExpiry},
    config::{PostgresServers, Server},
    intake::chain,
};

/// The action `postgresexpire`: `hayloft pg expire` for all active servers
/// that have a `<retention_policy>`.
#[derive(Debug)]
pub struct Expire {
    servers: PostgresServers,
}

impl Action for Expire {
    type Config = PostgresServers;

    fn new(servers: PostgresServers) -> Result<Self> {
        servers.check()?;
        Ok(Self { servers })
    }

    fn run(&self, host: &Host, request: &Request) -> Result<Outcome> {
        let takes_part = |it: &&Server| it.active && it.retention_policy.is_some();
        let (mut backups, mut files, mut failures) = (0, 0, Vec::new());
        for server in self.servers.server.iter().filter(takes_part) {
            host.check_cancelled()?;
            let name = &server.name;
            match catalogue::expire(host, server, Timestamp::now(), request.dry_run) {
                Ok(Ok(expiry)) => {
                    backups += expiry.deleted();
                    if let WalExpiry::Deleted(deleted, _) = &expiry.wal {
                        files += deleted.files;
                    }
                    failures.extend(problems(&expiry).map(|it| format!("server {name}: {it}")));
                }
                Ok(Err(who)) => {
                    failures.push(format!("server {name}: its catalogue is in use: {who}"));
                }
                Err(error) => failures.push(format!("server {name}: {}", chain(&error))),
            }
        }
        host.check_cancelled()?;
        if !failures.is_empty() {
            return Err(
                Error::msg(failures.join("; ")).context("not all that is too old is deleted")
            );
        }
        let would = if request.dry_run { "would delete" } else { "deleted" };
        let text = format!("{would} {backups} backups and {files} files of WAL");
        Ok(Outcome::new(text)
            .value("backups", u64::try_from(backups).unwrap_or(u64::MAX))
            .value("wal_files", files))
    }
}

fn problems(expiry: &Expiry) -> impl Iterator<Item = String> + '_ {
    let unread = expiry.unread.iter().map(|(name, e)| format!("storage {name}: {}", chain(e)));
    let failed = expiry.storages.iter().flat_map(|it| {
        it.failures.iter().map(|(id, e)| format!("{id} in storage {}: {}", it.storage, chain(e)))
    });
    let wal = if let WalExpiry::Failed(error) = &expiry.wal { Some(chain(error)) } else { None };
    unread.chain(failed).chain(wal)
}
