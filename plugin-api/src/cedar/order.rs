//! In which order actions are run.

use std::collections::BTreeMap;

use thiserror::Error as ThisError;

use super::{Extensions, text};
use crate::{
    config::{Diagnostic, Position},
    error::{Error, Result},
};

/// How the order is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderMode {
    /// By numbers.
    Index,
    /// By what must come before what.
    Dependency,
}

/// The place of every action that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// How it was made.
    pub mode: OrderMode,
    /// The number of each action; the lowest comes first.
    pub indices: BTreeMap<String, i64>,
}

/// Why there is no order.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum OrderError {
    /// A dependency names an action that there is not.
    #[error("there is no action `{name}` that `{action}` could depend on")]
    Unknown {
        /// The action with the dependency.
        action: String,
        /// The name it depends on.
        name: String,
        /// Where the dependency is.
        position: Position,
    },
    /// Two actions have one name, or one has that of a built-in action: with
    /// dependencies it is not known which is meant.
    #[error("there is more than one action `{action}`")]
    Duplicate {
        /// The name.
        action: String,
        /// Where the second one is.
        position: Position,
    },
    /// Actions depend on each other in a circle.
    #[error("the action `{action}` depends on itself, directly or through others")]
    Loop {
        /// An action of the circle.
        action: String,
        /// Where one of its dependencies is.
        position: Position,
    },
}

impl OrderError {
    /// Returns where the dependency is.
    pub fn position(&self) -> Position {
        match self {
            Self::Unknown { position, .. }
            | Self::Duplicate { position, .. }
            | Self::Loop { position, .. } => *position,
        }
    }
}

/// The built-in actions with their indices. The first three are only run
/// alone.
pub const BUILTIN: [(&str, i64); 7] = [
    ("rebuild", 0),
    ("validate", 0),
    ("initialize", 0),
    ("collect", 100),
    ("stage", 200),
    ("store", 300),
    ("purge", 400),
];

/// Those that depend on each other from the beginning, in their order.
const CHAIN: [&str; 4] = ["collect", "stage", "store", "purge"];

/// Puts all actions in order, as [`Order::new`] does.
///
/// # Errors
///
/// [`ErrorKind::CONFIGURATION`](crate::ErrorKind::CONFIGURATION) with the
/// place of the dependency that cannot be.
pub fn order(extensions: &Extensions) -> Result<Order> {
    Order::new(Some(extensions)).map_err(|error| {
        let path = "extensions/action/depends";
        Error::configuration(vec![Diagnostic::error(error.position(), path, error.to_string())])
    })
}

impl Order {
    /// Returns the place of an action; the lowest comes first.
    pub fn position(&self, name: &str) -> Option<i64> {
        self.indices.get(name).copied()
    }

    /// Puts the built-in actions and those of the extensions in order. By
    /// index, an extension of a built-in action's name takes its place.
    ///
    /// # Errors
    ///
    /// [`OrderError`], only with dependencies.
    pub fn new(extensions: Option<&Extensions>) -> Result<Self, OrderError> {
        match extensions.filter(|it| it.by_dependency() && !it.actions.is_empty()) {
            Some(extensions) => by_dependency(extensions),
            None => Ok(by_index(extensions)),
        }
    }

    /// Returns all actions in order; by name where the numbers are the same.
    pub fn sorted(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.indices.iter().collect();
        names.sort_by_key(|(name, index)| (**index, *name));
        names.into_iter().map(|(name, _)| name.as_str()).collect()
    }

    /// Puts the requested actions in order. Those of the same number keep
    /// the order in which they were requested; unknown ones come last.
    pub fn arranged<'a>(&self, requested: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        let mut names: Vec<_> = requested.into_iter().collect();
        names.sort_by_key(|name| self.indices.get(*name).copied().unwrap_or(i64::MAX));
        names
    }
}

fn by_index(extensions: Option<&Extensions>) -> Order {
    let mut indices: BTreeMap<String, i64> =
        BUILTIN.iter().map(|&(name, index)| (name.to_owned(), index)).collect();
    for action in extensions.iter().flat_map(|it| &it.actions) {
        if let (Some(name), Some(index)) = (&action.name, &action.index) {
            indices.insert(name.value.clone(), index.value);
        }
    }
    Order { mode: OrderMode::Index, indices }
}

fn by_dependency(extensions: &Extensions) -> Result<Order, OrderError> {
    let mut graph = Graph::default();
    for (name, _) in BUILTIN {
        graph.vertex(name);
    }
    let mut duplicate = None;
    for action in &extensions.actions {
        let name = text(&action.name).unwrap_or_default();
        if !graph.vertex(name) {
            let position = action.name.as_ref().map_or(action.place.position, |it| it.position);
            duplicate = Some(OrderError::Duplicate { action: name.to_owned(), position });
        }
    }
    for (i, &first) in CHAIN.iter().enumerate() {
        for &second in &CHAIN[i + 1..] {
            graph.edge(first, second);
        }
    }
    for action in &extensions.actions {
        let name = text(&action.name).unwrap_or_default();
        let Some(depends) = &action.depends else { continue };
        for (list, earlier) in [(&depends.before, true), (&depends.after, false)] {
            for other in list.iter().flat_map(|it| &it.value) {
                let (first, second) =
                    if earlier { (name, other.as_str()) } else { (other.as_str(), name) };
                if !graph.edge(first, second) {
                    return Err(OrderError::Unknown {
                        action: name.to_owned(),
                        name: other.clone(),
                        position: list.as_ref().map_or(action.place.position, |it| it.position),
                    });
                }
            }
        }
    }
    if let Some(duplicate) = duplicate {
        return Err(duplicate);
    }
    let sorted = graph
        .sorted()
        .map_err(|action| OrderError::Loop { position: place_of(extensions, &action), action })?;
    let indices = sorted.into_iter().zip(1..).collect();
    Ok(Order { mode: OrderMode::Dependency, indices })
}

fn place_of(extensions: &Extensions, name: &str) -> Position {
    let named = extensions.actions.iter().find(|it| text(&it.name) == Some(name));
    let Some(action) = named.or(extensions.actions.first()) else {
        return extensions.place.position;
    };
    let depends = action.depends.as_ref();
    let list = depends.and_then(|it| it.before.as_ref().or(it.after.as_ref()));
    list.map_or(action.place.position, |it| it.position)
}

/// Edges in the order in which they were added: it decides the result where
/// the dependencies leave a choice.
#[derive(Default)]
struct Graph {
    names: Vec<String>,
    edges: Vec<Vec<usize>>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    Open,
    Done,
}

impl Graph {
    /// Tells whether there was none of that name.
    fn vertex(&mut self, name: &str) -> bool {
        let new = self.find(name).is_none();
        if new {
            self.names.push(name.to_owned());
            self.edges.push(Vec::new());
        }
        new
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|it| it == name)
    }

    /// Tells whether both ends exist.
    fn edge(&mut self, first: &str, second: &str) -> bool {
        let (Some(first), Some(second)) = (self.find(first), self.find(second)) else {
            return false;
        };
        self.edges[first].push(second);
        true
    }

    /// Reverse post-order of a depth-first search; the error is a vertex in a
    /// circle. Not recursive: the file decides how deep it goes.
    fn sorted(&self) -> Result<Vec<String>, String> {
        let mut states = vec![State::New; self.names.len()];
        let mut finished = Vec::new();
        for start in 0..self.names.len() {
            if states[start] != State::New {
                continue;
            }
            states[start] = State::Open;
            let mut stack = vec![(start, 0)];
            while let Some((vertex, edge)) = stack.pop() {
                let Some(&next) = self.edges[vertex].get(edge) else {
                    states[vertex] = State::Done;
                    finished.push(self.names[vertex].clone());
                    continue;
                };
                stack.push((vertex, edge + 1));
                match states[next] {
                    State::New => {
                        states[next] = State::Open;
                        stack.push((next, 0));
                    }
                    State::Open => return Err(self.names[next].clone()),
                    State::Done => {}
                }
            }
        }
        finished.reverse();
        Ok(finished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cedar::{Depends, ExtendedAction, Located},
        config::Position,
    };

    fn located<T>(value: T) -> Located<T> {
        Located { value, position: Position { line: 7, column: 1 } }
    }

    fn action(name: &str, before: &[&str], after: &[&str]) -> ExtendedAction {
        let list = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
            (!names.is_empty()).then(|| located(names))
        };
        ExtendedAction {
            name: Some(located(name.to_owned())),
            index: Some(located(99)),
            depends: Some(Depends { before: list(before), after: list(after) }),
            ..ExtendedAction::default()
        }
    }

    fn extensions(mode: &str, actions: Vec<ExtendedAction>) -> Extensions {
        let order_mode = Some(located(mode.to_owned()));
        Extensions { order_mode, actions, ..Extensions::default() }
    }

    #[test]
    fn dependencies_decide_and_what_they_leave_open_goes_as_in_cedar_backup() {
        let cases: [(Vec<ExtendedAction>, &str); 4] = [
            (
                vec![action("one", &[], &[]), action("two", &[], &[])],
                "two one collect stage store purge initialize validate rebuild",
            ),
            (
                vec![action("a", &["collect", "collect"], &[])],
                "a collect stage store purge initialize validate rebuild",
            ),
            (
                vec![action("a", &["b"], &[]), action("b", &[], &["a"])],
                "a b collect stage store purge initialize validate rebuild",
            ),
            (vec![], "initialize rebuild validate collect stage store purge"),
        ];
        for (actions, expected) in cases {
            let order = Order::new(Some(&extensions("dependency", actions))).unwrap();
            assert_eq!(order.sorted().join(" "), expected);
        }
    }

    #[test]
    fn impossible_dependencies_are_refused_with_their_place() {
        let unknown = extensions("dependency", vec![action("a", &["all"], &[])]);
        let error = Order::new(Some(&unknown)).unwrap_err();
        assert_eq!(error.to_string(), "there is no action `all` that `a` could depend on");
        assert_eq!(error.position().line, 7);
        for actions in [
            vec![action("a", &["a"], &[])],
            vec![action("a", &["collect"], &["purge"])],
            vec![action("a", &["b"], &[]), action("b", &["a"], &[])],
        ] {
            let error = Order::new(Some(&extensions("dependency", actions))).unwrap_err();
            assert!(matches!(error, OrderError::Loop { .. }), "{error}");
        }
        let twice = extensions("dependency", vec![action("collect", &[], &[])]);
        assert!(matches!(Order::new(Some(&twice)), Err(OrderError::Duplicate { .. })));
        let error = order(&twice).unwrap_err();
        assert_eq!(error.diagnostics().len(), 1);
    }

    #[test]
    fn actions_of_one_index_keep_the_order_of_the_command_line() {
        let extensions = extensions("index", vec![action("b", &[], &[]), action("a", &[], &[])]);
        let order = Order::new(Some(&extensions)).unwrap();
        assert_eq!(order.arranged(["purge", "b", "collect", "a"]), ["b", "a", "collect", "purge"]);
        assert_eq!(order.position("collect"), Some(100));
        assert_eq!(order.position("nothing"), None);
    }
}
