//! What is to be copied, and what is there already.

use std::iter::Peekable;

use hayloft_plugin_api::{ObjectMeta, Result};

use super::Tree;
use crate::listing::Objects;

/// An object and its place in the target.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    /// Counts from 0, in the order of the keys.
    pub(super) number: u64,
    pub(super) object: ObjectMeta,
    /// Its key in the target.
    pub(super) to: String,
    /// What is there.
    pub(super) there: Option<ObjectMeta>,
}

/// All objects of the source with what the target has in their places. Both
/// are listed in the order of the keys, side by side.
pub(super) struct Pairs {
    source: Objects,
    target: Peekable<Objects>,
    /// How much of a key is the source's prefix.
    stripped: usize,
    target_prefix: String,
    number: u64,
}

impl Pairs {
    /// Begins behind `after`, a key of the source, or nothing.
    pub(super) fn list(source: Tree<'_>, target: Tree<'_>, after: &str) -> Self {
        let rest = after.strip_prefix(source.1).unwrap_or_default();
        let behind = if rest.is_empty() { String::new() } else { format!("{}{rest}", target.1) };
        Self {
            source: Objects::list(source.0, source.1, after),
            target: Objects::list(target.0, target.1, &behind).peekable(),
            stripped: source.1.len(),
            target_prefix: target.1.to_owned(),
            number: 0,
        }
    }

    /// Returns what is there in the place of a key, and passes what comes
    /// before it.
    fn find(&mut self, key: &str) -> Result<Option<ObjectMeta>> {
        while let Some(there) = self.target.peek() {
            match there {
                Ok(there) if there.key.as_str() > key => return Ok(None),
                Ok(there) if there.key == key => return self.target.next().transpose(),
                // One that is before it, or an error.
                _ => self.target.next().transpose().map(drop)?,
            }
        }
        Ok(None)
    }
}

impl Iterator for Pairs {
    type Item = Result<Pair>;

    fn next(&mut self) -> Option<Self::Item> {
        let object = match self.source.next()? {
            Ok(object) => object,
            Err(error) => return Some(Err(error)),
        };
        let to = format!("{}{}", self.target_prefix, &object.key[self.stripped..]);
        let number = self.number;
        self.number += 1;
        Some(self.find(&to).map(|there| Pair { number, object, to, there }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    #[test]
    fn each_object_meets_what_is_in_its_place() {
        let (source, target) = (Memory::new(), Memory::new());
        for key in ["a/1", "a/2", "a/3/x", "a/4", "b"] {
            source.place(key, b"x");
        }
        for key in ["a/1", "to/0", "to/2", "to/3/a", "to/3/x", "to/9", "u"] {
            target.place(key, b"y");
        }
        let (source, target) = (source.open(), target.open());
        let pairs = |after: &str| -> Vec<_> {
            let pairs = Pairs::list((&source, "a/"), (&target, "to/"), after);
            pairs.map(|it| it.unwrap()).map(|it| (it.to, it.there.map(|it| it.key))).collect()
        };
        let expected =
            [("to/1", None), ("to/2", Some("to/2")), ("to/3/x", Some("to/3/x")), ("to/4", None)]
                .map(|(to, there)| (to.to_owned(), there.map(ToOwned::to_owned)));
        assert_eq!(pairs(""), expected);
        assert_eq!(pairs("a/2"), expected[2..]);
    }
}
