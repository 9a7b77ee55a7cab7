//! The command `hayloft pg status`.

mod rows;

use std::time::SystemTime;

use hayloft_plugin_api::{CommandSpec, Result};
use hayloft_postgres::check::{Facts, Outcome, judge};
use serde_json::{Value, json};

use super::{Call, Subcommand, which_servers};
use crate::{
    config::Server,
    directories::Directories,
    probe::{self, Deadline},
    receive, several,
};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "status", spec, run };

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Show what the servers are and how they are".to_owned(),
        long_about: "Shows what the servers say of themselves: version, role, positions in the \
                     WAL, archiving, slots, who streams from them, and how much would be lost \
                     with them (rpo). What cannot be found out is shown with the reason. The exit \
                     code is 1 if a server does not answer; `hayloft pg check` judges the rest."
            .to_owned(),
        arguments: vec![which_servers()],
        after_help: "Examples:\n  hayloft pg status\n  hayloft pg status main --json".to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let servers = call.chosen()?;
    let nothing = vec![(); servers.len()];
    let done = several::for_each(call.host, &servers, nothing, |server, ()| {
        probe::facts(server, Deadline::after(server.check_timeout()), true)
    })?;
    let now = receive::seconds(SystemTime::now());
    let mut code = 0;
    let mut documents = Vec::new();
    let mut text = String::new();
    for (server, facts) in servers.iter().zip(&done) {
        let rows = match facts {
            Some(facts) => rows::of(server, facts, &receiver(call, server), now),
            None => rows::late(server),
        };
        if facts.as_ref().is_none_or(|it| it.sql.is_err()) {
            code = 1;
        }
        if call.arguments.json {
            documents.push(document(server, facts.as_ref(), &rows));
        } else {
            let blank = if text.is_empty() { "" } else { "\n" };
            text.push_str(blank);
            text.push_str(&rows::text(server, &rows));
        }
    }
    if call.arguments.json {
        text = serde_json::to_string_pretty(&json!({ "servers": documents }))? + "\n";
    }
    call.host.print(text)?;
    Ok(code)
}

/// What is known of the receiver of a server's WAL.
fn receiver(call: &Call<'_>, server: &Server) -> rows::Receiver {
    let looked = Directories::of(call.host, server).and_then(|it| receive::look(&it.streaming));
    match looked {
        Ok((record, holder)) => rows::Receiver { record, holder, problem: None },
        Err(error) => {
            rows::Receiver { problem: Some(error.to_string()), ..rows::Receiver::default() }
        }
    }
}

fn document(server: &Server, facts: Option<&Facts>, rows: &[rows::Row]) -> Value {
    let values: serde_json::Map<String, Value> =
        rows.iter().map(|it| (it.name.to_owned(), it.json.clone())).collect();
    let outcome = facts.map(|facts| {
        let lines = judge(facts, &probe::wanted(server));
        lines.iter().map(|it| it.outcome).max().unwrap_or(Outcome::Ok)
    });
    json!({ "name": server.name, "check": outcome, "status": values })
}
