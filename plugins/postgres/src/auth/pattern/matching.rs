//! Whether a text has what a pattern is about.

use std::collections::BTreeSet;

use super::syntax::{Node, Place};

/// How much is tried before only the server can tell.
const STEPS: usize = 300_000;
/// How deep one part may lead to the next before only the server can tell.
const DEEPEST: usize = 1200;

/// A pattern at work on a text.
pub(super) struct Search<'a> {
    text: &'a [u8],
    fold: bool,
    /// What each group holds at the moment, from 1.
    groups: Vec<Option<(usize, usize)>>,
    steps: usize,
    depth: usize,
}

/// What comes after a part; tells whether that was enough.
type Then<'t, 'a> = &'t mut dyn FnMut(&mut Search<'a>, usize) -> bool;

/// A way to match: where it ends, and what the first group holds then.
pub(super) type Way = (usize, Option<(usize, usize)>);

/// Too much to try.
pub(super) struct TooMuch;

impl<'a> Search<'a> {
    pub(super) fn new(text: &'a [u8], groups: usize, fold: bool) -> Self {
        Self { text, fold, groups: vec![None; groups + 1], steps: 0, depth: 0 }
    }

    /// Tells where the leftmost match begins.
    pub(super) fn start(&mut self, node: &Node) -> Result<Option<usize>, TooMuch> {
        for at in 0..=self.text.len() {
            let found = self.go(node, at, &mut |_, _| true);
            if self.steps >= STEPS {
                return Err(TooMuch);
            }
            if found {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// Returns every way to match from a place on.
    pub(super) fn ways(&mut self, node: &Node, start: usize) -> Result<BTreeSet<Way>, TooMuch> {
        let mut ways = BTreeSet::new();
        self.go(node, start, &mut |search, end| {
            ways.insert((end, search.groups.get(1).copied().flatten()));
            false
        });
        if self.steps >= STEPS { Err(TooMuch) } else { Ok(ways) }
    }

    fn go(&mut self, node: &Node, at: usize, then: Then<'_, 'a>) -> bool {
        self.steps += 1;
        if self.steps >= STEPS || self.depth >= DEEPEST {
            self.steps = STEPS;
            return true;
        }
        self.depth += 1;
        let enough = self.enter(node, at, then);
        self.depth -= 1;
        enough
    }

    fn enter(&mut self, node: &Node, at: usize, then: Then<'_, 'a>) -> bool {
        match node {
            Node::One(set) => {
                self.text.get(at).is_some_and(|it| set.has(*it)) && then(self, at + 1)
            }
            Node::At(place) => self.is_at(*place, at) && then(self, at),
            Node::Look { ahead, wanted, node } => {
                self.looks(node, *ahead, at) == *wanted && then(self, at)
            }
            Node::Back(number) => {
                let Some((start, end)) = self.groups.get(*number).copied().flatten() else {
                    return false;
                };
                let held = &self.text[start..end];
                let there = self.text.get(at..at + held.len());
                let same = there
                    .is_some_and(|it| it == held || self.fold && it.eq_ignore_ascii_case(held));
                same && then(self, at + held.len())
            }
            Node::Group(None, node) => self.go(node, at, then),
            Node::Group(Some(number), node) => self.go(node, at, &mut |search, end| {
                let before = search.groups[*number].replace((at, end));
                let enough = then(search, end);
                search.groups[*number] = before;
                enough
            }),
            Node::Repeat { node, least, most, .. } => {
                self.repeat((node, *least, *most), 0, at, then)
            }
            Node::All(nodes) => self.all(nodes, at, then),
            Node::Any(nodes) => nodes.iter().any(|node| self.go(node, at, then)),
        }
    }

    fn all(&mut self, nodes: &[Node], at: usize, then: Then<'_, 'a>) -> bool {
        match nodes {
            [] => then(self, at),
            [only] => self.go(only, at, then),
            [first, rest @ ..] => {
                self.go(first, at, &mut |search, end| search.all(rest, end, then))
            }
        }
    }

    fn repeat(
        &mut self,
        what: (&Node, u32, Option<u32>),
        count: u32,
        at: usize,
        then: Then<'_, 'a>,
    ) -> bool {
        let (node, least, most) = what;
        if most.is_none_or(|it| count < it) {
            // Each round begins with nothing in the groups inside.
            let mut inside = Vec::new();
            groups_of(node, &mut inside);
            let before: Vec<_> = inside.iter().map(|it| self.groups[*it].take()).collect();
            let enough = self.go(node, at, &mut |search, end| {
                if end > at || count < least {
                    search.repeat(what, count + 1, end, then)
                } else {
                    // A round without progress leads to no further one.
                    then(search, end)
                }
            });
            for (number, held) in inside.into_iter().zip(before) {
                self.groups[number] = held;
            }
            if enough {
                return true;
            }
        }
        count >= least && then(self, at)
    }

    fn looks(&mut self, node: &Node, ahead: bool, at: usize) -> bool {
        if ahead {
            return self.go(node, at, &mut |_, _| true);
        }
        (0..=at).any(|start| self.go(node, start, &mut |_, end| end == at))
    }

    fn is_at(&self, place: Place, at: usize) -> bool {
        let is_word = |at: Option<usize>| {
            let byte = at.and_then(|it| self.text.get(it));
            byte.is_some_and(|it| it.is_ascii_alphanumeric() || *it == b'_')
        };
        let (before, after) = (is_word(at.checked_sub(1)), is_word(Some(at)));
        match place {
            Place::Start => at == 0,
            Place::End => at == self.text.len(),
            Place::WordStart => !before && after,
            Place::WordEnd => before && !after,
            Place::WordEdge => before != after,
            Place::NoWordEdge => before == after,
        }
    }
}

/// Finds the numbers of the groups in a part.
pub(super) fn groups_of(node: &Node, found: &mut Vec<usize>) {
    match node {
        Node::Group(number, node) => {
            found.extend(number);
            groups_of(node, found);
        }
        Node::Repeat { node, .. } => groups_of(node, found),
        Node::All(nodes) | Node::Any(nodes) => nodes.iter().for_each(|it| groups_of(it, found)),
        Node::One(_) | Node::At(_) | Node::Look { .. } | Node::Back(_) => {}
    }
}
