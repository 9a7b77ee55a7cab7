//! One file of rules, and editing it by index or by fields.

use std::fmt::Debug;

use super::{
    expand::include,
    layout::{Layout, Slot},
    sheet::Sheet,
    word::{Fields as RawFields, Word},
};
use crate::hba::{HbaError, RuleError, Server};

/// What a line with content is: a rule of `pg_hba.conf`, or a mapping of
/// `pg_ident.conf`.
pub trait Record: Clone + PartialEq + Debug {
    /// What a record is looked for by.
    type Fields;

    /// Reads a record from its fields.
    ///
    /// # Errors
    ///
    /// Why the server would refuse it.
    fn from_words(fields: &[Vec<Word>], server: &Server) -> Result<Self, RuleError>;

    /// Returns the fields as they are to be written.
    ///
    /// # Errors
    ///
    /// [`RuleError::LineEnd`] for what cannot be written in one line.
    fn to_fields(&self) -> Result<Vec<(Slot, Vec<u8>)>, RuleError>;

    /// Tells what the fields are from which the record was read.
    fn slots(&self, fields: &[Vec<Word>]) -> Vec<Slot>;

    /// Returns the columns of the file that `initdb` writes.
    fn usual() -> Vec<(Slot, usize)>;

    /// Tells whether it has these fields.
    fn has(&self, fields: &Self::Fields) -> bool;

    /// Returns what finds this record and those that mean the same.
    fn own_fields(&self) -> Self::Fields;
}

/// Where a rule goes, seen from another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Before it, and before the comments directly above it.
    Before,
    /// Directly after it.
    After,
}

/// A rule in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed<R> {
    /// The rule. `@file` words stand as they are.
    pub rule: R,
    /// The number of its first line, from 1.
    pub line: usize,
    /// How many lines it has: more than one if it is continued.
    pub lines: usize,
    // Invariant: the index of its line in the sheet.
    index: usize,
}

/// One file. What is not edited stays as it is, to the byte.
///
/// Rules have indexes: comments, empty lines, directives and lines that the
/// server would refuse do not count. After every edit the lines of later
/// rules are the new ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document<R> {
    sheet: Sheet,
    server: Server,
    // Invariant: derived from `sheet`.
    rules: Vec<Placed<R>>,
    problems: Vec<(usize, RuleError)>,
}

impl<R: Record> Document<R> {
    /// Reads any content, as it is for a certain server.
    pub fn parse(content: &[u8], server: &Server) -> Self {
        Self::of(Sheet::parse(content, server.major), server.clone())
    }

    fn of(sheet: Sheet, server: Server) -> Self {
        let (mut rules, mut problems) = (Vec::new(), Vec::new());
        for (index, line, raw) in sheet.lines() {
            let fields = words(raw);
            let number = line.lines.start + 1;
            if raw.too_long {
                problems.push((number, RuleError::TooLong));
                continue;
            }
            if fields.is_empty() || include(&fields, server.major).is_some() {
                continue;
            }
            match R::from_words(&fields, &server) {
                Ok(rule) => {
                    rules.push(Placed { rule, line: number, lines: line.lines.len(), index });
                }
                // What `@` files hold may make a line good; see `Rules`.
                Err(_) if fields.iter().flatten().any(|it| it.file().is_some()) => {}
                Err(error) => problems.push((number, error)),
            }
        }
        Self { sheet, server, rules, problems }
    }

    /// Returns the content.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.sheet.content().to_vec()
    }

    /// Writes the content.
    ///
    /// # Errors
    ///
    /// As the writer has it.
    pub fn write_to(&self, writer: &mut dyn std::io::Write) -> std::io::Result<()> {
        writer.write_all(self.sheet.content())
    }

    /// Returns the rules in their order.
    pub fn rules(&self) -> &[Placed<R>] {
        &self.rules
    }

    /// Returns the lines that the server would refuse, with their numbers.
    /// One is enough for it to load nothing of the file.
    pub fn problems(&self) -> &[(usize, RuleError)] {
        &self.problems
    }

    /// Returns a rule by its index; negative ones count from the end.
    pub fn get(&self, index: isize) -> Option<&Placed<R>> {
        self.rules.get(self.at(index).ok()?)
    }

    /// Returns the index of the first rule with these fields.
    pub fn find(&self, fields: &R::Fields) -> Option<usize> {
        self.rules.iter().position(|it| it.rule.has(fields))
    }

    /// Returns the index of the first rule with these fields.
    ///
    /// # Errors
    ///
    /// [`HbaError::NoSuchRule`].
    pub fn index(&self, fields: &R::Fields) -> Result<usize, HbaError> {
        self.find(fields).ok_or(HbaError::NoSuchRule)
    }

    /// Inserts a rule before or after the one with an index, laid out like
    /// it. The index may be the number of rules: then it is appended.
    ///
    /// # Errors
    ///
    /// [`HbaError::NoSuchIndex`], [`HbaError::Rule`].
    pub fn insert(
        &mut self,
        index: isize,
        rule: &R,
        position: Position,
    ) -> Result<usize, HbaError> {
        if usize::try_from(index) == Ok(self.rules.len()) {
            return self.append(rule);
        }
        let at = self.at(index)?;
        let neighbour = self.rules[at].index;
        let (target, new) = match position {
            Position::Before => (self.sheet.above(neighbour), at),
            Position::After => (neighbour + 1, at + 1),
        };
        self.put(target, Some(at), rule)?;
        Ok(new)
    }

    /// Inserts a rule before the first one with these fields; returns its
    /// index.
    ///
    /// # Errors
    ///
    /// [`HbaError::NoSuchRule`], [`HbaError::Rule`].
    pub fn insert_before(&mut self, fields: &R::Fields, rule: &R) -> Result<usize, HbaError> {
        let at = self.index(fields)?;
        self.insert(at.cast_signed(), rule, Position::Before)
    }

    /// Inserts a rule after the first one with these fields; returns its
    /// index.
    ///
    /// # Errors
    ///
    /// [`HbaError::NoSuchRule`], [`HbaError::Rule`].
    pub fn insert_after(&mut self, fields: &R::Fields, rule: &R) -> Result<usize, HbaError> {
        let at = self.index(fields)?;
        self.insert(at.cast_signed(), rule, Position::After)
    }

    /// Inserts a rule after the last one, or at the end of a file without
    /// rules; returns its index.
    ///
    /// # Errors
    ///
    /// [`HbaError::Rule`].
    pub fn append(&mut self, rule: &R) -> Result<usize, HbaError> {
        let last = self.rules.len().checked_sub(1);
        let target = last.map_or(self.sheet.lines().count(), |it| self.rules[it].index + 1);
        self.put(target, last, rule)?;
        Ok(last.map_or(0, |it| it + 1))
    }

    /// Removes a rule with all its lines and returns it; comments stay.
    ///
    /// # Errors
    ///
    /// [`HbaError::NoSuchIndex`].
    pub fn pop(&mut self, index: isize) -> Result<R, HbaError> {
        let at = self.at(index)?;
        let placed = self.rules[at].clone();
        let mut sheet = self.sheet.clone();
        sheet.remove(placed.index);
        *self = Self::of(sheet, self.server.clone());
        Ok(placed.rule)
    }

    /// Puts a rule in the place of another one; layout and comment stay.
    ///
    /// # Errors
    ///
    /// [`HbaError::NoSuchIndex`], [`HbaError::Rule`].
    pub fn replace(&mut self, index: isize, rule: &R) -> Result<(), HbaError> {
        let at = self.at(index)?;
        let fields = self.written(rule)?;
        let mut sheet = self.sheet.clone();
        let old = &self.rules[at];
        sheet.replace(old.index, &self.slots(old), &fields);
        *self = Self::of(sheet, self.server.clone());
        Ok(())
    }

    /// Sees to it that there is such a rule: if there is none, it is
    /// appended. Returns its index and whether it is new.
    ///
    /// # Errors
    ///
    /// [`HbaError::Rule`].
    pub fn ensure(&mut self, rule: &R) -> Result<(usize, bool), HbaError> {
        match self.find(&rule.own_fields()) {
            Some(at) => Ok((at, false)),
            None => Ok((self.append(rule)?, true)),
        }
    }

    /// Removes every rule with these fields and returns them.
    ///
    /// # Errors
    ///
    /// None: there need not be any. The type leaves room.
    pub fn absent(&mut self, fields: &R::Fields) -> Result<Vec<R>, HbaError> {
        let mut removed = Vec::new();
        while let Some(at) = self.find(fields) {
            removed.push(self.pop(at.cast_signed())?);
        }
        Ok(removed)
    }

    /// Makes several edits: all of them, or none.
    ///
    /// # Errors
    ///
    /// What `edits` returns; the document is then as it was.
    pub fn batch<T, E>(&mut self, edits: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        let mut draft = self.clone();
        let result = edits(&mut draft)?;
        *self = draft;
        Ok(result)
    }

    fn at(&self, index: isize) -> Result<usize, HbaError> {
        let count = self.rules.len();
        let at =
            if index < 0 { count.checked_add_signed(index) } else { usize::try_from(index).ok() };
        at.filter(|it| *it < count).ok_or(HbaError::NoSuchIndex { index, count })
    }

    fn put(&mut self, target: usize, like: Option<usize>, rule: &R) -> Result<(), HbaError> {
        let fields = self.written(rule)?;
        let text = self.layout(like).write(&fields);
        let mut sheet = self.sheet.clone();
        let neighbour = like.map_or(usize::MAX, |it| self.rules[it].index);
        sheet.insert(target, &text, self.sheet.ending(neighbour));
        *self = Self::of(sheet, self.server.clone());
        Ok(())
    }

    /// Returns a rule as it is to be written, once it is known that the
    /// server would take it for what it is.
    fn written(&self, rule: &R) -> Result<Vec<(Slot, Vec<u8>)>, HbaError> {
        let wrong = |source| HbaError::Rule { source };
        let fields = rule.to_fields().map_err(wrong)?;
        let text = fields.iter().map(|it| &it.1[..]).collect::<Vec<_>>().join(&b' ');
        let sheet = Sheet::parse(&text, self.server.major);
        let read = sheet.lines().next().map(|it| words(it.2)).unwrap_or_default();
        let read = R::from_words(&read, &self.server).map_err(wrong)?;
        if read.has(&rule.own_fields()) { Ok(fields) } else { Err(HbaError::NotOneRule) }
    }

    fn slots(&self, placed: &Placed<R>) -> Vec<Slot> {
        let line = self.sheet.lines().nth(placed.index);
        placed.rule.slots(&line.map(|it| words(it.2)).unwrap_or_default())
    }

    fn layout(&self, like: Option<usize>) -> Layout {
        let Some(at) = like else { return Layout::usual(&R::usual()) };
        let layout = |it: &Placed<R>| {
            let (_, text, fields) = self.sheet.lines().nth(it.index)?;
            Some(Layout::of(text, fields, &self.slots(it)))
        };
        let Some(mut here) = layout(&self.rules[at]) else {
            return Layout::usual(&R::usual());
        };
        // The nearest rules have the columns that this one lacks.
        let mut by_distance: Vec<usize> = (0..self.rules.len()).filter(|it| *it != at).collect();
        by_distance.sort_by_key(|it| it.abs_diff(at));
        for number in by_distance.into_iter().take(8) {
            if let Some(it) = layout(&self.rules[number]) {
                here.fill_from(&it);
            }
        }
        here
    }
}

fn words(raw: &RawFields) -> Vec<Vec<Word>> {
    raw.fields.iter().map(|it| it.words.clone()).collect()
}
