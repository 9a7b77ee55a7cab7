//! The `<extensions>` section.

use super::{
    Cause, Located, Place, Text, python,
    reader::{Findings, Reader},
    section::{Context, Section},
    text,
};

/// Which actions there are besides the built-in ones, and how all of them
/// are put in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extensions {
    /// `index` or `dependency`; absent is `index`.
    pub order_mode: Text,
    /// The actions.
    pub actions: Vec<ExtendedAction>,
    /// Where the section is.
    pub place: Place,
}

/// An action that a plugin does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtendedAction {
    /// The name it is called by on the command line.
    pub name: Text,
    /// The Python module; stands for a plugin of ours.
    pub module: Text,
    /// The Python function.
    pub function: Text,
    /// Ours: the name of the action that a plugin offers, instead of module
    /// and function.
    pub plugin: Text,
    /// Its place in the order, in index mode.
    pub index: Option<Located<i64>>,
    /// Its place in the order, in dependency mode.
    pub depends: Option<Depends>,
    /// Where the action is.
    pub place: Place,
}

/// What an action must come before and after.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Depends {
    /// Actions that come later.
    pub before: Option<Located<Vec<String>>>,
    /// Actions that come earlier.
    pub after: Option<Located<Vec<String>>>,
}

impl Extensions {
    /// Tells whether the order is by dependencies.
    pub fn by_dependency(&self) -> bool {
        text(&self.order_mode) == Some("dependency")
    }
}

impl ExtendedAction {
    /// Returns the name of the plugin's action that does it: `<plugin>`, or
    /// the last part of one of Cedar Backup's own modules.
    ///
    /// # Errors
    ///
    /// The module's name, if it is somebody else's.
    pub fn plugin_name(&self) -> Result<&str, &str> {
        if let Some(plugin) = text(&self.plugin) {
            return Ok(plugin);
        }
        let module = text(&self.module).unwrap_or_default();
        let name = module.strip_suffix('\n').unwrap_or(module);
        let known = ["CedarBackup3.extend.", "CedarBackup2.extend."];
        known
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix))
            .filter(|it| !it.contains('.'))
            .ok_or(module)
    }
}

impl Section for Extensions {
    const NAME: &'static str = "extensions";

    fn read(reader: &Reader<'_>) -> Self {
        let modes = ["index", "dependency"];
        Self {
            order_mode: reader.one_of("order_mode", Cause::OrderMode, &modes),
            actions: reader.all("action").map(|it| action(&it)).collect(),
            place: reader.place(),
        }
    }

    fn validate(&self, findings: &Findings<'_>, _: &Context<'_>) {
        for action in &self.actions {
            let missing = |cause| findings.missing(cause, &action.place);
            if action.name.is_none() {
                missing(Cause::ActionNameMissing);
            }
            if action.plugin.is_none() {
                if action.module.is_none() {
                    missing(Cause::ActionModuleMissing);
                }
                if action.function.is_none() {
                    missing(Cause::ActionFunctionMissing);
                }
            }
            if self.by_dependency() && action.depends.is_none() {
                missing(Cause::ActionDependsMissing);
            } else if !self.by_dependency() && action.index.is_none() {
                missing(Cause::ActionIndexMissing);
            }
        }
        let names = self.actions.iter().map(|it| (&it.name, &it.place));
        duplicates(findings, Cause::DuplicateActions, names);
    }
}

fn action(reader: &Reader<'_>) -> ExtendedAction {
    ExtendedAction {
        name: reader.action_name("name"),
        module: reader.tested("module", Cause::BadModule, python::is_module),
        function: reader.tested("function", Cause::BadFunction, python::is_identifier),
        plugin: reader.tested("plugin", Cause::BadPlugin, is_plugin_name),
        index: reader.integer("index", Some((0, Cause::IndexNegative))),
        depends: reader.first("depends").map(|it| Depends {
            before: it.action_list("run_before"),
            after: it.action_list("run_after"),
        }),
        place: reader.place(),
    }
}

fn is_plugin_name(name: &str) -> bool {
    name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'_')
}

/// Reports every surplus occurrence of a name, where it stands. Cedar Backup
/// names them in alphabetical order, in one message.
pub(super) fn duplicates<'a>(
    findings: &Findings<'_>,
    cause: Cause,
    names: impl Iterator<Item = (&'a Text, &'a Place)>,
) {
    let mut seen = Vec::new();
    for (name, place) in names {
        let Some(name) = name else { continue };
        if seen.contains(&name.as_str()) {
            findings.invalid(cause, name, name.position, &format!("{}/name", place.path));
        }
        seen.push(name.as_str());
    }
}
