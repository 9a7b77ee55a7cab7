//! What libpq looks at besides the connection string.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
};

/// The environment of a connection, as a value: nothing else reads the
/// process's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: Variables,
    home: Option<PathBuf>,
    user: Option<String>,
}

/// The variables; `Debug` does not show what they hold.
#[derive(Clone, Default, PartialEq, Eq)]
struct Variables(BTreeMap<String, String>);

impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Environment {
    /// Returns one without variables, home directory and user.
    pub fn empty() -> Self {
        Self { user: Some("nobody".to_owned()), ..Self::default() }
    }

    /// Takes that of this process: its variables whose names begin with
    /// `PG`, `$HOME` (or the home directory in the user database), and
    /// the name of its user.
    pub fn of_process() -> Self {
        let ours = env::vars_os().filter_map(|(name, value)| {
            Some((
                name.into_string().ok().filter(|it| it.starts_with("PG"))?,
                value.into_string().ok()?,
            ))
        });
        let entry = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
        let home = env::var_os("HOME").filter(|it| !it.is_empty()).map(PathBuf::from);
        Self {
            variables: Variables(ours.collect()),
            home: home.or_else(|| entry.as_ref().map(|it| it.dir.clone())),
            user: entry.map(|it| it.name),
        }
    }

    /// Sets a variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.0.insert(name.to_owned(), value.into());
        self
    }

    /// Sets the home directory, where `.pgpass`, `.pg_service.conf` and
    /// `.postgresql` are.
    #[must_use]
    pub fn with_home(mut self, home: impl Into<PathBuf>) -> Self {
        self.home = Some(home.into());
        self
    }

    /// Sets the name of the operating system's user, the default of `user`.
    #[must_use]
    pub fn with_user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    pub(super) fn get(&self, variable: &str) -> Option<&str> {
        self.variables.0.get(variable).map(String::as_str)
    }

    pub(super) fn in_home(&self, name: &str) -> Option<PathBuf> {
        self.home.as_deref().map(|home: &Path| home.join(name))
    }

    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }
}
