//! Cedar Backup's rules of how text becomes values.

use std::cell::RefCell;

use super::{
    Cause, Names,
    python::{self, IntError},
};
use crate::config::{Diagnostic, Node, Position};

/// A value, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it begins in the file.
    pub position: Position,
}

impl<T> std::ops::Deref for Located<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A text that may be absent. An element without text counts as absent.
pub type Text = Option<Located<String>>;

/// Returns the text, if there is one.
///
/// ```
/// use hayloft_plugin_api::cedar::{Text, text};
///
/// let absent: Text = None;
/// assert_eq!(text(&absent), None);
/// ```
pub fn text(value: &Text) -> Option<&str> {
    value.as_ref().map(|it| it.value.as_str())
}

/// In which of its two passes Cedar Backup finds a problem. It reports only
/// the first one, and begins the second pass only after a clean first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pass {
    /// A value is refused on its own.
    Parse,
    /// Something is missing or does not fit something else.
    Validate,
}

/// One thing that is wrong in one of Cedar Backup's sections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// When Cedar Backup finds it.
    pub pass: Pass,
    /// What is wrong.
    pub cause: Cause,
    /// The value that is refused; empty if something is missing.
    pub value: String,
    /// Where the value, or the element that lacks something, is.
    pub position: Position,
    /// The path of the element.
    pub path: String,
    /// Whether the configuration can be used all the same.
    pub warning: bool,
}

impl Problem {
    /// Creates a problem of the second pass.
    fn new(cause: Cause, value: &str, position: Position, path: String) -> Self {
        Self {
            pass: Pass::Validate,
            cause,
            value: value.to_owned(),
            position,
            path,
            warning: false,
        }
    }
}

impl From<Problem> for Diagnostic {
    fn from(it: Problem) -> Self {
        let message = it.cause.message(&shortened(&it.value));
        let mut diagnostic = Self::error(it.position, it.path, message);
        if it.warning {
            diagnostic.severity = crate::config::Severity::WARNING;
        }
        diagnostic.help = it.cause.help().map(ToOwned::to_owned);
        diagnostic
    }
}

fn shortened(value: &str) -> String {
    const MOST: usize = 120;
    let value = value.replace(['\n', '\r', '\t'], " ");
    match value.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value,
    }
}

/// What is found while reading.
#[derive(Debug)]
pub struct Findings<'a> {
    pub(super) names: &'a Names,
    problems: RefCell<Vec<Problem>>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(names: &'a Names) -> Self {
        Self { names, problems: RefCell::new(Vec::new()) }
    }

    /// Everything found, that of the first pass first.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|it| it.pass);
        problems
    }

    /// Notes something for the second pass.
    pub(super) fn missing(&self, cause: Cause, place: &Place) {
        self.invalid(cause, "", place.position, &place.path);
    }

    pub(super) fn invalid(&self, cause: Cause, value: &str, position: Position, path: &str) {
        let problem = Problem::new(cause, value, position, path.to_owned());
        self.problems.borrow_mut().push(problem);
    }

    pub(super) fn refuse(&self, cause: Cause, value: &Located<String>, path: String) {
        let mut problem = Problem::new(cause, value, value.position, path);
        problem.pass = Pass::Parse;
        self.problems.borrow_mut().push(problem);
    }

    pub(super) fn warn(&self, cause: Cause, value: &str, position: Position, path: &str) {
        let mut problem = Problem::new(cause, value, position, path.to_owned());
        problem.pass = Pass::Parse;
        problem.warning = true;
        self.problems.borrow_mut().push(problem);
    }
}

/// Where an element is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// Where its name begins.
    pub position: Position,
    /// The path of the element.
    pub path: String,
}

/// Reads the children of an element.
#[derive(Debug)]
pub struct Reader<'a> {
    node: &'a Node,
    path: String,
    pub(super) findings: &'a Findings<'a>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(node: &'a Node, path: impl Into<String>, findings: &'a Findings<'a>) -> Self {
        Self { node, path: path.into(), findings }
    }

    pub(super) fn names(&self) -> &'a Names {
        self.findings.names
    }

    pub(super) fn place(&self) -> Place {
        Place { position: self.node.position, path: self.path.clone() }
    }

    /// All child elements of a name.
    pub(super) fn all(&self, name: &'a str) -> impl Iterator<Item = Reader<'a>> {
        let path = format!("{}/{name}", self.path);
        let findings = self.findings;
        self.node.children_named(name).map(move |node| Reader {
            node,
            path: path.clone(),
            findings,
        })
    }

    /// The first child element of a name.
    pub(super) fn first(&self, name: &'a str) -> Option<Reader<'a>> {
        self.all(name).next()
    }

    /// The first child of that name that has text: the first piece of it, not
    /// trimmed.
    pub(super) fn text(&self, name: &str) -> Text {
        located(self.node.children_named(name).find(|it| !it.first_text.is_empty())?)
    }

    /// The texts of all children of that name; empty ones are dropped.
    pub(super) fn texts(&self, name: &str) -> Vec<Located<String>> {
        self.node.children_named(name).filter_map(located).collect()
    }

    pub(super) fn fail(&self, cause: Cause, name: &str, value: &Located<String>) {
        let path = format!("{}/{name}", self.path);
        self.findings.refuse(cause, value, path);
    }

    pub(super) fn warn(&self, cause: Cause, name: &str, value: &str, position: Position) {
        self.findings.warn(cause, value, position, &format!("{}/{name}", self.path));
    }

    /// A text for which `test` holds. A refused one is returned all the same,
    /// so that it is not reported as missing besides.
    pub(super) fn tested(&self, name: &str, cause: Cause, test: impl Fn(&str) -> bool) -> Text {
        let found = self.text(name)?;
        if !test(&found) {
            self.fail(cause, name, &found);
        }
        Some(found)
    }

    pub(super) fn absolute(&self, name: &str, cause: Cause) -> Text {
        self.tested(name, cause, |it| it.starts_with('/'))
    }

    pub(super) fn one_of(&self, name: &str, cause: Cause, allowed: &[&str]) -> Text {
        self.tested(name, cause, |it| allowed.contains(&it))
    }

    pub(super) fn action_name(&self, name: &str) -> Text {
        self.tested(name, Cause::BadActionName, python::is_action_name)
    }

    pub(super) fn collect_mode(&self, name: &str) -> Text {
        self.one_of(name, Cause::CollectMode, &["daily", "weekly", "incr"])
    }

    pub(super) fn archive_mode(&self) -> Text {
        self.tested("archive_mode", Cause::ArchiveMode, |it| self.names().has_archive_mode(it))
    }

    pub(super) fn compress_mode(&self) -> Text {
        self.tested("compress_mode", Cause::CompressMode, |it| self.names().has_compress_mode(it))
    }

    /// Absent is false.
    pub(super) fn boolean(&self, name: &str) -> bool {
        match self.text(name) {
            Some(text) if matches!(text.as_str(), "Y" | "y") => true,
            Some(text) => {
                if !matches!(text.as_str(), "N" | "n") {
                    self.fail(Cause::NotBoolean, name, &text);
                }
                false
            }
            None => false,
        }
    }

    /// A boolean that may be absent.
    pub(super) fn optional_boolean(&self, name: &str) -> Option<bool> {
        self.text(name).map(|_| self.boolean(name))
    }

    /// A whole number; below `least` it is refused for that `cause`.
    pub(super) fn integer(&self, name: &str, limit: Option<(i64, Cause)>) -> Option<Located<i64>> {
        let text = self.text(name)?;
        let value = match python::int(&text) {
            Ok(value) => {
                if let Some((least, cause)) = limit
                    && value < least
                {
                    self.fail(cause, name, &text);
                }
                value
            }
            Err(error) => {
                let cause = match error {
                    IntError::Malformed => Cause::NotInteger,
                    IntError::TooLong => Cause::TooManyDigits,
                };
                self.fail(cause, name, &text);
                0
            }
        };
        Some(Located { value, position: text.position })
    }

    /// Names of actions with commas between them.
    pub(super) fn action_list(&self, name: &str) -> Option<Located<Vec<String>>> {
        let text = self.text(name)?;
        let items = text.split(',').map(str::trim).filter(|it| !it.is_empty());
        let value: Vec<String> = items.map(ToOwned::to_owned).collect();
        for item in &value {
            if !python::is_action_name(item) {
                let item = Located { value: item.clone(), position: text.position };
                self.fail(Cause::BadActionInList, name, &item);
            }
        }
        Some(Located { value, position: text.position })
    }

    pub(super) fn absolutes(&self, name: &str) -> Vec<Located<String>> {
        let texts = self.texts(name);
        for text in texts.iter().filter(|it| !it.starts_with('/')) {
            self.fail(Cause::PathNotAbsolute, name, text);
        }
        texts
    }

    /// Regular expressions. What compiles alone but not between `^` and `$`
    /// is accepted by Cedar Backup, which then fails when it collects.
    pub(super) fn patterns(&self, name: &str) -> Vec<Located<String>> {
        let texts = self.texts(name);
        for text in &texts {
            if python::Pattern::check(text).is_err() {
                self.fail(Cause::BadPattern, name, text);
            } else if python::Pattern::check(&format!("^{}$", text.value)).is_err() {
                self.warn(Cause::UnusablePattern, name, text, text.position);
            }
        }
        texts
    }
}

fn located(node: &Node) -> Text {
    let value = node.first_text.to_string();
    (!value.is_empty()).then_some(Located { value, position: node.text_position })
}
