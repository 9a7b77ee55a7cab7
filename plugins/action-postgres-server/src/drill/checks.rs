//! What is looked at in a restored cluster.
//!
//! None of it is enough alone: reading every row finds a damaged table and not
//! a damaged index, amcheck finds both and not a missing row, and only the
//! administrator knows what ought to be in the data.

mod amcheck;
mod assertions;
mod rows;

use std::time::{Duration, Instant};

use hayloft_plugin_api::{Error, Host, Result};
use hayloft_postgres::{
    connection::{Connection, QueryError},
    conninfo::{Conninfo, Environment},
};
use serde::{Deserialize, Serialize};

use super::{scratch::Scratch, settings::PORT};
use crate::config::{Amcheck, Drill};

/// More findings of one check are counted, not told.
const MOST: usize = 20;
/// What nothing of the restored cluster's own settings may change.
const SESSION: &str = "SET statement_timeout = 0; SET lock_timeout = 0; \
                       SET default_transaction_read_only = off; SET row_security = off; \
                       SET search_path = pg_catalog";

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// All is well.
    Passed,
    /// Something is wrong.
    Failed,
    /// It could not be done here.
    NotRun,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Check {
    /// Its name: `rows`, `amcheck`, `assertion`, `checksums`.
    pub(crate) name: String,
    /// The database, if it is about one.
    pub(crate) database: Option<String>,
    /// How it came out.
    pub(crate) outcome: Outcome,
    /// What was looked at, and what was found.
    pub(crate) detail: String,
    /// How long it took.
    pub(crate) seconds: f64,
}

/// What was looked at, how much of it, and what is wrong.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) looked_at: u64,
    pub(super) wrong: Vec<String>,
    /// Why it could not be done.
    pub(super) impossible: Option<String>,
}

impl Findings {
    fn wrong(&mut self, what: String) {
        self.wrong.push(what);
    }

    /// Makes a check of it; `what` is what was counted.
    pub(super) fn into_check(
        self,
        name: &str,
        database: Option<&str>,
        what: &str,
        took: Duration,
    ) -> Check {
        let (outcome, detail) = match (self.impossible, self.wrong.as_slice()) {
            (_, [_, ..]) => (Outcome::Failed, listed(&self.wrong)),
            (Some(why), []) => (Outcome::NotRun, why),
            (None, []) => (Outcome::Passed, format!("{} {what}", self.looked_at)),
        };
        Check {
            name: name.to_owned(),
            database: database.map(str::to_owned),
            outcome,
            detail,
            seconds: took.as_secs_f64(),
        }
    }
}

/// What came of the checks.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) checks: Vec<Check>,
    /// Whether the cluster has page checksums.
    pub(super) sums: bool,
}

/// Does everything that needs the server.
///
/// # Errors
///
/// If the server cannot be talked to, or the user wants an end.
pub(super) fn run(host: &Host, drill: &Drill, scratch: &Scratch) -> Result<Looked> {
    let user = superuser(scratch)?;
    let connect = |database: &str| connect(scratch, &user, database);
    let first = connect("template1")?;
    let names = first
        .simple("SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname")
        .map_err(|e| wrong(&e))?;
    let names: Vec<String> = names.into_iter().filter_map(|it| it.into_iter().next()?).collect();
    let sums = first.simple("SHOW data_checksums").map_err(|e| wrong(&e))?;
    let sums = sums.first().and_then(|it| it.first()?.as_deref()) == Some("on");
    drop(first);
    let mut checks = Vec::new();
    for name in &names {
        let session = connect(name)?;
        if drill.dump {
            checks.push(timed("rows", name, "relations", || rows::read(host, &session))?);
        }
        if drill.amcheck != Amcheck::None {
            let full = drill.amcheck == Amcheck::Full;
            let look = || amcheck::look(host, &session, full);
            checks.push(timed("amcheck", name, "relations and indexes", look)?);
        }
    }
    for assertion in &drill.assertion {
        let database = assertion.database.as_deref().unwrap_or("postgres");
        checks.push(assertions::ask(assertion, database, &connect));
    }
    Ok(Looked { checks, sums })
}

fn timed(
    name: &str,
    database: &str,
    what: &str,
    look: impl FnOnce() -> Result<Findings>,
) -> Result<Check> {
    let began = Instant::now();
    let found = look()?;
    Ok(found.into_check(name, Some(database), what, began.elapsed()))
}

/// The first ones, and how many more there are.
fn listed(wrong: &[String]) -> String {
    let shown: Vec<&str> = wrong.iter().take(MOST).map(String::as_str).collect();
    let more = wrong.len() - shown.len();
    let text = shown.join("; ");
    if more > 0 { format!("{text}; and {more} more") } else { text }
}

fn wrong(error: &QueryError) -> Error {
    Error::msg(error.to_string()).context("the scratch server did not answer")
}

/// Opens a session that nothing of the cluster's own settings can bend.
fn connect(scratch: &Scratch, user: &str, database: &str) -> Result<Connection> {
    let failed = |e: &dyn std::fmt::Display| {
        Error::msg(e.to_string()).context(format!("cannot connect to database {database}"))
    };
    let mut conninfo = Conninfo::new();
    let words = [
        ("host", scratch.socket().to_string_lossy().into_owned()),
        ("port", PORT.to_string()),
        ("user", user.to_owned()),
        ("dbname", database.to_owned()),
        ("application_name", "hayloft drill".to_owned()),
    ];
    for (keyword, value) in words {
        conninfo.set(keyword, &value).map_err(|e| failed(&e))?;
    }
    let target = conninfo.resolve(&Environment::empty()).map_err(|e| failed(&e))?;
    let connection = Connection::open(&target).map_err(|e| failed(&e))?;
    connection.execute(SESSION).map_err(|e| failed(&e))?;
    Ok(connection)
}

/// Finds a role that may do everything. Nobody but us can connect, and as
/// whoever we like.
fn superuser(scratch: &Scratch) -> Result<String> {
    const WHO: &str = "SELECT rolname FROM pg_roles WHERE rolsuper AND rolcanlogin ORDER BY oid";
    let candidates = ["postgres".to_owned(), scratch.account().name().to_owned()];
    let mut last = None;
    for name in &candidates {
        match connect(scratch, name, "template1") {
            Ok(session) => {
                let found = session.simple(WHO).map_err(|e| wrong(&e))?;
                if let Some(name) = found.into_iter().flatten().flatten().next() {
                    return Ok(name);
                }
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| Error::msg("no role of the restored cluster may do everything")))
}
