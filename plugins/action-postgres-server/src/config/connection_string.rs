//! Connection strings of the configuration.

use hayloft_plugin_api::config::Secret;
use hayloft_postgres::conninfo::{Conninfo, ConninfoError};
use serde::{Deserialize, Deserializer, de};

use crate::probe;

/// A connection string as libpq reads it. What can be wrong with it was looked
/// at when it was read, so that it is told with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionString(Secret);

impl ConnectionString {
    /// Returns the text, which may hold a password.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl<'de> Deserialize<'de> for ConnectionString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Secret::deserialize(deserializer)?;
        check(text.expose()).map_err(|error| {
            let told = probe::trouble(&error);
            let hint = hayloft_postgres::Failure::hint(&error);
            de::Error::custom(
                hint.map_or(told.problem.clone(), |it| format!("{}; {it}", told.problem)),
            )
        })?;
        Ok(Self(text))
    }
}

fn check(text: &str) -> Result<(), ConninfoError> {
    text.parse::<Conninfo>()?.check()
}
