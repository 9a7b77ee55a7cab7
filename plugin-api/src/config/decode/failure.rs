//! The error type of the deserializer: what is wrong, and where.

use std::fmt::{self, Display};

use serde::de;

use crate::config::{Attribute, Diagnostic, Node, Position, nearest};

/// Something in the tree, recognisable in a later attempt: the tree does not
/// move in memory between them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Node(usize),
    Attribute(usize),
    /// A field that an element lacks.
    Missing(usize, &'static str),
}

impl Place {
    pub(super) fn node(node: &Node) -> Self {
        Self::Node(std::ptr::from_ref(node).addr())
    }

    pub(super) fn attribute(attribute: &Attribute) -> Self {
        Self::Attribute(std::ptr::from_ref(attribute).addr())
    }

    pub(super) fn missing(node: &Node, field: &'static str) -> Self {
        Self::Missing(std::ptr::from_ref(node).addr(), field)
    }
}

/// Why decoding stopped.
#[derive(Debug)]
pub(super) struct Failure {
    message: String,
    help: Option<String>,
    /// The field that is missing, until the element that lacks it is known.
    missing: Option<&'static str>,
    position: Option<(Position, String)>,
    /// The place, then the elements around it, innermost first.
    trail: Vec<Place>,
}

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
            missing: None,
            position: None,
            trail: Vec::new(),
        }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says where it is, if that was not said deeper down.
    pub(super) fn at(mut self, place: Place, position: Position, path: &str) -> Self {
        if self.position.is_none() {
            self.position = Some((position, path.to_owned()));
            self.trail.push(place);
        }
        self
    }

    /// Adds an element around the place.
    pub(super) fn within(mut self, node: &Node, path: &str) -> Self {
        if let (Some(field), None) = (self.missing, &self.position) {
            self = self.at(Place::missing(node, field), node.position, path);
        }
        let place = Place::node(node);
        if self.trail.last() != Some(&place) {
            self.trail.push(place);
        }
        self
    }

    /// Tells whether it is known where it is.
    pub(super) fn has_position(&self) -> bool {
        self.position.is_some()
    }

    pub(super) fn places(self) -> impl Iterator<Item = Place> {
        self.trail.into_iter()
    }

    pub(super) fn diagnostic(&self, root: &Node) -> Diagnostic {
        let (position, path) = match &self.position {
            Some((position, path)) => (*position, path.clone()),
            None => (root.position, root.name.to_string()),
        };
        let mut diagnostic = Diagnostic::error(position, path, self.message.clone());
        diagnostic.help.clone_from(&self.help);
        diagnostic
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        let message = match field.strip_prefix('@') {
            Some(attribute) => format!("attribute {attribute}=\"…\" is missing"),
            None if field == "$text" => "the text is missing".to_owned(),
            None => format!("<{field}> is missing"),
        };
        Self { missing: Some(field), ..Self::new(message) }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let failure = Self::new(format!("`{variant}` is none of {}", listed(expected, '`', '`')));
        match nearest(variant.trim(), expected.iter().copied()) {
            Some(name) => failure.help(format!("did you mean `{name}`?")),
            None => failure,
        }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let failure = Self::new(format!(
            "unknown element <{field}>, known are {}",
            listed(expected, '<', '>')
        ));
        match nearest(field, expected.iter().copied()) {
            Some(name) => failure.help(format!("did you mean <{name}>?")),
            None => failure,
        }
    }
}

fn listed(names: &[&str], open: char, close: char) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("{open}{name}{close}")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
