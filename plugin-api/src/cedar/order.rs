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
            Self::Unknown { position, .. } | Self::Loop { position, .. } => *position,
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

    /// Puts the built-in actions and those of the extensions in order. An
    /// extension of a built-in action's name takes its place.
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
    for action in &extensions.actions {
        graph.vertex(text(&action.name).unwrap_or_default());
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
    fn vertex(&mut self, name: &str) {
        if self.find(name).is_none() {
            self.names.push(name.to_owned());
            self.edges.push(Vec::new());
        }
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
