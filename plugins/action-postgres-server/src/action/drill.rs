//! Drills, as a step of a run.

use hayloft_plugin_api::{Action, Error, Host, Outcome, Request, Result};

use crate::{config::PostgresServers, drill, intake};

/// The action `postgresdrill`: `hayloft pg drill` for all active servers that have a
/// storage, one after the other.
#[derive(Debug)]
pub struct Drill {
    servers: PostgresServers,
}

impl Action for Drill {
    type Config = PostgresServers;

    fn new(servers: PostgresServers) -> Result<Self> {
        servers.check()?;
        Ok(Self { servers })
    }

    fn run(&self, host: &Host, request: &Request) -> Result<Outcome> {
        let (mut proven, mut failures, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        for server in self.servers.server.iter().filter(|it| it.active && !it.storage.is_empty()) {
            host.check_cancelled()?;
            let name = &server.name;
            if request.dry_run {
                proven.push(name.clone());
                continue;
            }
            match drill::drill(host, server, &drill::Options::usual()) {
                Ok(report) if report.proven => {
                    proven.push(name.clone());
                    warnings
                        .extend(report.warnings.iter().map(|it| format!("server {name}: {it}")));
                }
                Ok(report) => {
                    let problem = report.problem.unwrap_or_default();
                    failures.push(format!("server {name}: {problem}"));
                }
                Err(error) => failures.push(format!("server {name}: {}", intake::chain(&error))),
            }
        }
        host.check_cancelled()?;
        if !failures.is_empty() {
            return Err(Error::msg(failures.join("; ")).context("not all servers can be restored"));
        }
        let proven = proven.join(", ");
        let outcome = if request.dry_run {
            Outcome::new(format!("would restore {proven} to a scratch server"))
        } else {
            Outcome::new(format!("proven restorable: {proven}")).value("proven", proven)
        };
        Ok(warnings.into_iter().fold(outcome, Outcome::warning))
    }
}
