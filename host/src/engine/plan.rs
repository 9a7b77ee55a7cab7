//! Which actions run, in which order.

use std::{collections::BTreeSet, time::Duration};

use hayloft_plugin_api::{
    Diagnostic, Error, ErrorKind, Result,
    cedar::{self, Order},
};

use super::managed;
use crate::{plugins::PluginError, setup::Setup};

/// One action of a run, on this machine or on another.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its name in the configuration, as it was asked for.
    pub name: String,
    /// What is to be done.
    pub work: Work,
    /// How long it may take.
    pub limit: Option<Duration>,
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum Work {
    /// Runs the plugin's action of that name. If there is none, the error
    /// says why: then it fails, and the others run all the same.
    Here(Result<String>),
    /// Runs the action on another machine.
    There(managed::Call),
}

impl Step {
    /// Returns the name that the step is shown and remembered by: an action
    /// on another machine is `ACTION@PEER`.
    pub fn title(&self) -> String {
        match &self.work {
            Work::Here(_) => self.name.clone(),
            Work::There(call) => format!("{}@{}", call.action, call.peer),
        }
    }
}

/// Where actions are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// On this machine.
    pub here: bool,
    /// On the managed peers.
    pub there: bool,
}

/// What `all` stands for, in Cedar Backup as well.
pub(crate) const ALL: [&str; 4] = ["collect", "stage", "store", "purge"];

/// Puts the requested actions in the order of the configuration: by index, or
/// by dependencies; on this machine first, then on managed peers. An action
/// that is asked for twice runs once.
///
/// A plugin's action that no `<extensions>` entry names can be run by the
/// plugin's own name: one of the phase `collect` before `collect`, any other
/// after `purge`.
///
/// # Errors
///
/// [`ErrorKind::CONFIGURATION`] for an action that neither the configuration
/// nor a plugin has, with those that there are, if the order is impossible,
/// and if a managed peer cannot be called.
pub fn plan(setup: &Setup, requested: &[String], reach: Reach, full: bool) -> Result<Vec<Step>> {
    let planner = Planner::new(setup, reach, full)?;
    let mut names: Vec<&str> = Vec::new();
    for name in requested {
        match name.as_str() {
            "all" => names.extend(ALL),
            name => names.push(name),
        }
    }
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    planner.steps(&names, |name| plugin_action(setup, &planner.extensions, name))
}

/// What it takes to turn names into steps.
#[derive(Debug)]
pub(crate) struct Planner<'a> {
    setup: &'a Setup,
    pub(crate) extensions: cedar::Extensions,
    pub(crate) order: Order,
    reach: Reach,
    peers: Vec<cedar::ManagedPeer>,
    manner: managed::Manner,
    limit: Option<Duration>,
}

impl<'a> Planner<'a> {
    /// Reads the part of the configuration that is about actions.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`] if the order is impossible.
    pub(crate) fn new(setup: &'a Setup, reach: Reach, full: bool) -> Result<Self> {
        let extensions: cedar::Extensions = match setup.root().child("extensions") {
            Some(node) => hayloft_plugin_api::decode(node)?,
            None => cedar::Extensions::default(),
        };
        let order = Order::new(Some(&extensions)).map_err(|error| {
            let diagnostic = Diagnostic::error(error.position(), "extensions", error.to_string());
            Error::configuration(vec![diagnostic])
        })?;
        let peers = if reach.there { managed::peers(setup) } else { Vec::new() };
        let root = rustix::process::geteuid().is_root();
        let manner = managed::Manner { root, full };
        let limit = setup.action_limit()?;
        Ok(Self { setup, extensions, order, reach, peers, manner, limit })
    }

    /// Makes steps of the names, in their order of the configuration, each
    /// here first and then on the peers that have it in their list.
    ///
    /// # Errors
    ///
    /// Those of `plugin_action`, and if a managed peer cannot be called.
    pub(crate) fn steps(
        &self,
        names: &[&str],
        plugin_action: impl Fn(&str) -> Result<Result<String>>,
    ) -> Result<Vec<Step>> {
        let mut steps: Vec<(i64, Step)> = Vec::new();
        for name in names {
            let place = self.order.position(name).unwrap_or_else(|| unlisted(self.setup, name));
            let mut add = |work| {
                let step = Step { name: (*name).to_owned(), work, limit: self.limit };
                steps.push((place, step));
            };
            if self.reach.here {
                add(Work::Here(plugin_action(name)?));
            }
            for call in managed::calls(&self.peers, name, self.manner)? {
                add(Work::There(call));
            }
        }
        steps.sort_by_key(|(place, _)| *place);
        Ok(steps.into_iter().map(|(_, step)| step).collect())
    }
}

/// The plugin's action behind a name. The outer error is for a name that
/// nobody knows, a mistake on the command line; the inner one for an action
/// that is known but cannot be had.
pub(crate) fn plugin_action(
    setup: &Setup,
    extensions: &cedar::Extensions,
    name: &str,
) -> Result<Result<String>> {
    let listed = extensions.actions.iter().find(|it| cedar::text(&it.name) == Some(name));
    let action = match listed.map(cedar::ExtendedAction::plugin_name) {
        None => name,
        Some(Ok(action)) => action,
        Some(Err(module)) => {
            let text = format!(
                "the action `{name}` is the Python module `{module}`, which this program cannot run"
            );
            return Ok(Err(Error::new(ErrorKind::UNSUPPORTED, text).hint(
                "name a plugin that does the same, with <plugin> instead of <module> and <function>",
            )));
        }
    };
    match setup.registry().find("action", action) {
        Ok(_) => Ok(Ok(action.to_owned())),
        Err(error @ PluginError::Unknown { .. }) if listed.is_none() => {
            Err(error.into_error().with_kind(ErrorKind::CONFIGURATION))
        }
        Err(error) => Ok(Err(error.into_error())),
    }
}

fn unlisted(setup: &Setup, action: &str) -> i64 {
    match setup.registry().phase(action) {
        // Just before Cedar Backup's place for `collect`, as its manual advises.
        Some("collect") => 99,
        _ => i64::MAX,
    }
}
