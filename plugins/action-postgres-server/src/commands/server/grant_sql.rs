//! The command `hayloft pg server grant-sql`.

use hayloft_plugin_api::{Argument, CommandSpec, Error, Result};
use hayloft_postgres::{
    check::Trouble,
    roles::RoleGrants,
    version::{NEWEST, ServerVersion},
};

use crate::{
    commands::{Call, Subcommand},
    probe::{self, Deadline, Way},
};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "grant-sql", spec, run };

/// The role that the documentation uses.
const ROLE: &str = "hayloft";

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Print the SQL that gives a role just what backups need".to_owned(),
        long_about: "Prints the SQL that makes a role which can do what backups need, and \
                     nothing else. A superuser runs it once, in the database that the role \
                     connects to; running it again does no harm. The role gets no password: \
                     set one with psql's \\password."
            .to_owned(),
        arguments: vec![
            Argument::positional("server", "SERVER", "A configured server, asked for its version"),
            Argument::option("role", "NAME", "The role; hayloft if not given"),
            Argument::option("server-version", "VERSION", "The server's version, such as 15"),
            Argument::flag("no-replication", "Leave out what streaming needs"),
            Argument::flag("checkpoint", "Let it ask for checkpoints, for backups of a standby"),
            Argument::flag("revoke", "Print what takes it all back"),
        ],
        after_help:
            "Examples:\n  hayloft pg server grant-sql --server-version 15 | psql -U postgres\n  \
                     hayloft pg server grant-sql main --role backup > grants.sql\n  \
                     hayloft pg server grant-sql main --revoke"
                .to_owned(),
        ..CommandSpec::default()
    }
}

/// Asks the server that is named; without one, the newest version is meant.
fn version_of_server(call: &Call<'_>) -> Result<ServerVersion> {
    let Some(name) = call.arguments.get("server") else { return Ok(NEWEST) };
    let server = call.server(Some(name))?;
    let failed = |trouble: Trouble| {
        Error::msg(trouble.problem)
            .context(format!("cannot ask server {name} for its version"))
            .hint("give the version with --server-version")
    };
    let deadline = Deadline::after(server.check_timeout());
    let connection = probe::open(server, Way::Sql, deadline).map_err(failed)?;
    let answer = connection.simple("SHOW server_version_num");
    let rows = answer.map_err(|error| failed(probe::trouble(&error)))?;
    let number = rows.first().and_then(|it| it.first()).and_then(Option::as_deref);
    number.and_then(ServerVersion::parse).ok_or_else(|| Error::msg("the server has no version"))
}

fn run(call: &Call<'_>) -> Result<u8> {
    let arguments = call.arguments;
    let version = match arguments.get("server-version") {
        None => version_of_server(call)?,
        Some(text) => {
            ServerVersion::parse(text).filter(|it| it.is_supported()).ok_or_else(|| {
                Error::msg(format!("`{text}` is no version of PostgreSQL that is served"))
                    .hint("give 13 or later, such as 15 or 15.20")
            })?
        }
    };
    let role = arguments.get("role").unwrap_or(ROLE);
    let grants = RoleGrants {
        role: role.to_owned(),
        replication: !arguments.has("no-replication"),
        checkpoint: arguments.has("checkpoint"),
    };
    let sql =
        if arguments.has("revoke") { grants.revoke_sql(version) } else { grants.sql(version) };
    let head = format!(
        "-- For PostgreSQL {}, in the database that the role connects to.\n",
        version.major_text()
    );
    call.host.print(head + &sql)?;
    Ok(0)
}
