//! What is in an archive, without the contents.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io::Read,
};

use crate::archive::{ArchiveError, Entry, Facts, Kind, Reader};

/// What is in an archive.
#[derive(Debug, Default)]
pub struct Index {
    /// What the archive says about itself; `None` if it is not ours.
    pub facts: Option<Facts>,
    /// The members, by their numbers in the archive.
    pub members: BTreeMap<usize, Member>,
    /// The number that the next member gets.
    next: usize,
    /// The last member of each path, which is the one that counts.
    by_path: HashMap<Vec<u8>, usize>,
}

/// A member of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What it is.
    pub entry: Entry,
    /// The member that has the content: the number of itself, or of the one
    /// that a hard link leads to.
    pub content: usize,
}

impl Index {
    /// Reads a plain archive from start to end, and so checks all of it.
    ///
    /// # Errors
    ///
    /// Every [`ArchiveError`]; a hard link without its target is damage.
    pub fn read(
        input: impl Read,
        going_on: &mut dyn FnMut() -> bool,
    ) -> Result<Self, ArchiveError> {
        let mut reader = Reader::new(input);
        let mut index = Self::default();
        while let Some(entry) = reader.next_entry()? {
            index.add(entry);
            if !going_on() {
                return Err(ArchiveError::Read(std::io::ErrorKind::Interrupted.into()));
            }
        }
        index.facts = reader.facts().cloned();
        Ok(index)
    }

    /// Appends a member.
    pub fn add(&mut self, entry: Entry) {
        let number = self.next;
        self.next += 1;
        let content = match &entry.kind {
            // One without a target leads into an older archive.
            Kind::HardLink(target) => {
                self.by_path.get(target).map_or(number, |it| self.members[it].content)
            }
            _ => number,
        };
        self.by_path.insert(entry.path.clone(), number);
        self.members.insert(number, Member { entry, content });
    }

    /// Returns the number of the member with that path.
    pub fn find(&self, path: &[u8]) -> Option<usize> {
        self.by_path.get(path).copied()
    }

    /// Returns the members that count, with their numbers: of several with
    /// one path only the last.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Member)> {
        let all = self.members.iter().map(|(number, member)| (*number, member));
        all.filter(|it| self.find(&it.1.entry.path) == Some(it.0))
    }

    /// Returns where a member leads that is another name of a file in an older
    /// archive.
    pub fn leads_to(&self, number: usize) -> Option<&[u8]> {
        let member = self.members.get(&number)?;
        match &self.members.get(&member.content)?.entry.kind {
            Kind::HardLink(target) => Some(target),
            _ => None,
        }
    }

    /// Returns everything that members lead to in older archives.
    pub fn led_to(&self) -> impl Iterator<Item = &[u8]> {
        self.members.keys().filter_map(|it| self.leads_to(*it))
    }

    /// Forgets the members that nobody will ask for; what a kept hard link
    /// leads to is kept too.
    pub fn keep(&mut self, wanted: impl Fn(&[u8]) -> bool) {
        let kept: HashSet<usize> = self
            .iter()
            .filter(|(_, it)| wanted(&it.entry.path))
            .flat_map(|(number, it)| [number, it.content])
            .collect();
        self.members.retain(|number, _| kept.contains(number));
        self.by_path.retain(|_, number| kept.contains(number));
    }
}
