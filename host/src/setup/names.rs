//! What the configuration gives names to.

use std::{fmt, path::PathBuf};

use abi_stable::std_types::RVec;
use hayloft_plugin_api::{Event, Node, Position};

/// What the host itself reads of a hook.
const OURS: [&str; 5] = ["on", "type", "action", "retry", "name"];

/// Something configured: a storage, a compressor, an encryptor or a hook.
#[derive(Debug, Clone)]
pub struct Named {
    /// The name that the configuration gives it.
    pub name: String,
    /// The plugin's own name for what it is, from `<type>`.
    pub plugin: String,
    /// Its element, without what the host itself reads.
    pub node: Node,
    /// Where the type stands, or the element that has none.
    pub type_position: Position,
}

impl Named {
    fn new(name: String, plugin: String, node: &Node, host_reads: &[&str]) -> Self {
        let place = node.child("type").or_else(|| node.child("name")).unwrap_or(node);
        let type_position = place.text_position;
        Self { name, plugin, node: without(node, host_reads), type_position }
    }
}

/// A hook with the events it listens to.
#[derive(Debug, Clone)]
pub struct HookEntry {
    /// The hook.
    pub named: Named,
    /// Whether it may ask to be called again.
    pub retry: bool,
    /// Where it stands in the file.
    pub position: Position,
}

impl fmt::Display for HookEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (line {})", self.named.plugin, self.position.line)
    }
}

/// Returns everything of a list such as `<storages><storage>…`. What has no
/// type is of the type of its name.
pub(super) fn all(
    root: &Node,
    section: &str,
    element: &str,
) -> impl Iterator<Item = Named> + use<> {
    let list: Vec<Node> = root
        .child(section)
        .into_iter()
        .flat_map(|it| it.children_named(element))
        .cloned()
        .collect();
    list.into_iter().filter_map(|node| {
        let name = text(&node, "name")?;
        let plugin = text(&node, "type").unwrap_or_else(|| name.clone());
        Some(Named::new(name, plugin, &node, &["name", "type"]))
    })
}

/// Returns the hooks for an event: those of `<hooks>`, then Cedar Backup's.
pub(super) fn hooks(root: &Node, event: &Event) -> Vec<HookEntry> {
    let action = event.fields.get("action").map(String::as_str);
    let listens = |node: &Node| {
        let on = node.children_named("on").any(|it| it.text.trim() == event.name);
        let mut actions = node.children_named("action").peekable();
        let any = actions.peek().is_none();
        on && (any || actions.any(|it| Some(it.text.trim()) == action))
    };
    let hooks = root.child("hooks").into_iter().flat_map(|it| it.children_named("hook"));
    let mut found: Vec<HookEntry> = hooks
        .filter(|node| listens(node))
        .map(|node| {
            let plugin = text(node, "type").unwrap_or_else(|| "script".to_owned());
            let retry = text(node, "retry").is_some_and(|it| yes(&it));
            let named = Named::new(plugin.clone(), plugin, node, &OURS);
            HookEntry { named, retry, position: node.position }
        })
        .collect();
    found.extend(cedar_hooks(root, event, action));
    found
}

/// Returns every hook of `<hooks>`, whatever it listens to.
pub(super) fn all_hooks(root: &Node) -> impl Iterator<Item = Named> {
    let hooks = root.child("hooks").into_iter().flat_map(|it| it.children_named("hook"));
    hooks.map(|node| {
        let plugin = text(node, "type").unwrap_or_else(|| "script".to_owned());
        Named::new(plugin.clone(), plugin, node, &OURS)
    })
}

/// Cedar Backup runs a `post_action_hook` only after an action that succeeded.
/// They come last one first, since hooks behind something are called in
/// reverse order, and Cedar Backup calls them in the order of the file.
fn cedar_hooks(root: &Node, event: &Event, action: Option<&str>) -> Vec<HookEntry> {
    let element = match event.name.as_str() {
        "pre_action" => "pre_action_hook",
        "post_action" if event.fields.get("status").is_some_and(|it| it != "failed") => {
            "post_action_hook"
        }
        _ => return Vec::new(),
    };
    let hooks = root.child("options").into_iter().flat_map(|it| it.children_named(element));
    let mut hooks: Vec<HookEntry> = hooks
        .filter(|node| {
            node.child("action").is_some_and(|it| Some(it.first_text.as_str()) == action)
        })
        .map(|node| HookEntry {
            named: Named::new("script".to_owned(), "script".to_owned(), node, &["action"]),
            retry: false,
            position: node.position,
        })
        .collect();
    if event.name == "post_action" {
        hooks.reverse();
    }
    hooks
}

/// Returns the path of the last override of a command, as Cedar Backup does.
pub(super) fn program_override(root: &Node, name: &str) -> Option<PathBuf> {
    let overrides: Vec<&Node> = root.child("options")?.children_named("override").collect();
    overrides.into_iter().rev().find_map(|node| {
        let command = node.child("command")?;
        let path = node.child("abs_path")?;
        (command.first_text == name).then(|| PathBuf::from(path.first_text.as_str()))
    })
}

/// Reads a yes-or-no value.
pub(crate) fn yes(text: &str) -> bool {
    matches!(text, "Y" | "y" | "yes" | "true" | "1" | "on")
}

fn text(node: &Node, child: &str) -> Option<String> {
    let text = node.child(child)?.text.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

fn without(node: &Node, names: &[&str]) -> Node {
    let keep = |child: &&Node| !names.contains(&child.name.as_str());
    let children: RVec<Node> = node.children.iter().filter(keep).cloned().collect();
    Node { children, ..node.clone() }
}
