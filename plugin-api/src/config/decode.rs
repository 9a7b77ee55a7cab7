//! Turns a tree of elements into an author's own type.

mod element;
mod failure;
mod pretend;

use std::{cell::RefCell, collections::HashSet};

use serde::de::DeserializeOwned;

use self::{
    element::{Content, Element},
    failure::{Failure, Place},
};
use super::{Diagnostic, Node, nearest};
use crate::error::{Error, Result};

/// A type that can be read from a section of the configuration.
///
/// Every [`serde::de::DeserializeOwned`] type is one:
///
/// * a field is a child element of its name, or an attribute if the field is
///   renamed to `@name`; `$text` is the element's own text;
/// * a `Vec` takes all elements of its name; anything else takes one, and a
///   second one is an error;
/// * text and numbers are trimmed; an empty element is `None` for an
///   `Option`;
/// * `Y`, `N`, `y`, `n`, `true`, `false`, `yes`, `no`, `on`, `off`, `1` and
///   `0` are booleans;
/// * an enumeration is its variant's name as text, or a single child element
///   of that name;
/// * an element that no field takes is a warning with the nearest known
///   name, or an error if the type has `deny_unknown_fields`; text that no
///   field takes is a warning.
///
/// Everything that is wrong is found, not only the first thing.
pub trait Configuration: Sized {
    /// Decodes a section, and tells everything that is wrong with it.
    fn decode(node: &Node) -> Decoded<Self>;
}

/// What became of a section.
#[derive(Debug, Clone)]
pub struct Decoded<T> {
    /// The value; `None` if any of the diagnostics is an error.
    pub value: Option<T>,
    /// Everything that was found, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

/// The configuration of a plugin that has none: an empty element. Whatever is
/// in it is a warning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NoConfig;

/// Decodes a section.
///
/// ```
/// use hayloft_plugin_api::config::{Node, Position, decode};
///
/// #[derive(serde::Deserialize)]
/// struct Retry {
///     #[serde(default)]
///     tries: u8,
/// }
///
/// let retry: Retry = decode(&Node::empty("retry", Position { line: 1, column: 2 }))?;
/// assert_eq!(retry.tries, 0);
/// # Ok::<(), hayloft_plugin_api::Error>(())
/// ```
///
/// # Errors
///
/// [`ErrorKind::CONFIGURATION`](crate::ErrorKind::CONFIGURATION) with every
/// error that was found; warnings are left out.
pub fn decode<T: Configuration>(node: &Node) -> Result<T> {
    let Decoded { value, mut diagnostics } = T::decode(node);
    diagnostics.retain(Diagnostic::is_error);
    value.filter(|_| diagnostics.is_empty()).ok_or_else(|| Error::configuration(diagnostics))
}

/// More errors than anybody reads; it bounds the work on hostile input.
const MOST_ERRORS: usize = 100;

impl<T: DeserializeOwned> Configuration for T {
    fn decode(node: &Node) -> Decoded<Self> {
        let state = State::default();
        let mut value = None;
        for _ in 0..4 * MOST_ERRORS {
            let root = Element::new(Content::One(node), node.name.as_str(), &state);
            match T::deserialize(root) {
                Ok(decoded) => {
                    value = Some(decoded);
                    break;
                }
                Err(failure) => {
                    if !state.goes_on(failure, node) {
                        break;
                    }
                }
            }
        }
        let mut diagnostics = state.diagnostics.into_inner();
        diagnostics.sort_by_key(|it| it.position);
        let failed = diagnostics.iter().any(Diagnostic::is_error);
        Decoded { value: value.filter(|_| !failed), diagnostics }
    }
}

impl Configuration for NoConfig {
    fn decode(node: &Node) -> Decoded<Self> {
        let state = State::default();
        for child in &node.children {
            state.unknown(child, &format!("{}/{}", node.name, child.name), &[]);
        }
        Decoded { value: Some(Self), diagnostics: state.diagnostics.into_inner() }
    }
}

/// What outlives one attempt to decode.
///
/// serde stops at the first error. So the place of each error is remembered
/// as one to be *pretended*: the next attempt takes some value of the right
/// type instead of what is written there, and finds the next error. Where the
/// type takes no value that can be made up, the element is *left out*.
#[derive(Default, Debug)]
struct State {
    pretended: RefCell<HashSet<Place>>,
    left_out: RefCell<HashSet<Place>>,
    /// The parents of those that are left out, with their names: that they are
    /// missing now is not what the user did.
    gaps: RefCell<HashSet<(Place, String)>>,
    warned: RefCell<HashSet<Place>>,
    diagnostics: RefCell<Vec<Diagnostic>>,
}

impl State {
    fn pretends(&self, place: &Place) -> bool {
        self.pretended.borrow().contains(place)
    }

    /// Notes a failure and tells whether another attempt makes sense.
    fn goes_on(&self, failure: Failure, root: &Node) -> bool {
        let diagnostic = failure.diagnostic(root);
        let mut pretended = self.pretended.borrow_mut();
        // Without a place it is about a value that was made up, if there is
        // one, and nobody wrote that.
        let made_up = !failure.has_position() && !pretended.is_empty();
        let mut places = failure.places();
        match places.next() {
            // Nothing of that type can be made up: it is left out, or if that
            // does not help its parent is made up; silently, for what is wrong
            // in here has been told already.
            Some(first) if pretended.contains(&first) => {
                let parent = places.next();
                if self.leaves_out(first, parent.as_ref(), &diagnostic) {
                    return true;
                }
                let mut around = parent.into_iter().chain(places);
                around.find(|it| !pretended.contains(it)).is_some_and(|it| pretended.insert(it))
            }
            Some(first) if made_up || self.is_gap(&first) => pretended.insert(first),
            Some(first) => {
                let mut diagnostics = self.diagnostics.borrow_mut();
                if !diagnostics.contains(&diagnostic) {
                    diagnostics.push(diagnostic);
                }
                diagnostics.iter().filter(|it| it.is_error()).count() < MOST_ERRORS
                    && pretended.insert(first)
            }
            None => {
                if !made_up {
                    self.diagnostics.borrow_mut().push(diagnostic);
                }
                false
            }
        }
    }

    /// Leaves an element out of the next attempt; tells whether it was in this
    /// one.
    fn leaves_out(&self, element: Place, parent: Option<&Place>, found: &Diagnostic) -> bool {
        let (Place::Node(_), Some(parent)) = (&element, parent) else { return false };
        let name = found.path.rsplit('/').next().unwrap_or_default();
        self.gaps.borrow_mut().insert((parent.clone(), name.to_owned()));
        self.left_out.borrow_mut().insert(element)
    }

    /// Tells whether a field is missing only because it is left out.
    fn is_gap(&self, place: &Place) -> bool {
        let Place::Missing(parent, field) = place else { return false };
        self.gaps.borrow().contains(&(Place::Node(*parent), (*field).to_owned()))
    }

    /// Warns of text where only elements are read, once.
    fn stray(&self, node: &Node, path: &str) {
        if self.warned.borrow_mut().insert(Place::missing(node, "$text")) {
            let message = format!("the text in <{}> is not read", node.name);
            let warning = Diagnostic::warning(node.text_position, path, message);
            self.diagnostics.borrow_mut().push(warning.help("elements belong in it"));
        }
    }

    /// Warns of an element that nothing takes, once.
    fn unknown(&self, node: &Node, path: &str, known: &[&str]) {
        if !self.warned.borrow_mut().insert(Place::node(node)) {
            return;
        }
        let mut warning =
            Diagnostic::warning(node.position, path, format!("unknown element <{}>", node.name));
        let names = || known.iter().copied().filter(|it| !it.starts_with(['@', '$']));
        if let Some(name) = nearest(&node.name, names()) {
            warning = warning.help(format!("did you mean <{name}>?"));
        } else if names().next().is_some() {
            let names: Vec<_> = names().map(|it| format!("<{it}>")).collect();
            warning = warning.help(format!("known here: {}", names.join(", ")));
        }
        self.diagnostics.borrow_mut().push(warning);
    }
}

#[cfg(test)]
mod tests;
