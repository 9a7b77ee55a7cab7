//! The command `hayloft pg cluster promote`.

use hayloft_plugin_api::{CommandSpec, Result};
use hayloft_postgres::cluster::{self, Manager, ManagerAction};

use super::{Call, Subcommand, data, dir, direct, dry_run, failed, managed, patiently, timeout};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "promote", spec, run };

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Make a primary of a standby, and wait until it is one".to_owned(),
        long_about: "Promotes the standby of a data directory and waits until it writes. If that \
                     does not happen in time, the request is taken back as far as possible."
            .to_owned(),
        arguments: vec![dir(), timeout(), direct(), dry_run()],
        after_help: "Examples:\n  hayloft pg cluster promote /srv/standby/data --timeout 300"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let data = data(call);
    let state = cluster::probe(&data).map_err(|it| failed(&it))?;
    let manager = managed::manager(call, &data, &state);
    if call.arguments.has("dry-run") {
        let server = state.into_running(&data).map_err(|it| failed(&it))?;
        let is = server.directory.control.state.as_str();
        call.host.print(format!("would promote process {}, which is {is}\n", server.pid()))?;
        return Ok(0);
    }
    // systemd has no word for it, and does not mind.
    let manager = manager.filter(|it| matches!(it, Manager::Debian { .. }));
    let by_manager =
        manager.map(|manager| move || managed::tell(call, &manager, ManagerAction::Promote));
    let promoted = patiently(call, |it| match &by_manager {
        Some(tell) => cluster::promote(&data, Some(tell), it),
        None => cluster::promote(&data, None, it),
    })?;
    let text = if call.arguments.json {
        serde_json::to_string_pretty(&serde_json::json!({
            "pid": promoted.pid,
            "from_timeline": promoted.from_timeline,
            "timeline": promoted.timeline,
        }))? + "\n"
    } else {
        format!("promoted: {}, process {}\n", data.display(), promoted.pid)
    };
    call.host.print(text)?;
    Ok(0)
}
