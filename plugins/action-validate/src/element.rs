//! Elements of the configuration, with their paths.

use hayloft_plugin_api::{Diagnostic, Node, Position};

/// An element of the configuration that knows where it is.
#[derive(Debug, Clone)]
pub struct Element<'a> {
    node: &'a Node,
    path: String,
}

/// A text of the configuration that knows where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    /// The text, as Cedar Backup reads it.
    pub text: &'a str,
    position: Position,
    path: &'a str,
    name: &'a str,
}

impl<'a> Element<'a> {
    /// Returns the root of the configuration. Paths begin below it.
    pub fn root(node: &'a Node) -> Self {
        Self { node, path: String::new() }
    }

    /// Returns the first child of that name.
    pub fn child(&self, name: &'a str) -> Option<Self> {
        self.children(name).next()
    }

    /// Returns all children of that name.
    pub fn children(&self, name: &'a str) -> impl Iterator<Item = Self> + use<'a> {
        let path =
            if self.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.path) };
        self.node.children_named(name).map(move |node| Self { node, path: path.clone() })
    }

    /// Returns the texts of all children of that name that have any.
    pub fn values<'b>(&'b self, name: &'b str) -> impl Iterator<Item = Value<'b>> + 'b {
        self.node.children_named(name).filter(|it| !it.first_text.is_empty()).map(move |node| {
            let position = node.text_position;
            Value { text: node.first_text.as_str(), position, path: &self.path, name }
        })
    }

    /// Returns the text of the first child of that name that has any.
    pub fn value<'b>(&'b self, name: &'b str) -> Option<Value<'b>> {
        self.values(name).next()
    }

    /// Returns whether a child says yes.
    pub fn flag(&self, name: &str) -> bool {
        self.value(name).is_some_and(|it| matches!(it.text, "Y" | "y"))
    }

    /// Says that something is wrong with the element as a whole.
    pub fn error(&self, message: impl Into<String>) -> Diagnostic {
        let path = if self.path.is_empty() { self.node.name.as_str() } else { &self.path };
        Diagnostic::error(self.node.position, path, message)
    }
}

impl Value<'_> {
    /// Says that something is wrong with it.
    pub fn error(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(self.position, format!("{}/{}", self.path, self.name), message)
    }

    /// Says that something may be wrong with it.
    pub fn warning(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::warning(self.position, format!("{}/{}", self.path, self.name), message)
    }
}
