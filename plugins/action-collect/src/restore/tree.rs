//! The state of a day: every path, and where its file is.

use std::collections::BTreeMap;

use super::{Index, Member};
use crate::{
    archive::{Kind, Presence},
    walk::paths::{is_within, join},
};

/// Where a file of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which archive, in the order in which they were given.
    pub archive: usize,
    /// The number of the member in it.
    pub member: usize,
}

/// A file that was there on that day, but is in no archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The path without the leading `/`.
    pub path: Vec<u8>,
    /// Whether it could not be read when it was collected; otherwise it is in
    /// an archive that is not there any more.
    pub unread: bool,
}

/// The state of a day, without the leading `/` in every path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// Every path, and where its file is.
    pub places: BTreeMap<Vec<u8>, Place>,
    /// What is nowhere.
    pub lost: Vec<Lost>,
}

impl Tree {
    /// Puts together what the archives of a chain have; `chain` are their
    /// places in `archives`, the newest first.
    pub fn of_chain(archives: &[Index], chain: &[usize]) -> Self {
        let Some((&newest, older)) = chain.split_first() else { return Self::default() };
        let listed = archives[newest].members.values().any(|it| it.entry.listing.is_some());
        if listed {
            Self::listed(archives, newest, older)
        } else {
            Self::laid_over(archives, chain)
        }
    }

    /// What the newest archive knows of every directory decides; so what was
    /// deleted does not come back.
    fn listed(archives: &[Index], newest: usize, older: &[usize]) -> Self {
        let mut tree = Self::default();
        let index = &archives[newest];
        for (member, Member { entry, .. }) in index.iter() {
            let path = entry.path.clone();
            let place = Place { archive: newest, member };
            match settled(archives, older, place) {
                Some(place) => drop(tree.places.insert(path, place)),
                None => tree.lost.push(Lost { path, unread: false }),
            }
            for (name, presence) in entry.listing.iter().flat_map(|it| &it.names) {
                let path = join(&entry.path, name);
                match presence {
                    Presence::Unchanged => match find_older(archives, older, &path) {
                        Some(place) => drop(tree.places.insert(path, place)),
                        None => tree.lost.push(Lost { path, unread: false }),
                    },
                    Presence::Stored | Presence::Directory if index.find(&path).is_none() => {
                        tree.lost.push(Lost { path, unread: true });
                    }
                    Presence::Stored | Presence::Directory | Presence::LeftOut => {}
                }
            }
        }
        tree
    }

    /// Without listings every archive adds to the older ones: so it is with
    /// those of Cedar Backup, and with single files.
    fn laid_over(archives: &[Index], chain: &[usize]) -> Self {
        let mut tree = Self::default();
        for &archive in chain.iter().rev() {
            for (member, Member { entry, .. }) in archives[archive].iter() {
                tree.places.insert(entry.path.clone(), Place { archive, member });
            }
        }
        tree
    }

    /// Adds another tree. What is below `root` is replaced: the other tree is
    /// of an item of its own there.
    pub fn lay_over(&mut self, other: Self, root: &[u8]) {
        let keep = |path: &[u8]| !is_within(path, root);
        self.places.retain(|path, _| keep(path));
        self.lost.retain(|it| keep(&it.path));
        for (path, place) in other.places {
            if is_within(&path, root) {
                self.places.insert(path, place);
            } else {
                // What a link led to, out of the item's own directory.
                self.places.entry(path).or_insert(place);
            }
        }
        self.lost.extend(other.lost);
    }
}

fn find_older(archives: &[Index], older: &[usize], path: &[u8]) -> Option<Place> {
    older.iter().enumerate().find_map(|(at, &archive)| {
        let member = archives[archive].find(path)?;
        let kind = &archives[archive].members[&member].entry.kind;
        if *kind == Kind::Directory {
            return None;
        }
        settled(archives, &older[at + 1..], Place { archive, member })
    })
}

/// Follows a name of a file that is in an older archive to where that is.
fn settled(archives: &[Index], older: &[usize], place: Place) -> Option<Place> {
    match archives[place.archive].leads_to(place.member) {
        Some(target) => find_older(archives, older, target),
        None => Some(place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{Entry, Listing};

    fn directory(path: &str, names: &[(&str, Presence)]) -> Entry {
        let names = names.iter().map(|(n, p)| (n.as_bytes().to_vec(), *p)).collect();
        Entry {
            path: path.into(),
            kind: Kind::Directory,
            listing: Some(Listing { names }),
            ..Entry::default()
        }
    }

    fn file(path: &str) -> Entry {
        Entry { path: path.into(), ..Entry::default() }
    }

    fn index(entries: Vec<Entry>) -> Index {
        let mut index = Index::default();
        for it in entries {
            index.add(it);
        }
        index
    }

    fn shown(tree: &Tree) -> Vec<String> {
        let places = tree.places.iter();
        places.map(|(p, it)| format!("{}@{}", String::from_utf8_lossy(p), it.archive)).collect()
    }

    #[test]
    fn deleted_and_left_out_files_do_not_come_back() {
        let full = index(vec![
            directory(
                "d",
                &[("a", Presence::Stored), ("b", Presence::Stored), ("c", Presence::Stored)],
            ),
            file("d/a"),
            file("d/b"),
            file("d/c"),
        ]);
        let increment = index(vec![
            directory(
                "d",
                &[("a", Presence::Unchanged), ("c", Presence::LeftOut), ("n", Presence::Stored)],
            ),
            file("d/n"),
        ]);
        let tree = Tree::of_chain(&[increment, full], &[0, 1]);
        assert_eq!(shown(&tree), ["d@0", "d/a@1", "d/n@0"]);
        assert!(tree.lost.is_empty());
    }

    #[test]
    fn the_newest_version_counts() {
        let names = [("a", Presence::Stored)];
        let full = index(vec![directory("d", &names), file("d/a")]);
        let second = index(vec![directory("d", &names), file("d/a")]);
        let third = index(vec![directory("d", &[("a", Presence::Unchanged)])]);
        let tree = Tree::of_chain(&[third, second, full], &[0, 1, 2]);
        assert_eq!(shown(&tree), ["d@0", "d/a@1"]);
    }

    #[test]
    fn a_new_name_of_an_unchanged_file_leads_to_it() {
        let full = index(vec![directory("d", &[("a", Presence::Stored)]), file("d/a")]);
        let link = |path: &str, to: &str| Entry {
            path: path.into(),
            kind: Kind::HardLink(to.into()),
            ..Entry::default()
        };
        let names = [("a", Presence::Unchanged), ("b", Presence::Stored)];
        let second = index(vec![directory("d", &names), link("d/b", "d/a")]);
        let names = [("b", Presence::Unchanged), ("c", Presence::Stored)];
        let third = index(vec![directory("d", &names), link("d/c", "d/b")]);
        let archives = [third, second, full];
        let tree = Tree::of_chain(&archives, &[0, 1, 2]);
        assert_eq!(shown(&tree), ["d@0", "d/b@2", "d/c@2"]);
        let tree = Tree::of_chain(&archives, &[0, 1]);
        assert_eq!(tree.lost.len(), 2);
    }

    #[test]
    fn what_is_nowhere_is_said() {
        let names = [("a", Presence::Unchanged), ("b", Presence::Stored)];
        let tree = Tree::of_chain(&[index(vec![directory("d", &names)])], &[0]);
        let lost = |path: &str, unread| Lost { path: path.into(), unread };
        assert_eq!(tree.lost, [lost("d/a", false), lost("d/b", true)]);
    }

    #[test]
    fn a_directory_that_became_a_file_is_one() {
        let full = index(vec![
            directory("d", &[("x", Presence::Directory)]),
            directory("d/x", &[("y", Presence::Stored)]),
            file("d/x/y"),
        ]);
        let increment = index(vec![directory("d", &[("x", Presence::Stored)]), file("d/x")]);
        let tree = Tree::of_chain(&[increment, full], &[0, 1]);
        assert_eq!(shown(&tree), ["d@0", "d/x@0"]);
    }

    #[test]
    fn archives_without_listings_add_up() {
        let tree = Tree::of_chain(
            &[index(vec![file("d/a")]), index(vec![file("d/a"), file("d/b")])],
            &[0, 1],
        );
        assert_eq!(shown(&tree), ["d/a@0", "d/b@1"]);
    }

    #[test]
    fn an_item_inside_of_another_has_the_last_word() {
        let mut tree = Tree::of_chain(&[index(vec![file("d/a"), file("d/in/old")])], &[0]);
        let archives = [Index::default(), index(vec![file("d/in/new"), file("elsewhere")])];
        tree.lay_over(Tree::of_chain(&archives, &[1]), b"d/in");
        assert_eq!(shown(&tree), ["d/a@0", "d/in/new@1", "elsewhere@1"]);
    }
}
