//! Objects in their order, however many there are.

use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    thread,
};

use hayloft_plugin_api::{ObjectMeta, Result, StorageHandle};

/// How many objects are asked for at a time: few enough to keep, and enough
/// for a store that reads a directory anew each time.
const PAGE: u32 = 10_000;
/// The fewest that are asked for where most are skipped.
const SMALL_PAGE: u32 = 100;

/// All objects whose key begins with a prefix, in the order of the keys. While
/// some are worked on the next ones are fetched.
#[derive(Debug)]
pub(crate) struct Objects {
    pages: Receiver<Result<Vec<ObjectMeta>>>,
    page: std::vec::IntoIter<ObjectMeta>,
}

impl Objects {
    /// Begins behind the key `after`.
    pub(crate) fn list(storage: &Arc<StorageHandle>, prefix: &str, after: &str) -> Self {
        let (sender, pages) = mpsc::sync_channel(1);
        let (storage, prefix, mut after) =
            (Arc::clone(storage), prefix.to_owned(), after.to_owned());
        thread::spawn(move || {
            loop {
                let page = storage.list(&prefix, &after, PAGE);
                let last = page.as_ref().ok().filter(|it| it.len() == PAGE as usize);
                let last = last.and_then(|it| it.last()).map(|it| it.key.clone());
                // Whoever is not interested any more does not listen.
                if sender.send(page).is_err() {
                    return;
                }
                match last {
                    Some(key) => after = key,
                    None => return,
                }
            }
        });
        Self { pages, page: Vec::new().into_iter() }
    }
}

impl Iterator for Objects {
    type Item = Result<ObjectMeta>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(object) = self.page.next() {
                return Some(Ok(object));
            }
            match self.pages.recv() {
                Ok(Ok(page)) => self.page = page.into_iter(),
                Ok(Err(error)) => return Some(Err(error)),
                Err(_) => return None,
            }
        }
    }
}

/// What stands in a listing that does not go deeper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// There are objects whose key begins with this, which ends with a slash.
    Tree(String),
    /// An object.
    Object(ObjectMeta),
}

/// Calls `each` with what is directly below a prefix, in order, until it
/// answers that it has enough. What is deeper is skipped, not read.
///
/// # Errors
///
/// The storage's, and those of `each`.
pub(crate) fn children(
    storage: &StorageHandle,
    prefix: &str,
    mut each: impl FnMut(Entry) -> Result<bool>,
) -> Result<()> {
    let (mut after, mut tree, mut size) = (String::new(), None::<String>, SMALL_PAGE);
    loop {
        let page = storage.list(prefix, &after, size)?;
        let is_last = page.len() < size as usize;
        let mut skipped = false;
        for object in page {
            skipped = tree.as_ref().is_some_and(|it| object.key.starts_with(it.as_str()));
            if skipped {
                continue;
            }
            let rest = &object.key[prefix.len()..];
            let entry = if let Some(slash) = rest.find('/') {
                let below = object.key[..=prefix.len() + slash].to_owned();
                skipped = true;
                Entry::Tree(tree.insert(below).clone())
            } else {
                after.clone_from(&object.key);
                Entry::Object(object)
            };
            if !each(entry)? {
                return Ok(());
            }
        }
        if is_last {
            return Ok(());
        }
        if let Some(tree) = tree.as_ref().filter(|_| skipped) {
            // No character is greater, so nothing below it is left but what
            // begins with that one, and that is skipped too.
            after = format!("{}{}", after_below(&after, tree), '\u{10ffff}');
            size = SMALL_PAGE;
        } else {
            size = (size * 4).min(PAGE);
        }
    }
}

/// Goes on behind what came last, even where keys begin with the greatest
/// character there is.
fn after_below<'a>(after: &'a str, tree: &'a str) -> &'a str {
    if after.starts_with(tree) { after } else { tree }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    fn handle(keys: impl IntoIterator<Item = String>) -> Arc<StorageHandle> {
        let memory = Memory::new();
        for key in keys {
            memory.place(&key, b"12345");
        }
        memory.open()
    }

    fn names(storage: &StorageHandle, prefix: &str) -> Vec<String> {
        let mut names = Vec::new();
        let take = |entry| {
            names.push(match entry {
                Entry::Tree(tree) => tree,
                Entry::Object(object) => object.key,
            });
            Ok(true)
        };
        children(storage, prefix, take).unwrap();
        names
    }

    #[test]
    fn what_is_directly_below_is_found_whatever_is_deeper() {
        let keys = ["a", "a.b", "a/1", "a/2/x", "a0", "b/\u{10ffff}\u{10ffff}", "b/c", "c/d/e"];
        let storage = handle(keys.map(ToOwned::to_owned));
        assert_eq!(names(&storage, ""), ["a", "a.b", "a/", "a0", "b/", "c/"]);
        assert_eq!(names(&storage, "a/"), ["a/1", "a/2/"]);
        assert_eq!(names(&storage, "c/d/"), ["c/d/e"]);
        assert_eq!(names(&storage, "x/"), [""; 0]);
    }

    #[test]
    fn many_trees_and_many_objects_take_pages() {
        let deep = (0..7).flat_map(|i| (0..450).map(move |j| format!("t{i}/{j:04}/x")));
        let flat = (0..900).map(|i| format!("u{i:04}"));
        let great = (0..250).map(|i| format!("v/\u{10ffff}{i:04}"));
        let storage = handle(deep.chain(flat).chain(great).chain(["w".to_owned()]));
        let names = names(&storage, "");
        assert_eq!(names.len(), 7 + 900 + 2, "{:?}", names.last());
        assert!(names.is_sorted());
    }

    #[test]
    fn an_end_comes_when_enough_were_taken() {
        let storage = handle((0..1000).map(|i| format!("{i:04}")));
        let mut count = 0;
        let take = |_| {
            count += 1;
            Ok(count < 150)
        };
        children(&storage, "", take).unwrap();
        assert_eq!(count, 150);
    }

    #[test]
    fn all_objects_come_in_order() {
        let storage = handle((0..25_000).map(|i| format!("{}/{i:05}", i % 3)));
        let all: Vec<_> = Objects::list(&storage, "", "").map(|it| it.unwrap().key).collect();
        assert_eq!(all.len(), 25_000);
        assert!(all.is_sorted());
        let rest: Vec<_> = Objects::list(&storage, "2/", "2/24000").map(Result::unwrap).collect();
        assert_eq!(rest.len(), 333);
    }
}
