//! Which actions are meant, and in which order they run.

use hayloft_plugin_api::{Error, ErrorKind, Result, cedar};

use crate::{
    engine::{self, Planner, Reach, Step},
    setup::Setup,
};

/// What can only be run alone, in the order in which Cedar Backup looks.
const ALONE: [&str; 4] = ["rebuild", "validate", "initialize", "all"];

/// The function of all of Cedar Backup's own extensions.
const FUNCTION: &str = "executeAction";

/// Turns the words of the command line into steps. An action that is named
/// twice runs twice; those of one place in the order keep the order of the
/// command line.
///
/// # Errors
///
/// [`ErrorKind::CONFIGURATION`] for a word that is no action, for actions that
/// cannot be combined, and for an action that no plugin does.
pub(super) fn steps(
    setup: &Setup,
    words: &[String],
    reach: Reach,
    full: bool,
) -> Result<Vec<Step>> {
    let planner = Planner::new(setup, reach, full)?;
    let mode = match planner.order.mode {
        cedar::OrderMode::Index => "index",
        cedar::OrderMode::Dependency => "dependency",
    };
    tracing::info!("Action ordering will use '{mode}' order mode.");
    let order: Vec<String> = planner.order.sorted().iter().map(|it| format!("'{it}'")).collect();
    tracing::info!("Action order will be: [{}]", order.join(", "));
    let names = requested(words, |word| planner.order.position(word).is_some())?;
    planner.steps(&names, |name| action(setup, &planner.extensions, name).map(Ok))
}

/// Returns what is wrong with the actions of `<extensions>`: those that cannot
/// be run by any plugin.
pub(super) fn unusable(setup: &Setup) -> Vec<Error> {
    let reach = Reach { here: true, there: false };
    let Ok(planner) = Planner::new(setup, reach, false) else { return Vec::new() };
    let actions = planner.extensions.actions.iter();
    let names = actions.filter_map(|it| cedar::text(&it.name));
    names.filter_map(|name| action(setup, &planner.extensions, name).err()).collect()
}

/// Checks the words, and puts its four actions in the place of `all`.
fn requested(words: &[String], is_known: impl Fn(&str) -> bool) -> Result<Vec<&str>> {
    let wrong = |text: String| Err(Error::new(ErrorKind::CONFIGURATION, text));
    let unknown = words.iter().find(|word| *word != "all" && !is_known(word));
    if let Some(word) = unknown {
        return wrong(format!("Action [{word}] is not a valid action or extended action."));
    }
    let alone = ALONE.into_iter().find(|it| words.iter().any(|word| word == it));
    match alone {
        Some(alone) if words.len() > 1 => {
            wrong(format!("Action [{alone}] may not be combined with other actions."))
        }
        Some("all") => Ok(engine::ALL.to_vec()),
        _ => Ok(words.iter().map(String::as_str).collect()),
    }
}

/// The plugin's action behind a name. Here it must be there before anything is
/// run; it does not matter what else is configured.
fn action(setup: &Setup, extensions: &cedar::Extensions, name: &str) -> Result<String> {
    let listed = extensions.actions.iter().find(|it| cedar::text(&it.name) == Some(name));
    if let Some(listed) = listed.filter(|it| it.plugin.is_none() && it.plugin_name().is_ok())
        && let Some(function) = cedar::text(&listed.function)
        && function.trim_end() != FUNCTION
    {
        let module = cedar::text(&listed.module).unwrap_or_default();
        let text = format!("module '{module}' has no attribute '{function}'");
        return Err(Error::new(ErrorKind::CONFIGURATION, text)
            .hint(format!("the function of Cedar Backup's own extensions is {FUNCTION}")));
    }
    let found = engine::plugin_action(setup, extensions, name).and_then(|it| it);
    found.map_err(|error| {
        error
            .context(format!("the action [{name}] cannot be run"))
            .with_kind(ErrorKind::CONFIGURATION)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_actions_and_some_stand_alone() {
        let cases: [(&str, Result<&str, &str>); 10] = [
            ("all", Ok("collect stage store purge")),
            ("purge collect purge", Ok("purge collect purge")),
            ("validate", Ok("validate")),
            ("mine", Ok("mine")),
            ("nosuch", Err("Action [nosuch] is not a valid action or extended action.")),
            ("validate --full", Err("Action [--full] is not a valid action or extended action.")),
            ("all all", Err("Action [all] may not be combined with other actions.")),
            ("collect all", Err("Action [all] may not be combined with other actions.")),
            ("all rebuild", Err("Action [rebuild] may not be combined with other actions.")),
            ("mine validate", Err("Action [validate] may not be combined with other actions.")),
        ];
        let known = ["collect", "stage", "store", "purge", "rebuild", "validate", "mine"];
        for (words, expected) in cases {
            let words: Vec<String> = words.split(' ').map(ToOwned::to_owned).collect();
            let found = requested(&words, |word| known.contains(&word));
            let found = found.map(|it| it.join(" ")).map_err(|e| e.to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{words:?}");
        }
    }
}
