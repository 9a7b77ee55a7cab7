//! Which actions run, in which order.

use std::time::Duration;

use hayloft_plugin_api::{
    Diagnostic, Error, ErrorKind, Result,
    cedar::{self, Order},
};

use crate::{plugins::PluginError, setup::Setup};

/// One action of a run.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its name in the configuration, as it was asked for.
    pub name: String,
    /// The plugin's own name for it, or why there is none: then it fails, and
    /// the others run all the same.
    pub plugin_action: Result<String>,
    /// How long it may take.
    pub limit: Option<Duration>,
}

/// What `all` stands for, in Cedar Backup as well.
const ALL: [&str; 4] = ["collect", "stage", "store", "purge"];

/// Puts the requested actions in the order of the configuration: by index, or
/// by dependencies. An action that is asked for twice runs once.
///
/// A plugin's action that no `<extensions>` entry names can be run by the
/// plugin's own name: one of the phase `collect` before `collect`, any other
/// after `purge`.
///
/// # Errors
///
/// [`ErrorKind::CONFIGURATION`] for an action that neither the configuration
/// nor a plugin has, with those that there are, and if the order is impossible.
pub fn plan(setup: &Setup, requested: &[String]) -> Result<Vec<Step>> {
    let extensions: cedar::Extensions = match setup.root().child("extensions") {
        Some(node) => hayloft_plugin_api::decode(node)?,
        None => cedar::Extensions::default(),
    };
    let order = Order::new(Some(&extensions)).map_err(|error| {
        let diagnostic = Diagnostic::error(error.position(), "extensions", error.to_string());
        Error::configuration(vec![diagnostic])
    })?;
    let limit = setup.action_limit()?;
    let mut names: Vec<&str> = Vec::new();
    for name in requested {
        match name.as_str() {
            "all" => names.extend(ALL),
            name => names.push(name),
        }
    }
    let mut steps: Vec<(i64, Step)> = Vec::new();
    for name in names {
        if steps.iter().any(|(_, step)| step.name == name) {
            continue;
        }
        let plugin_action = plugin_action(setup, &extensions, name)?;
        let place = order.indices.get(name).copied().unwrap_or_else(|| unlisted(setup, name));
        steps.push((place, Step { name: name.to_owned(), plugin_action, limit }));
    }
    steps.sort_by_key(|(place, _)| *place);
    Ok(steps.into_iter().map(|(_, step)| step).collect())
}

/// The plugin's action behind a name. The outer error is for a name that
/// nobody knows, a mistake on the command line; the inner one for an action
/// that is known but cannot be had.
fn plugin_action(
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
