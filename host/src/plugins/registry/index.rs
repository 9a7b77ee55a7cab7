//! Who offers what, after all duplicates and conflicts are decided.

use std::collections::BTreeMap;

use crate::plugins::{
    entry::{Entry, Note},
    search::Rank,
};

/// Who offers one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claim {
    /// The entry of that number, which may have a problem.
    One(usize),
    /// Several, and nothing says which is meant.
    Several(Vec<usize>),
}

/// From kind and name to entry.
#[derive(Debug, Default)]
pub(super) struct Index {
    claims: BTreeMap<String, BTreeMap<String, Claim>>,
}

impl Index {
    /// Decides which plugin is meant by each kind and name, and notes with the
    /// others why they are not.
    ///
    /// * Of several plugins with one id, those of the best rank count: named in
    ///   the configuration, built in, in an earlier directory.
    /// * Of those that then offer the same thing, the one that the
    ///   configuration names is meant. If there is none, none is.
    /// * A plugin that cannot be used counts only if nobody else offers the
    ///   thing, or if the configuration names it: another one must not take its
    ///   place unnoticed.
    pub(super) fn build(entries: &mut [Entry]) -> Self {
        for entry in entries.iter_mut() {
            entry.notes.retain(|note| *note == Note::AbortsOnPanic);
        }
        let meant = hide_duplicates(entries);
        let mut offers: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
        for &at in &meant {
            for it in &entries[at].metadata().provides {
                let all = offers.entry((it.kind.clone(), it.name.clone())).or_default();
                // One that offers a thing twice offers it.
                if all.last() != Some(&at) {
                    all.push(at);
                }
            }
        }
        let mut index = Self::default();
        for ((kind, name), all) in offers {
            let claim = decide(entries, &all);
            note(entries, &all, &claim, &kind, &name);
            index.claims.entry(kind).or_default().insert(name, claim);
        }
        index
    }

    pub(super) fn claim(&self, kind: &str, name: &str) -> Option<&Claim> {
        self.claims.get(kind)?.get(name)
    }

    pub(super) fn names(&self, kind: &str) -> Vec<&str> {
        self.claims.get(kind).into_iter().flat_map(BTreeMap::keys).map(String::as_str).collect()
    }

    pub(super) fn kinds(&self) -> impl Iterator<Item = &str> {
        self.claims.keys().map(String::as_str)
    }

    /// Returns every thing with the entry that offers it, conflicts left out.
    pub(super) fn decided(&self) -> impl Iterator<Item = (&str, &str, usize)> {
        self.claims.iter().flat_map(|(kind, names)| {
            names.iter().filter_map(|(name, claim)| match claim {
                Claim::One(at) => Some((kind.as_str(), name.as_str(), *at)),
                Claim::Several(_) => None,
            })
        })
    }
}

/// Whether an entry can be meant at all.
fn counts(entry: &Entry) -> bool {
    entry.problems().is_empty() || entry.rank == Rank::Configured
}

/// Returns the entries that no other of the same id hides.
fn hide_duplicates(entries: &mut [Entry]) -> Vec<usize> {
    let mut best: BTreeMap<String, (bool, Rank, String)> = BTreeMap::new();
    for entry in &*entries {
        let this = (!counts(entry), entry.rank, entry.place());
        let known = best.entry(entry.metadata().id.clone()).or_insert_with(|| this.clone());
        if (this.0, this.1) < (known.0, known.1) {
            *known = this;
        }
    }
    let mut meant = Vec::new();
    for (at, entry) in entries.iter_mut().enumerate() {
        let Some((broken, rank, place)) = best.get(&entry.metadata().id) else { continue };
        if (!counts(entry), entry.rank) == (*broken, *rank) {
            meant.push(at);
        } else {
            entry.notes.push(Note::Hidden { by: place.clone() });
        }
    }
    meant
}

fn decide(entries: &[Entry], all: &[usize]) -> Claim {
    let those = |test: fn(&Entry) -> bool| -> Vec<usize> {
        all.iter().copied().filter(|at| test(&entries[*at])).collect()
    };
    let named = those(|it| it.rank == Rank::Configured);
    let usable = those(counts);
    let choice = [named, usable, all.to_vec()].into_iter().find(|it| !it.is_empty());
    match choice.as_deref() {
        Some([one]) => Claim::One(*one),
        Some([first, ..]) if !counts(&entries[*first]) => Claim::One(*first),
        several => Claim::Several(several.unwrap_or_default().to_vec()),
    }
}

fn note(entries: &mut [Entry], all: &[usize], claim: &Claim, kind: &str, name: &str) {
    let (kind, name) = (kind.to_owned(), name.to_owned());
    match claim {
        Claim::One(one) => {
            let by = entries[*one].place();
            for at in all.iter().filter(|at| *at != one) {
                let (kind, name, by) = (kind.clone(), name.clone(), by.clone());
                entries[*at].notes.push(Note::Overridden { kind, name, by });
            }
        }
        Claim::Several(several) => {
            for at in several {
                let other = several.iter().find(|other| *other != at);
                let with = other.map(|other| entries[*other].place()).unwrap_or_default();
                let (kind, name) = (kind.clone(), name.clone());
                entries[*at].notes.push(Note::Conflict { kind, name, with });
            }
        }
    }
}
