//! Clusters that `pg_ctlcluster` or systemd look after.

use std::path::{Path, PathBuf};

use hayloft_plugin_api::{Error, Result};
use hayloft_postgres::cluster::{
    self, DEBIAN_ROOT, Manager, ManagerAction, State, debian_cluster, systemd_show, systemd_unit,
};

use super::{Call, seconds};

/// What postgresql-common itself looks at to find its configuration elsewhere.
const DEBIAN_VARIABLE: &str = "PG_CLUSTER_CONF_ROOT";

/// Finds who looks after a cluster; nobody if `--direct` was given.
pub(super) fn manager(call: &Call<'_>, data: &Path, state: &State) -> Option<Manager> {
    if call.arguments.has("direct") {
        return None;
    }
    recognise(call, data, state)
}

/// Finds who looks after a cluster.
pub(super) fn recognise(call: &Call<'_>, data: &Path, state: &State) -> Option<Manager> {
    let root = std::env::var_os(DEBIAN_VARIABLE).map_or_else(|| DEBIAN_ROOT.into(), PathBuf::from);
    if let Some(found) = debian_cluster(&root, data) {
        return Some(found);
    }
    let server = match state {
        State::Running(server) => Some(&**server),
        _ => None,
    };
    // Where there is no systemd, it says nothing.
    let shown = call.host.process("systemctl").args(systemd_show(server)).output().ok()?;
    let data = data.canonicalize().ok()?;
    systemd_unit(&String::from_utf8_lossy(&shown), &data, server)
}

/// Lets the manager do something; tells whether it has.
///
/// # Errors
///
/// What the manager said; or that it cannot do that, and would mind if we did.
pub(super) fn ask(call: &Call<'_>, manager: &Manager, action: ManagerAction) -> Result<bool> {
    let command = manager.command(action).map_err(|why| {
        Error::msg(format!("the cluster is looked after by {manager}: {why}"))
            .hint("do it with --direct; the manager will take the server for crashed")
    })?;
    let Some(words) = command else { return Ok(false) };
    let (program, arguments) = words.split_first().ok_or_else(|| Error::msg("no command"))?;
    // Their own waiting ends first.
    let limit = seconds(call)? + std::time::Duration::from_secs(5);
    call.host.process(program).args(arguments.iter().cloned()).timeout(limit).run()?;
    Ok(true)
}

/// As [`ask`], for a library that wants its own error.
pub(super) fn tell(
    call: &Call<'_>,
    manager: &Manager,
    action: ManagerAction,
) -> std::result::Result<(), cluster::ClusterError> {
    match ask(call, manager, action) {
        Ok(_) => Ok(()),
        Err(error) => Err(cluster::ClusterError::Program {
            program: manager.to_string(),
            message: error.to_string(),
        }),
    }
}

/// The command line that `--dry-run` shows.
pub(super) fn words(manager: &Manager, action: ManagerAction) -> String {
    match manager.command(action) {
        Ok(Some(words)) => format!("would run `{}`\n", words.join(" ")),
        Ok(None) => String::new(),
        Err(why) => format!("cannot: {why}\n"),
    }
}
