//! The command `hayloft pg cluster reload`.

use std::{fmt::Write as _, path::Path};

use hayloft_plugin_api::{CommandSpec, Result};
use hayloft_postgres::{
    cluster::{self, ManagerAction, Proof, ReloadOptions, Reloaded, State},
    connection::Connection,
};
use serde_json::Value;

use super::{
    Call, Subcommand, conninfo, data, dir, direct, dry_run, failed, managed, patiently, session,
    timeout,
};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "reload", spec, run };

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Let a server read its configuration again, and show what came of it".to_owned(),
        long_about: "Reads the configuration as the server would, and does nothing if it has a \
                     mistake for which the server would take nothing of it. Then lets the server \
                     read it, and shows what was applied, what was refused and what waits for a \
                     restart: by SQL with --conninfo, or else by the server's log. The exit code \
                     is 7 if something was refused, waits for a restart, or could not be verified."
            .to_owned(),
        arguments: vec![dir(), conninfo(), timeout(), direct(), dry_run()],
        after_help: "Examples:\n  hayloft pg cluster reload /srv/postgres/data\n  \
                     hayloft pg cluster reload /srv/postgres/data --conninfo 'host=/run/postgresql'"
            .to_owned(),
        ..CommandSpec::default()
    }
}

/// What a reload after an edit came to.
#[derive(Debug)]
pub(in crate::commands) struct AfterEdit {
    /// Whether a server was told.
    pub(in crate::commands) told: bool,
    /// Whether everything was taken.
    pub(in crate::commands) good: bool,
    /// For people.
    pub(in crate::commands) text: String,
    /// For programs.
    pub(in crate::commands) json: Value,
}

/// Lets the server of a directory read its files, if one runs.
pub(in crate::commands) fn after_edit(
    call: &Call<'_>,
    data: &Path,
    session: Option<&Connection>,
) -> Result<AfterEdit> {
    let state = cluster::probe(data).map_err(|it| failed(&it))?;
    if matches!(state, State::Stopped(_)) {
        let text = "not reloaded: the server does not run\n".to_owned();
        return Ok(AfterEdit { told: false, good: true, text, json: Value::Null });
    }
    let reloaded = told(call, data, &state, session)
        .map_err(|it| it.context("the file was changed, and the server was not reloaded"))?;
    Ok(AfterEdit {
        told: true,
        good: is_good(&reloaded),
        text: text(&reloaded),
        json: document(&reloaded),
    })
}

fn is_good(reloaded: &Reloaded) -> bool {
    reloaded.refused.is_empty()
        && reloaded.pending_restart.is_empty()
        && reloaded.proof != Proof::Files
}

/// Lets the server read its files, by whoever looks after it.
fn told(
    call: &Call<'_>,
    data: &Path,
    state: &State,
    session: Option<&Connection>,
) -> Result<Reloaded> {
    let by_manager = managed::manager(call, data, state)
        .map(|manager| move || managed::tell(call, &manager, ManagerAction::Reload));
    let mut options = ReloadOptions { connection: session, tell: None };
    if let Some(tell) = &by_manager {
        options.tell = Some(tell);
    }
    patiently(call, |it| cluster::reload(data, &options, it))
}

fn run(call: &Call<'_>) -> Result<u8> {
    let data = data(call);
    let state = cluster::probe(&data).map_err(|it| failed(&it))?;
    if call.arguments.has("dry-run") {
        let server = state.into_running(&data).map_err(|it| failed(&it))?;
        let remarks = cluster::reload_check(&server).map_err(|it| failed(&it))?;
        let mut text = format!("would let process {} read its configuration\n", server.pid());
        for remark in &remarks {
            let _ = writeln!(text, "would be refused: {remark}");
        }
        call.host.print(text)?;
        return Ok(if remarks.is_empty() { 0 } else { 7 });
    }
    let connection = session(call)?;
    let reloaded = told(call, &data, &state, connection.as_ref())?;
    let text = if call.arguments.json {
        serde_json::to_string_pretty(&document(&reloaded))? + "\n"
    } else {
        text(&reloaded)
    };
    call.host.print(text)?;
    Ok(if is_good(&reloaded) { 0 } else { 7 })
}

fn proof(proof: Proof) -> &'static str {
    match proof {
        Proof::Sql => "sql",
        Proof::Log => "log",
        Proof::Files => "files",
    }
}

fn document(reloaded: &Reloaded) -> Value {
    let applied: serde_json::Map<_, _> =
        reloaded.applied.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    serde_json::json!({
        "pid": reloaded.pid,
        "verified_by": proof(reloaded.proof),
        "applied": applied,
        "refused": reloaded.refused,
        "pending_restart": reloaded.pending_restart,
    })
}

fn text(reloaded: &Reloaded) -> String {
    let mut text = String::new();
    for (name, value) in &reloaded.applied {
        let _ = writeln!(text, "applied: {name} = {value}");
    }
    for refused in &reloaded.refused {
        let _ = writeln!(text, "refused: {refused}");
    }
    for name in &reloaded.pending_restart {
        let _ = writeln!(text, "needs a restart: {name}");
    }
    text.push_str(match reloaded.proof {
        Proof::Sql => "reloaded, as the server says\n",
        Proof::Log => "reloaded, as the server's log says\n",
        Proof::Files => {
            "told to reload; nothing shows what the server made of it (try --conninfo)\n"
        }
    });
    text
}
