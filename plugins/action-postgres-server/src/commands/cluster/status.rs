//! The command `hayloft pg cluster status`.

use std::fmt::Write as _;

use hayloft_plugin_api::{CommandSpec, Result};
use hayloft_postgres::{
    cluster::{self, DataDirectory, Manager, RunningServer, State},
    connection::Connection,
};
use serde_json::{Value, json};

use super::{Call, Subcommand, conninfo, data, dir, failed, managed, session, timeout};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "status", spec, run };

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Show what a directory is and whether its server runs".to_owned(),
        long_about: "Shows what a directory is and whether its server runs. A process counts as \
                     the server only if it belongs to the directory's owner, is PostgreSQL, works \
                     in this very directory and started when postmaster.pid says; with --conninfo \
                     the server is also asked which cluster it serves. The exit code is 0 if the \
                     server runs, 3 if not, 4 if the directory holds no whole cluster."
            .to_owned(),
        arguments: vec![dir(), conninfo(), timeout()],
        after_help: "Examples:\n  hayloft pg cluster status /srv/postgres/data\n  \
                     hayloft pg cluster status /srv/postgres/data --json"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let data = data(call);
    let state = cluster::probe(&data).map_err(|it| failed(&it))?;
    let manager = managed::recognise(call, &data, &state);
    let identity = match (session(call)?, state.directory()) {
        (Some(connection), Some(directory)) => Some(identity(&connection, directory)),
        _ => None,
    };
    let text = if call.arguments.json {
        let value = document(&data.display().to_string(), &state, manager.as_ref(), identity);
        serde_json::to_string_pretty(&value)? + "\n"
    } else {
        text(&data.display().to_string(), &state, manager.as_ref(), identity)
    };
    call.host.print(text)?;
    Ok(match (&state, identity) {
        // Another server answers than is looked at.
        (State::Running(_), Some(Identity::Other)) => 1,
        (State::Running(_) | State::SingleUser { .. }, _) => 0,
        (State::Stopped(_) | State::Stale(_), _) => 3,
        _ => 4,
    })
}

/// Whether the server that answers serves the cluster that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Identity {
    Same,
    Other,
    /// The role may not see it.
    Unknown,
}

fn identity(connection: &Connection, directory: &DataDirectory) -> Identity {
    let ask = |sql: &str| -> Option<String> {
        connection.simple(sql).ok()?.into_iter().flatten().flatten().next()
    };
    let Some(system) = ask("SELECT system_identifier FROM pg_catalog.pg_control_system()") else {
        return Identity::Unknown;
    };
    let same_system = system == directory.control.system_identifier.to_string();
    let same_place = ask("SELECT pg_catalog.current_setting('data_directory')").is_none_or(|it| {
        std::path::Path::new(&it).canonicalize().is_ok_and(|it| it == directory.path)
    });
    if same_system && same_place { Identity::Same } else { Identity::Other }
}

fn confirmed(identity: Option<Identity>) -> &'static str {
    match identity {
        None => "not asked",
        Some(Identity::Unknown) => "unknown: the role may not see it",
        Some(Identity::Same) => "yes",
        Some(Identity::Other) => "no: another cluster's server answers",
    }
}

fn document(
    data: &str,
    state: &State,
    manager: Option<&Manager>,
    identity: Option<Identity>,
) -> Value {
    let mut value =
        json!({ "data": data, "state": state.as_str(), "description": state.to_string() });
    let mut put = |name: &str, it: Value| value[name] = it;
    put("manager", manager.map(ToString::to_string).into());
    if let Some(it) = state.directory() {
        put("data", it.path.display().to_string().into());
        put("version", it.version.major_text().into());
        put("owner", it.uid.into());
        // Too big a number for some readers of JSON.
        put("system_identifier", it.control.system_identifier.to_string().into());
        put("cluster_state", it.control.state.as_str().into());
        put("timeline", it.control.timeline.into());
        put("catalogue_version", it.control.catalogue_version.into());
        put("wal_segment_size", it.control.wal_segment_size.into());
    }
    match state {
        State::Running(it) => {
            put("pid", it.pid().into());
            put("phase", it.phase.as_str().into());
            put("accepts_connections", it.phase.accepts().into());
            put("started", it.pid_file.started.into());
            put("port", it.pid_file.port.into());
            let socket = it.pid_file.socket_directory.as_ref();
            put("socket_directory", socket.map(|it| it.display().to_string()).into());
            put("listen_address", it.pid_file.listen_address.clone().into());
            let known = identity.filter(|it| *it != Identity::Unknown);
            put("confirmed_by_sql", known.map(|it| it == Identity::Same).into());
        }
        State::SingleUser { pid, .. } => put("pid", (*pid).into()),
        State::Stale(it) => {
            put("stale_reason", it.reason.as_str().into());
            put("stale_pid", it.reason.pid().into());
            put("orphans", it.orphans.clone().into());
        }
        State::NotACluster { reason } | State::HalfInitialised { reason } => {
            put("reason", reason.clone().into());
        }
        State::Missing | State::Stopped(_) => {}
    }
    value
}

fn text(
    data: &str,
    state: &State,
    manager: Option<&Manager>,
    identity: Option<Identity>,
) -> String {
    let mut rows = vec![("state", state.to_string())];
    if let Some(it) = state.directory() {
        rows.push(("version", it.version.major_text()));
        rows.push(("system identifier", it.control.system_identifier.to_string()));
        rows.push(("last state", it.control.state.as_str().to_owned()));
        rows.push(("timeline", it.control.timeline.to_string()));
    }
    if let State::Running(it) = state {
        rows.push(("listens", listens(it)));
        if identity.is_some() {
            rows.push(("this cluster", confirmed(identity).to_owned()));
        }
    }
    if let Some(manager) = manager {
        rows.push(("looked after by", manager.to_string()));
    }
    let mut text = format!("{data}\n");
    for (name, value) in rows {
        let _ = writeln!(text, "  {name:<18} {value}");
    }
    text
}

fn listens(server: &RunningServer) -> String {
    let port = server.pid_file.port.map_or_else(|| "?".to_owned(), |it| it.to_string());
    let mut places = Vec::new();
    if let Some(socket) = &server.pid_file.socket_directory {
        places.push(format!("in {}", socket.display()));
    }
    if let Some(address) = &server.pid_file.listen_address {
        places.push(format!("on {address}"));
    }
    if places.is_empty() {
        "nowhere".into()
    } else {
        format!("{} port {port}", places.join(" and "))
    }
}
