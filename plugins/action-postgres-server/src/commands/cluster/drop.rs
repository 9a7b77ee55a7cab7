//! The command `hayloft pg cluster drop`.

use std::fmt::Write as _;

use hayloft_plugin_api::{Argument, CommandSpec, Error, Result};
use hayloft_postgres::cluster::{self, Confirmation, DropPlan, State, UnfinishedDrop};

use super::{Call, Subcommand, data, dir, dry_run, failed, managed};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "drop", spec, run };

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Remove a stopped cluster with its WAL and tablespaces".to_owned(),
        long_about: "Removes a cluster whose server is down: the data directory, what its pg_wal \
                     leads to, and this cluster's part of each tablespace. Links are never \
                     followed otherwise, and no other file system is entered. Nothing is removed \
                     without --system-identifier (as `status` shows it) or --yes. What a drop of \
                     the same DIR has left because it was cut off goes too."
            .to_owned(),
        arguments: vec![
            dir(),
            Argument::option("system-identifier", "NUMBER", "The cluster must be this one"),
            Argument::flag("yes", "Whatever cluster is there is meant"),
            dry_run(),
        ],
        after_help: "Examples:\n  hayloft pg cluster drop /srv/scratch/data --dry-run\n  \
                     hayloft pg cluster drop /srv/scratch/data --system-identifier 7312345678901234567"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let data = data(call);
    let dry = call.arguments.has("dry-run");
    let confirmation = match call.arguments.get("system-identifier") {
        Some(text) => Confirmation::SystemIdentifier(text.parse().map_err(|_| {
            Error::msg(format!("`{text}` is no system identifier"))
                .hint("`hayloft pg cluster status` shows it")
        })?),
        None if dry || call.arguments.has("yes") => Confirmation::Whatever,
        None => {
            return Err(Error::msg(format!("nothing says that {} is meant", data.display()))
                .hint("give --system-identifier, or --yes; --dry-run shows what would go"));
        }
    };
    let unfinished = cluster::unfinished_drops(&data, confirmation).map_err(|it| failed(&it))?;
    for drop in &unfinished {
        if !dry {
            cluster::finish_drop(drop).map_err(|it| failed(&it))?;
        }
        call.host.print(text_of_unfinished(drop, if dry { WOULD_BE } else { REMOVED }))?;
    }
    let whole = unfinished.iter().filter_map(|it| it.plan.as_ref());
    let left = whole.map(|it| it.left.len()).sum::<usize>();
    if !unfinished.is_empty() && !std::fs::exists(&data)? {
        return Ok(if left == 0 { 0 } else { 7 });
    }
    let plan = cluster::drop_plan(&data, confirmation).map_err(|it| failed(&it))?;
    let state = State::Stopped(plan.directory.clone());
    if let Some(manager) = managed::recognise(call, &data, &state) {
        let error = Error::msg(format!("the cluster is looked after by {manager}"));
        return Err(match manager {
            cluster::Manager::Debian { version, name, .. } => error
                .hint(format!("`pg_dropcluster {version} {name}` removes its configuration too")),
            cluster::Manager::Systemd { unit } => error.hint(format!("remove {unit} first")),
        });
    }
    if !dry {
        cluster::drop_cluster(&plan).map_err(|it| failed(&it))?;
    }
    call.host.print(text(&plan, if dry { WOULD_BE } else { REMOVED }))?;
    Ok(if plan.left.len() + left == 0 { 0 } else { 7 })
}

const REMOVED: &str = "removed";
const WOULD_BE: &str = "would be removed";

fn text_of_unfinished(drop: &UnfinishedDrop, what: &str) -> String {
    match &drop.plan {
        Some(plan) => text(plan, what),
        None => format!("{what}: {}\n", drop.path.display()),
    }
}

fn text(plan: &DropPlan, what: &str) -> String {
    let mut text = format!("{what}: {}\n", plan.directory.path.display());
    for path in plan.wal.iter().chain(&plan.tablespaces) {
        let _ = writeln!(text, "{what}: {}", path.display());
    }
    for left in &plan.left {
        let _ = writeln!(text, "left alone: {left}");
    }
    text
}
