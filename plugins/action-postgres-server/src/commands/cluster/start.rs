//! The commands `hayloft pg cluster start` and `restart`.

use std::path::{Path, PathBuf};

use hayloft_plugin_api::{Argument, CommandSpec, Error, Result};
use hayloft_postgres::cluster::{
    self, Manager, ManagerAction, RunningServer, StartOptions, State, StopOptions,
};

use super::{
    Call, Subcommand, bin_dir, condition, data, dir, direct, dry_run, failed, managed, mode,
    patiently, stop_mode, timeout, wait_for,
};

/// `start`.
pub(super) const START: Subcommand = Subcommand { name: "start", spec: start_spec, run: start };
/// `restart`.
pub(super) const RESTART: Subcommand =
    Subcommand { name: "restart", spec: restart_spec, run: restart };

fn arguments() -> Vec<Argument> {
    vec![
        dir(),
        wait_for(),
        timeout(),
        Argument::option(
            "server-log",
            "FILE",
            "Where the server writes; DIR/server.log if not given",
        ),
        Argument::option("set", "NAME=VALUE", "A setting for this start only").multiple(),
        bin_dir(),
        direct(),
        dry_run(),
    ]
}

fn start_spec() -> CommandSpec {
    CommandSpec {
        about: "Start a cluster's server and wait until it can be used".to_owned(),
        long_about: "Starts the server of a data directory, as its owner, and waits until it can \
                     be used. If it ends instead, the error is the reason that it gave. A stale \
                     postmaster.pid is no hindrance. A cluster that pg_ctlcluster or systemd look \
                     after is started by them. If the time runs out, the server goes on starting."
            .to_owned(),
        arguments: arguments(),
        after_help: "Examples:\n  hayloft pg cluster start /srv/postgres/data\n  \
                     hayloft pg cluster start /srv/restored --wait-for read-write --timeout 3600\n  \
                     hayloft pg cluster start /srv/copy --set port=5433 --server-log /tmp/copy.log"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn restart_spec() -> CommandSpec {
    let mut arguments = arguments();
    arguments.insert(1, mode());
    CommandSpec {
        about: "Stop a cluster's server and start it as it was started".to_owned(),
        long_about: "Stops the server, if it runs, and starts it with the arguments and the log \
                     that it had. Clusters under pg_ctlcluster or systemd are restarted by them."
            .to_owned(),
        arguments,
        after_help: "Examples:\n  hayloft pg cluster restart /srv/postgres/data\n  \
                     hayloft pg cluster restart /srv/postgres/data --mode smart --timeout 600"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn options(call: &Call<'_>) -> Result<StartOptions> {
    let path = |name| call.arguments.get(name).map(PathBuf::from);
    let mut arguments = Vec::new();
    for setting in call.arguments.all("set") {
        if setting.split_once('=').is_none_or(|(name, _)| name.trim().is_empty()) {
            return Err(
                Error::msg(format!("`{setting}` is no setting")).hint("write it as NAME=VALUE")
            );
        }
        arguments.extend(["-c".into(), setting.into()]);
    }
    Ok(StartOptions {
        programs: path("bin-dir"),
        log: path("server-log"),
        arguments,
        condition: condition(call),
        without_network: false,
    })
}

fn start(call: &Call<'_>) -> Result<u8> {
    let (data, options) = (data(call), options(call)?);
    let state = cluster::probe(&data).map_err(|it| failed(&it))?;
    let manager = managed::manager(call, &data, &state);
    if call.arguments.has("dry-run") {
        return tell_plan(call, &data, state, manager.as_ref());
    }
    let Some(manager) = manager else {
        let started = patiently(call, |it| cluster::start(&data, &options, it))?;
        return done(call, "started", &started.server);
    };
    refuse_options(&manager, &options)?;
    if let State::Running(it) = state {
        return Err(failed(&cluster::ClusterError::AlreadyRunning { data, pid: it.pid() }));
    }
    managed::ask(call, &manager, ManagerAction::Start)?;
    let server = patiently(call, |it| cluster::await_condition(&data, options.condition, it))?;
    done(call, &format!("started by {manager}"), &server)
}

fn tell_plan(call: &Call<'_>, data: &Path, state: State, manager: Option<&Manager>) -> Result<u8> {
    match state {
        State::Stopped(_) | State::Stale(_) => {}
        State::Running(it) => {
            let data = data.to_owned();
            return Err(failed(&cluster::ClusterError::AlreadyRunning { data, pid: it.pid() }));
        }
        other => other.into_running(data).map(|_| ()).map_err(|it| failed(&it))?,
    }
    let text = match manager {
        Some(manager) => managed::words(manager, ManagerAction::Start),
        None => format!("would start the server of {}\n", data.display()),
    };
    call.host.print(text)?;
    Ok(0)
}

/// What a manager would not pass on.
fn refuse_options(manager: &Manager, options: &StartOptions) -> Result<()> {
    if options.arguments.is_empty() && options.log.is_none() && options.programs.is_none() {
        return Ok(());
    }
    Err(Error::msg(format!(
        "the cluster is looked after by {manager}, which takes no settings, log or programs"
    ))
    .hint("put settings into its configuration"))
}

fn restart(call: &Call<'_>) -> Result<u8> {
    let (data, options) = (data(call), options(call)?);
    let state = cluster::probe(&data).map_err(|it| failed(&it))?;
    let manager = managed::manager(call, &data, &state);
    let stop = StopOptions { mode: stop_mode(call), ..StopOptions::default() };
    if call.arguments.has("dry-run") {
        let text = match &manager {
            Some(manager) => managed::words(manager, ManagerAction::Restart(stop.mode)),
            None => format!("would restart the server of {}\n", data.display()),
        };
        call.host.print(text)?;
        return Ok(0);
    }
    let Some(manager) = manager else {
        let (_, started) = patiently(call, |it| cluster::restart(&data, &stop, &options, it))?;
        return done(call, "restarted", &started.server);
    };
    refuse_options(&manager, &options)?;
    managed::ask(call, &manager, ManagerAction::Restart(stop.mode))?;
    let server = patiently(call, |it| cluster::await_condition(&data, options.condition, it))?;
    done(call, &format!("restarted by {manager}"), &server)
}

fn done(call: &Call<'_>, what: &str, server: &RunningServer) -> Result<u8> {
    let data = server.directory.path.display();
    let text = if call.arguments.json {
        serde_json::to_string_pretty(&serde_json::json!({
            "data": data.to_string(),
            "pid": server.pid(),
            "phase": server.phase.as_str(),
        }))? + "\n"
    } else {
        format!("{what}: {data}, process {}, {}\n", server.pid(), server.phase)
    };
    call.host.print(text)?;
    Ok(0)
}
