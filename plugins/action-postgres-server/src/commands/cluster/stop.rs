//! The command `hayloft pg cluster stop`.

use hayloft_plugin_api::{Argument, CommandSpec, Result};
use hayloft_postgres::cluster::{self, ManagerAction, StopMode, StopOptions};

use super::{
    Call, Subcommand, data, dir, direct, dry_run, failed, managed, mode, patiently, stop_mode,
    timeout,
};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "stop", spec, run };

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Stop a cluster's server and wait for its end".to_owned(),
        long_about: "Stops the server of a data directory. The signal goes to the very process \
                     that was found to be the server, never to one that merely has the number in \
                     postmaster.pid. With --escalate, a server that does not end in time is asked \
                     the next stronger way, up to immediate; each has the whole time."
            .to_owned(),
        arguments: vec![
            dir(),
            mode(),
            Argument::flag("escalate", "Ask more strongly if the time runs out, up to immediate"),
            timeout(),
            Argument::flag("no-wait", "Do not wait for the end"),
            direct(),
            dry_run(),
        ],
        after_help: "Examples:\n  hayloft pg cluster stop /srv/postgres/data\n  \
                     hayloft pg cluster stop /srv/postgres/data --mode smart --escalate --timeout 30"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let data = data(call);
    let options = StopOptions {
        mode: stop_mode(call),
        up_to: call.arguments.has("escalate").then_some(StopMode::Immediate),
        no_wait: call.arguments.has("no-wait"),
    };
    let state = cluster::probe(&data).map_err(|it| failed(&it))?;
    let manager = managed::manager(call, &data, &state);
    let server = state.into_running(&data).map_err(|it| failed(&it))?;
    if call.arguments.has("dry-run") {
        let text = match &manager {
            Some(manager) => managed::words(manager, ManagerAction::Stop(options.mode)),
            None => format!(
                "would stop process {}, the server of {} ({})\n",
                server.pid(),
                data.display(),
                options.mode.as_str()
            ),
        };
        call.host.print(text)?;
        return Ok(0);
    }
    let pid = server.pid();
    let mut how = options.mode.as_str().to_owned();
    if let Some(manager) = manager {
        managed::ask(call, &manager, ManagerAction::Stop(options.mode))?;
        how = format!("{how}, by {manager}");
        if !options.no_wait {
            patiently(call, |it| cluster::await_end(&server, it))?;
        }
    } else {
        let stopped = patiently(call, |it| cluster::stop_server(&server, &options, it))?;
        stopped.mode.as_str().clone_into(&mut how);
    }
    let state = server.directory.control_now().ok().map(|it| it.state.as_str());
    let text = if call.arguments.json {
        serde_json::to_string_pretty(&serde_json::json!({
            "data": server.directory.path.display().to_string(),
            "pid": pid,
            "mode": how,
            "waited": !options.no_wait,
            "cluster_state": state,
        }))? + "\n"
    } else if options.no_wait {
        format!("process {pid} was told to stop ({how})\n")
    } else {
        format!("stopped: {} ({how}), {}\n", data.display(), state.unwrap_or("state unknown"))
    };
    call.host.print(text)?;
    Ok(0)
}
