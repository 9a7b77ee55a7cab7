//! Shows a configuration as it takes effect.

use std::fmt::Write as _;

use hayloft_plugin_api::{Node, cedar};
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{
    Document, ROOT,
    secrets::{self, MASK, might_be_secret},
};

/// A value of the configuration, to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// A text.
    Text(String),
    /// Elements of one name.
    List(Vec<Self>),
    /// Elements by name, in the order of the file.
    Map(Vec<(String, Self)>),
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(list) => list.serialize(serializer),
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (name, value) in entries {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

/// Returns the whole configuration, with secrets masked, and under
/// `effective` what follows from it: the order of actions, and the items to
/// collect and the peers with everything that they inherit.
pub fn effective(document: &Document) -> Shown {
    let mut sections = match tree(&document.root) {
        Shown::Map(entries) => entries,
        _ => Vec::new(),
    };
    if document.root.name == ROOT {
        sections.push(("effective".to_owned(), Shown::Map(consequences(&document.root))));
    }
    Shown::Map(sections)
}

fn tree(node: &Node) -> Shown {
    if node.children.is_empty() && node.attributes.is_empty() {
        return Shown::Text(secrets::without_passwords(node.text.trim()));
    }
    let mut entries: Vec<(String, Shown)> = Vec::new();
    for attribute in &node.attributes {
        let value = if might_be_secret(&attribute.name) {
            MASK.to_owned()
        } else {
            secrets::without_passwords(&attribute.value)
        };
        entries.push((format!("@{}", attribute.name), Shown::Text(value)));
    }
    for child in &node.children {
        let value =
            if might_be_secret(&child.name) { Shown::Text(MASK.to_owned()) } else { tree(child) };
        match entries.iter_mut().find(|(name, _)| *name == child.name.as_str()) {
            Some((_, Shown::List(list))) => list.push(value),
            Some((_, first)) => *first = Shown::List(vec![first.clone(), value]),
            None => entries.push((child.name.to_string(), value)),
        }
    }
    let text = node.text.trim();
    if !text.is_empty() {
        entries.push(("$text".to_owned(), Shown::Text(secrets::without_passwords(text))));
    }
    Shown::Map(entries)
}

fn consequences(root: &Node) -> Vec<(String, Shown)> {
    let (document, _) = cedar::read(root, &cedar::Names::any());
    let mut shown = Vec::new();
    if let Ok(order) = cedar::Order::new(document.extensions.as_ref()) {
        let names = order.sorted().into_iter().map(|it| Shown::Text(it.to_owned()));
        shown.push(("order".to_owned(), Shown::List(names.collect())));
    }
    if let (Some(options), Some(collect)) = (&document.options, &document.collect) {
        let items = cedar::effective_collect(options, collect);
        shown.push(("collect".to_owned(), Shown::List(items.iter().map(item).collect())));
    }
    let peers = cedar::effective_peers(&document);
    if document.stage.is_some() {
        shown.push(("peers".to_owned(), Shown::List(peers.iter().map(peer).collect())));
    }
    shown
}

fn map(entries: Vec<(&str, Option<String>)>) -> Shown {
    let known = entries.into_iter().filter_map(|(name, value)| Some((name, value?)));
    Shown::Map(known.map(|(name, value)| (name.to_owned(), Shown::Text(value))).collect())
}

fn yes(value: bool) -> String {
    if value { "Y" } else { "N" }.to_owned()
}

fn item(item: &cedar::EffectiveItem) -> Shown {
    let mut entries = vec![
        ("path", Some(item.path.clone())),
        ("collect_mode", Some(item.collect_mode.clone())),
        ("archive_mode", Some(item.archive_mode.clone())),
        ("archive", Some(item.archive.clone())),
    ];
    if item.kind == cedar::ItemKind::Dir {
        entries.extend([
            ("ignore_file", item.ignore_file.clone()),
            ("link_depth", Some(item.link_depth.to_string())),
            ("dereference", Some(yes(item.dereference))),
            ("recursion_level", Some(item.recursion_level.to_string())),
            ("one_file_system", Some(yes(item.one_file_system))),
        ]);
    }
    entries.push(("compression_level", item.compression_level.map(|it| it.to_string())));
    let Shown::Map(mut entries) = map(entries) else { return Shown::List(Vec::new()) };
    let lists =
        [("exclude_paths", &item.exclude_paths), ("exclude_patterns", &item.exclude_patterns)];
    for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        let list = list.iter().cloned().map(Shown::Text).collect();
        entries.push((name.to_owned(), Shown::List(list)));
    }
    Shown::Map(entries)
}

fn peer(peer: &cedar::StagePeer) -> Shown {
    map(vec![
        ("name", Some(peer.name.clone())),
        ("type", Some(if peer.remote { "remote" } else { "local" }.to_owned())),
        ("collect_dir", Some(peer.collect_dir.clone())),
        ("backup_user", peer.remote_user.clone()),
        ("rcp_command", peer.rcp_command.as_deref().map(secrets::without_passwords)),
        ("ignore_failures", peer.ignore_failures.clone()),
    ])
}

/// Writes it for people: `name: value`, indented.
pub fn effective_text(shown: &Shown) -> String {
    let mut text = String::new();
    write(&mut text, shown, 0);
    text
}

fn write(out: &mut String, shown: &Shown, depth: usize) {
    let Shown::Map(entries) = shown else { return };
    for (name, value) in entries {
        match value {
            Shown::List(list) => list.iter().for_each(|it| entry(out, name, it, depth)),
            value => entry(out, name, value, depth),
        }
    }
}

fn entry(out: &mut String, name: &str, value: &Shown, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Shown::Text(text) => {
            // Writing to a `String` cannot fail.
            let _ = writeln!(out, "{indent}{name}: {}", text.replace(['\n', '\r'], " "));
        }
        value => {
            let _ = writeln!(out, "{indent}{name}:");
            write(out, value, depth + 1);
        }
    }
}
