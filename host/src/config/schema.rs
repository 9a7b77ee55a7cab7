//! Every element that the program itself knows: the source of the reference
//! in the book, of `config schema`, and of the names that warnings suggest.

mod extensions;
mod own;
mod standard;

use std::fmt::Write as _;

use serde::Serialize;

/// The type of an element's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Contains elements.
    Element,
    /// Any text.
    Text,
    /// One of the allowed words.
    Choice,
    /// `Y` or `N`.
    Boolean,
    /// A whole number.
    Integer,
    /// A number, perhaps with a fraction.
    Number,
    /// An absolute path.
    Path,
    /// The name of an action: lower-case letters and digits.
    Action,
    /// Names of actions with commas between them.
    Actions,
    /// A regular expression of Python.
    Pattern,
    /// A number of bytes, with `KB`, `MB` or `GB`.
    Bytes,
    /// A span of time, with `s`, `m`, `h` or `d`.
    Span,
    /// A command line.
    Command,
    /// A secret; it is never shown.
    Secret,
}

/// One element of the configuration.
#[derive(Debug, Clone, Copy, Serialize)]
#[non_exhaustive]
pub struct Element {
    /// Where it is, from below the root, such as `collect/dir/abs_path`.
    pub path: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// Whether it must be there when the element around it is.
    pub required: bool,
    /// Whether there may be several.
    pub repeatable: bool,
    /// What holds if it is absent.
    pub default: Option<&'static str>,
    /// The words that it may have.
    pub allowed: &'static [&'static str],
    /// Whether Cedar Backup knows it.
    pub cedar: bool,
    /// What it means.
    pub meaning: &'static str,
}

/// Describes an optional element of Cedar Backup's.
const fn element(path: &'static str, kind: Kind, meaning: &'static str) -> Element {
    Element {
        path,
        kind,
        required: false,
        repeatable: false,
        default: None,
        allowed: &[],
        cedar: true,
        meaning,
    }
}

impl Element {
    const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    const fn repeatable(self) -> Self {
        Self { repeatable: true, ..self }
    }

    const fn default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    const fn allowed(self, allowed: &'static [&'static str]) -> Self {
        Self { allowed, ..self }
    }

    const fn ours(self) -> Self {
        Self { cedar: false, ..self }
    }

    /// Returns the path of the element around it, empty for a section.
    pub fn parent(&self) -> &'static str {
        self.path.rsplit_once('/').map_or("", |(parent, _)| parent)
    }

    /// Returns its name.
    pub fn name(&self) -> &'static str {
        self.path.rsplit_once('/').map_or(self.path, |(_, name)| name)
    }

    fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Element => "element",
            Kind::Text => "text",
            Kind::Choice => "one of",
            Kind::Boolean => "Y or N",
            Kind::Integer => "whole number",
            Kind::Number => "number",
            Kind::Path => "absolute path",
            Kind::Action => "action",
            Kind::Actions => "actions",
            Kind::Pattern => "pattern",
            Kind::Bytes => "bytes",
            Kind::Span => "time",
            Kind::Command => "command",
            Kind::Secret => "secret",
        }
    }
}

/// Returns every element, section by section.
pub fn elements() -> impl Iterator<Item = &'static Element> {
    standard::ELEMENTS.iter().chain(own::ELEMENTS).chain(extensions::ELEMENTS)
}

/// The peers of `<stage>` are written as those of `<peers>`.
fn canonical(path: &str) -> String {
    match path.strip_prefix("stage/peer") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("peers/peer{rest}"),
        _ => path.to_owned(),
    }
}

/// Returns the elements that are known within a path; empty path for the
/// sections. `None` if the contents are not ours to know.
pub(super) fn within(path: &str) -> Option<Vec<&'static str>> {
    let path = canonical(path);
    let known = elements().find(|it| it.path == path);
    if !path.is_empty() && known.is_none_or(|it| it.kind != Kind::Element) {
        return None;
    }
    let names: Vec<_> = elements().filter(|it| it.parent() == path).map(Element::name).collect();
    (!names.is_empty()).then_some(names)
}

/// Returns the description for a program to read.
pub fn json() -> Vec<&'static Element> {
    elements().collect()
}

/// Returns the reference of the book.
pub fn markdown() -> String {
    let mut out = String::from(
        "# Configuration reference\n\n\
         The file has one root element, `<cb_config>`. What Cedar Backup does not know is marked \
         with ◆. `<stage>` takes the same `<peer>` elements as `<peers>`.\n",
    );
    for section in elements().filter(|it| it.parent().is_empty()) {
        // Writing to a `String` cannot fail.
        let _ =
            writeln!(out, "\n## `<{}>`{}\n\n{}.\n", section.path, mark(section), section.meaning);
        let inner: Vec<_> = elements().filter(|it| is_below(it, section)).collect();
        if inner.is_empty() {
            continue;
        }
        out.push_str("| element | value | default | meaning |\n|---|---|---|---|\n");
        for it in inner {
            let name = it.path.strip_prefix(section.path).unwrap_or(it.path);
            let several = if it.repeatable { ", several" } else { "" };
            let default = match it.default {
                Some(default) => format!("`{default}`"),
                None if it.required => "required".to_owned(),
                None => "—".to_owned(),
            };
            let name = name.trim_start_matches('/');
            let _ = writeln!(
                out,
                "| `{name}`{} | {}{several} | {default} | {} |",
                mark(it),
                value(it).replace('|', "\\|"),
                it.meaning.replace('|', "\\|"),
            );
        }
    }
    out
}

fn is_below(element: &Element, section: &Element) -> bool {
    element.path.strip_prefix(section.path).is_some_and(|it| it.starts_with('/'))
}

fn mark(element: &Element) -> &'static str {
    if element.cedar { "" } else { " ◆" }
}

fn value(element: &Element) -> String {
    if element.allowed.is_empty() {
        return element.kind_name().to_owned();
    }
    element.allowed.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(" ")
}

/// Returns the description for a person at a terminal.
pub fn text() -> String {
    let mut out = String::new();
    for it in elements() {
        let indent = "  ".repeat(it.path.matches('/').count());
        let value = match it.allowed {
            [] => it.kind_name().to_owned(),
            allowed => allowed.join("|"),
        };
        let default = match it.default {
            Some(default) => format!(", default {default}"),
            None if it.required => ", required".to_owned(),
            None => String::new(),
        };
        let several = if it.repeatable { ", several" } else { "" };
        let _ = writeln!(out, "{indent}<{}> ({value}{default}{several}) {}", it.name(), it.meaning);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_element_is_described_once_within_one_that_is_described() {
        let mut seen = HashSet::new();
        for it in elements() {
            assert!(seen.insert(it.path), "{} is there twice", it.path);
            assert!(it.parent().is_empty() || seen.contains(it.parent()), "{}", it.path);
            assert!(!it.meaning.ends_with('.') && !it.meaning.is_empty(), "{}", it.path);
            assert_eq!(it.kind == Kind::Choice, !it.allowed.is_empty(), "{}", it.path);
            assert!(!(it.required && it.default.is_some()), "{}", it.path);
        }
    }

    #[test]
    fn names_are_known_by_their_place() {
        assert!(within("").unwrap().contains(&"collect"));
        assert!(within("stage/peer").unwrap().contains(&"rcp_command"));
        assert_eq!(within("options/working_dir"), None);
        assert_eq!(within("postgres_servers"), None);
        assert!(markdown().contains("| `dir/abs_path` | absolute path | required |"));
        assert!(text().contains("<collect_dir> (absolute path, required)"));
        assert!(serde_json::to_string(&json()).unwrap().contains("\"path\":\"options\""));
    }
}
