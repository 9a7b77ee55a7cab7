//! Where in which storage.

use std::fmt;

use hayloft_plugin_api::{Error, ErrorKind, Result};

/// An object, or everything below a key that ends with a slash or is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) storage: String,
    pub(crate) key: String,
}

impl Place {
    /// Reads `STORAGE:KEY`, or only the storage's name.
    ///
    /// # Errors
    ///
    /// If there is no such storage, or the key cannot be one.
    pub(crate) fn parse(text: &str, known: &[String]) -> Result<Self> {
        let named = |name: &&String| {
            text.strip_prefix(name.as_str()).is_some_and(|it| it.is_empty() || it.starts_with(':'))
        };
        // A name may have a colon.
        let Some(name) = known.iter().filter(named).max_by_key(|name| name.len()) else {
            return Err(unknown(text, known));
        };
        let key = text[name.len()..].trim_start_matches(':').trim_start_matches('/');
        let bad =
            |it: &str| it.is_empty() || it == "." || it == ".." || it.chars().any(char::is_control);
        let segments = key.strip_suffix('/').unwrap_or(key);
        if !segments.is_empty() && segments.split('/').any(bad) {
            return Err(Error::msg(format!("`{text}` has a part that cannot be in a key"))
                .hint("no part between slashes is empty, `.` or `..`, or has control characters"));
        }
        Ok(Self { storage: name.clone(), key: key.to_owned() })
    }

    /// Tells whether it is written as everything below a key.
    pub(crate) fn is_tree(&self) -> bool {
        self.key.is_empty() || self.key.ends_with('/')
    }

    /// Returns what all keys below it begin with.
    pub(crate) fn prefix(&self) -> String {
        if self.is_tree() { self.key.clone() } else { format!("{}/", self.key) }
    }

    /// Returns the object of that name below it.
    pub(crate) fn below(&self, name: &str) -> Self {
        Self { storage: self.storage.clone(), key: format!("{}{name}", self.prefix()) }
    }

    /// Returns the last part of the key.
    pub(crate) fn name(&self) -> &str {
        let key = self.key.strip_suffix('/').unwrap_or(&self.key);
        key.rsplit('/').next().unwrap_or(key)
    }

    /// Refuses what is no single object.
    ///
    /// # Errors
    ///
    /// Saying so.
    pub(crate) fn single(self) -> Result<Self> {
        if self.is_tree() {
            return Err(Error::msg(format!("`{self}` is no single object"))
                .hint("write STORAGE:KEY, without a slash at the end"));
        }
        Ok(self)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.storage, self.key)
    }
}

fn unknown(text: &str, known: &[String]) -> Error {
    let name = text.split(':').next().unwrap_or(text);
    let error = Error::new(ErrorKind::NOT_FOUND, format!("there is no storage `{name}`"));
    if known.is_empty() {
        return error.hint("add <storages><storage> to the configuration");
    }
    error.hint(format!("there are: {}; an object is written STORAGE:KEY", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_storage_and_a_key() {
        let known = ["disk", "disk:old", "offsite"].map(ToOwned::to_owned);
        let cases = [
            ("disk:a/b", Some(("disk", "a/b", false))),
            ("disk:a/", Some(("disk", "a/", true))),
            ("disk:", Some(("disk", "", true))),
            ("disk", Some(("disk", "", true))),
            ("disk:/a", Some(("disk", "a", false))),
            ("disk:old", Some(("disk:old", "", true))),
            ("disk:old:x", Some(("disk:old", "x", false))),
            ("disk:older", Some(("disk", "older", false))),
            ("offsite:c:d", Some(("offsite", "c:d", false))),
            ("tape:x", None),
            ("dis", None),
            ("diskette:x", None),
            ("disk:a//b", None),
            ("disk:../b", None),
            ("disk:a/./b", None),
            ("disk:a\nb", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let parsed = Place::parse(text, &known);
            let found =
                parsed.as_ref().ok().map(|it| (it.storage.as_str(), it.key.as_str(), it.is_tree()));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn what_is_below_has_a_slash_between() {
        let place = |key: &str| Place { storage: "s".to_owned(), key: key.to_owned() };
        for (key, below, name) in [("", "x", ""), ("a/", "a/x", "a"), ("a/b", "a/b/x", "b")] {
            assert_eq!(place(key).below("x").key, below);
            assert_eq!(place(key).name(), name);
        }
    }
}
