//! Events, and the hooks that listen to them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{config::Configuration, error::Result};

/// Something that is about to happen or has happened.
///
/// Names begin with `pre_` (a hook may veto or ask for a retry) or `post_`
/// (a hook is told of the outcome), or are `on_error`, `on_warning`,
/// `on_overdue`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The event's name, such as `pre_action`.
    pub name: String,
    /// What it is about. A script gets each field as a variable `HAYLOFT_…`.
    pub fields: BTreeMap<String, String>,
}

impl Event {
    /// Creates an event without fields.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), fields: BTreeMap::new() }
    }

    /// Adds a field.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields.insert(name.into(), value.into());
        self
    }
}

/// What a hook wants to happen next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "verdict", content = "reason")]
#[non_exhaustive]
pub enum Verdict {
    /// Go on.
    Continue,
    /// Do not do it, because of the reason. Only `pre_` events are stopped by
    /// it; for others it is a warning.
    Veto(String),
    /// Call this hook again in a while; the host bounds how often.
    Retry(String),
}

/// Is told of events.
pub trait Hook: Sized + Send + Sync + 'static {
    /// The `<hook>` element, without `<on>`, `<type>`, `<action>`, `<retry>`
    /// and `<timeout>`, which the host looks after.
    type Config: Configuration;

    /// Creates it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`](crate::ErrorKind::CONFIGURATION) for a
    /// value that decodes but cannot be used.
    fn new(config: Self::Config) -> Result<Self>;

    /// Is called for each event the hook is configured for.
    ///
    /// # Errors
    ///
    /// An error of a `pre_` hook vetoes, one of any other hook is a warning.
    fn on_event(&self, event: &Event) -> Result<Verdict>;
}
