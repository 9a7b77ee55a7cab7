//! Everything that is wrong with the sections that the host itself knows.

use std::collections::HashMap;

use hayloft_plugin_api::{
    Diagnostic, Node,
    cedar::{self, Names},
    config::nearest,
};

use super::{Document, ROOT, schema};

/// Checks the standard sections, and the host's own, with any name of a
/// compressor or encryptor allowed; see [`check_with`].
pub fn check(document: &Document, claims: &[String]) -> Vec<Diagnostic> {
    check_with(document, claims, &Names::any())
}

/// Checks the standard sections, and the host's own. `claims` are the
/// sections that plugins read: they check those themselves. `names` are the
/// compressors and encryptors that there are.
///
/// Everything that is wrong is returned, in the order of the file.
pub fn check_with(document: &Document, claims: &[String], names: &Names) -> Vec<Diagnostic> {
    let root = &document.root;
    if root.name != ROOT {
        let message = format!("the root element is <{}>, not <{ROOT}>", root.name);
        return vec![Diagnostic::error(root.position, root.name.as_str(), message)];
    }
    let (sections, problems) = cedar::read(root, names);
    let mut found: Vec<Diagnostic> = problems.into_iter().map(Diagnostic::from).collect();
    order(&sections, &mut found);
    actions(&sections, &mut found);
    archives(&sections, &mut found);
    lists(root, &sections, &mut found);
    hooks(root, &mut found);
    plugins(root, &mut found);
    unknown(root, claims, &mut found);
    repeated(root, &mut found);
    found.sort_by_key(|it| it.position);
    found.dedup();
    found
}

fn order(sections: &cedar::Document, found: &mut Vec<Diagnostic>) {
    if let Err(error) = cedar::Order::new(sections.extensions.as_ref()) {
        let path = "extensions/action/depends";
        found.push(Diagnostic::error(error.position(), path, error.to_string()));
    }
}

/// Actions of somebody else's Python modules fail when they are run. Names
/// that Cedar Backup has a meaning for are refused: there an action of such a
/// name takes the place of the built-in one, or can never be run.
fn actions(sections: &cedar::Document, found: &mut Vec<Diagnostic>) {
    for action in sections.extensions.iter().flat_map(|it| &it.actions) {
        if action.module.is_some()
            && let Err(module) = action.plugin_name()
        {
            let position = action.module.as_ref().map_or(action.place.position, |it| it.position);
            let message = format!("the Python module `{module}` cannot be run by this program");
            found.push(
                Diagnostic::warning(position, "extensions/action/module", message)
                    .help("name a plugin that does the same, with <plugin>NAME</plugin>"),
            );
        }
        let Some(name) = &action.name else { continue };
        let message = match name.as_str() {
            "all" => "`all` is a name for the built-in actions together",
            it if cedar::BUILTIN.iter().any(|(builtin, _)| *builtin == it) => {
                "a built-in action has this name"
            }
            _ => continue,
        };
        found.push(
            Diagnostic::error(name.position, "extensions/action/name", message)
                .help("give the action a name of its own"),
        );
    }
}

/// Two items whose archives have one name.
fn archives(sections: &cedar::Document, found: &mut Vec<Diagnostic>) {
    let Some(collect) = &sections.collect else { return };
    let files = collect.files.iter().map(|it| ("file", &it.abs_path));
    let dirs = collect.dirs.iter().map(|it| ("dir", &it.abs_path));
    let mut seen: HashMap<String, &str> = HashMap::new();
    for (kind, path) in files.chain(dirs) {
        let Some(path) = path else { continue };
        let name = cedar::normalised(path);
        let Some(first) = seen.get(&name) else {
            seen.insert(name, path.as_str());
            continue;
        };
        let message = if *first == path.as_str() {
            format!("`{first}` is collected twice")
        } else {
            format!("`{}` and `{first}` have the same name of an archive, `{name}`", path.value)
        };
        let path_of = format!("collect/{kind}/abs_path");
        found.push(Diagnostic::warning(path.position, path_of, message));
    }
}

fn lists(root: &Node, sections: &cedar::Document, found: &mut Vec<Diagnostic>) {
    let mut storages = Vec::new();
    for (list, element) in
        [("storages", "storage"), ("compressors", "compressor"), ("encryptors", "encryptor")]
    {
        let names = named(root, list, element, found);
        if list == "storages" {
            storages = names;
        }
    }
    for wanted in sections.store.iter().flat_map(|it| &it.storages) {
        let name = wanted.trim();
        if storages.iter().any(|it| it == name) {
            continue;
        }
        let message = format!("there is no storage `{name}` in <storages>");
        let mut error = Diagnostic::error(wanted.position, "store/storage", message);
        if let Some(near) = nearest(name, storages.iter().map(String::as_str)) {
            error = error.help(format!("did you mean `{near}`?"));
        }
        found.push(error);
    }
}

/// Checks the names within a list such as `<storages>`, and returns them.
fn named(root: &Node, list: &str, element: &str, found: &mut Vec<Diagnostic>) -> Vec<String> {
    let mut names: Vec<(String, u32)> = Vec::new();
    for node in root.child(list).into_iter().flat_map(|it| it.children_named(element)) {
        let path = format!("{list}/{element}");
        let Some(child) = node.child("name").filter(|it| !it.text.trim().is_empty()) else {
            let place = node.child("name").unwrap_or(node).position;
            found.push(Diagnostic::error(place, path, "<name> is missing"));
            continue;
        };
        let name = child.text.trim();
        let path = format!("{path}/name");
        if name == "none" && element != "storage" {
            let message = format!("`none` is the {element} that does nothing");
            found.push(Diagnostic::error(child.text_position, path, message));
            continue;
        }
        if let Some((_, line)) = names.iter().find(|(it, _)| it == name) {
            let message = format!("more than one {element} is called `{name}`");
            let help = format!("the first one is in line {line}");
            found.push(Diagnostic::error(child.text_position, path, message).help(help));
        }
        names.push((name.to_owned(), child.position.line));
    }
    names.into_iter().map(|(name, _)| name).collect()
}

/// The events that there are without `pre_` and `post_`, and those that have
/// neither.
const EVENTS: [&str; 8] =
    ["action", "backup", "archive", "delete", "wal_delete", "recovery", "snapshot", "drill"];
const SINGLE_EVENTS: [&str; 3] = ["on_error", "on_warning", "on_overdue"];

fn hooks(root: &Node, found: &mut Vec<Diagnostic>) {
    let known = || {
        let pairs = EVENTS.iter().flat_map(|it| [format!("pre_{it}"), format!("post_{it}")]);
        pairs.chain(SINGLE_EVENTS.iter().map(|it| (*it).to_owned()))
    };
    for hook in root.child("hooks").into_iter().flat_map(|it| it.children_named("hook")) {
        if hook.child("on").is_none() {
            let message = "<on> is missing: the hook listens to nothing";
            found.push(Diagnostic::error(hook.position, "hooks/hook", message));
        }
        for on in hook.children_named("on") {
            let name = on.text.trim();
            if known().any(|it| it == name) {
                continue;
            }
            let message = format!("`{name}` is not an event that the program itself has");
            let names: Vec<String> = known().collect();
            let help = match nearest(name, names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}, and those of plugins", names.join(", ")),
            };
            found.push(Diagnostic::warning(on.text_position, "hooks/hook/on", message).help(help));
        }
    }
}

fn plugins(root: &Node, found: &mut Vec<Diagnostic>) {
    let Some(section) = root.child("plugins") else { return };
    for dir in section.children_named("dir") {
        absolute(dir, "plugins/dir", found);
    }
    for plugin in section.children_named("plugin") {
        match plugin.child("file") {
            Some(file) => absolute(file, "plugins/plugin/file", found),
            None => found.push(Diagnostic::error(
                plugin.position,
                "plugins/plugin",
                "<file> is missing",
            )),
        }
        for sum in plugin.children_named("sha256") {
            let text = sum.text.trim();
            if text.len() != 64 || !text.bytes().all(|it| it.is_ascii_hexdigit()) {
                let message = format!("`{text}` is not a SHA-256");
                found.push(
                    Diagnostic::error(sum.text_position, "plugins/plugin/sha256", message)
                        .help("it has 64 hexadecimal digits; sha256sum prints it"),
                );
            }
        }
    }
}

fn absolute(node: &Node, path: &str, found: &mut Vec<Diagnostic>) {
    let text = node.text.trim();
    if !text.starts_with('/') {
        let message = format!("`{text}` is not an absolute path");
        found.push(Diagnostic::error(node.text_position, path, message));
    }
}

/// Elements whose further contents belong to a plugin.
const OPEN: [&str; 6] = [
    "storages/storage",
    "compressors/compressor",
    "encryptors/encryptor",
    "hooks/hook",
    "options/pre_action_hook",
    "options/post_action_hook",
];

fn unknown(root: &Node, claims: &[String], found: &mut Vec<Diagnostic>) {
    let sections = schema::within("").unwrap_or_default();
    for node in &root.children {
        let name = node.name.as_str();
        if sections.contains(&name) {
            unknown_within(node, name, found);
        } else if !claims.iter().any(|it| it == name) {
            let all = sections.iter().copied().chain(claims.iter().map(String::as_str));
            let message = format!("no plugin reads the section <{name}>");
            let warning = Diagnostic::warning(node.position, name, message);
            found.push(suggest(warning, name, all));
        }
    }
}

fn unknown_within(node: &Node, path: &str, found: &mut Vec<Diagnostic>) {
    let Some(known) = schema::within(path) else { return };
    for child in &node.children {
        let name = child.name.as_str();
        let child_path = format!("{path}/{name}");
        if known.contains(&name) {
            unknown_within(child, &child_path, found);
        } else if !OPEN.contains(&path) {
            let message = format!("unknown element <{name}>: it is ignored");
            let warning = Diagnostic::warning(child.position, child_path, message);
            found.push(suggest(warning, name, known.iter().copied()));
        }
    }
}

fn suggest<'a>(
    warning: Diagnostic,
    name: &str,
    known: impl Iterator<Item = &'a str>,
) -> Diagnostic {
    match nearest(name, known) {
        Some(near) => warning.help(format!("did you mean <{near}>?")),
        None => warning,
    }
}

/// A section that occurs twice counts once.
fn repeated(root: &Node, found: &mut Vec<Diagnostic>) {
    let mut seen: HashMap<&str, u32> = HashMap::new();
    for node in &root.children {
        if let Some(line) = seen.get(node.name.as_str()) {
            let message = format!("a second <{}> is ignored", node.name);
            let help = format!("the first one is in line {line}");
            found.push(Diagnostic::warning(node.position, node.name.as_str(), message).help(help));
        } else {
            seen.insert(node.name.as_str(), node.position.line);
        }
    }
}
