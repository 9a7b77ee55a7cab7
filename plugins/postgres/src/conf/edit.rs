//! Changing a file: pure functions from one document to another.

use super::{
    document::Document,
    error::ConfError,
    line::{Line, LineKind},
    name::{canonical_name, is_settable},
    quote::quote,
};

/// What is to be done to one parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Give it a value.
    Set {
        /// The parameter.
        name: Vec<u8>,
        /// The value, as the server is to see it, not quoted.
        value: Vec<u8>,
    },
    /// Comment out every setting of it.
    Unset {
        /// The parameter.
        name: Vec<u8>,
    },
    /// Delete every setting of it; comments stay.
    Remove {
        /// The parameter.
        name: Vec<u8>,
    },
}

impl Edit {
    /// Gives a parameter a value.
    pub fn set(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        Self::Set { name: name.as_ref().to_vec(), value: value.as_ref().to_vec() }
    }

    /// Comments out every setting of a parameter.
    pub fn unset(name: impl AsRef<[u8]>) -> Self {
        Self::Unset { name: name.as_ref().to_vec() }
    }

    /// Deletes every setting of a parameter.
    pub fn remove(name: impl AsRef<[u8]>) -> Self {
        Self::Remove { name: name.as_ref().to_vec() }
    }

    /// Returns the parameter.
    pub fn name(&self) -> &[u8] {
        match self {
            Self::Set { name, .. } | Self::Unset { name } | Self::Remove { name } => name,
        }
    }
}

/// How edits are made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Whether a new value also comments out the settings before the one that
    /// counts. They have no effect either way.
    pub comment_out_earlier: bool,
    /// Where a setting goes that is not in the file yet: below the first line
    /// that holds this text, or at the end.
    pub below: Option<Vec<u8>>,
}

/// What an edit did. Line numbers are those just after the edit, or, of
/// removed lines, just before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: it was so already.
    Unchanged,
    /// The value in this line was replaced.
    Altered {
        /// The line's number.
        line: usize,
    },
    /// This line was a comment and is the setting now.
    Uncommented {
        /// The line's number.
        line: usize,
    },
    /// This line is new.
    Added {
        /// The line's number.
        line: usize,
    },
    /// These lines are comments now.
    CommentedOut {
        /// The lines' numbers.
        lines: Vec<usize>,
    },
    /// These lines were deleted.
    Removed {
        /// The lines' numbers.
        lines: Vec<usize>,
    },
}

impl Document {
    /// Makes edits in the order given: all of them, or none.
    ///
    /// A new value goes where the old one counts: into the last setting of the
    /// parameter. If there is none, a setting that is commented out is taken
    /// (`#name = value` and nothing else), one with the wanted value before
    /// others. Otherwise a line is added. Values are always quoted; a setting
    /// that has the wanted value already is not touched.
    ///
    /// # Errors
    ///
    /// [`ConfError::BadName`], [`ConfError::ZeroByte`],
    /// [`ConfError::NoSuchLine`].
    pub fn apply(&mut self, edits: &[Edit], policy: &Policy) -> Result<Vec<Effect>, ConfError> {
        let mut draft = self.clone();
        let effects: Result<Vec<_>, _> =
            edits.iter().map(|edit| draft.apply_one(edit, policy)).collect();
        let effects = effects?;
        *self = draft;
        Ok(effects)
    }

    fn apply_one(&mut self, edit: &Edit, policy: &Policy) -> Result<Effect, ConfError> {
        if !is_settable(edit.name()) {
            return Err(ConfError::BadName { name: lossy(edit.name()) });
        }
        let active: Vec<usize> = self.settings_of(edit.name()).map(|(line, _)| line).collect();
        match edit {
            Edit::Set { name, value } => self.set(name, value, &active, policy),
            Edit::Unset { .. } | Edit::Remove { .. } if active.is_empty() => Ok(Effect::Unchanged),
            Edit::Unset { .. } => {
                self.comment_out(&active);
                Ok(Effect::CommentedOut { lines: active })
            }
            Edit::Remove { .. } => {
                let mut number = 0;
                self.lines.retain(|_| {
                    number += 1;
                    active.binary_search(&number).is_err()
                });
                Ok(Effect::Removed { lines: active })
            }
        }
    }

    fn set(
        &mut self,
        name: &[u8],
        value: &[u8],
        active: &[usize],
        policy: &Policy,
    ) -> Result<Effect, ConfError> {
        let word = quote(value).ok_or_else(|| ConfError::ZeroByte { name: lossy(name) })?;
        let Some((&last, earlier)) = active.split_last() else {
            if let Some(line) = self.best_commented(name, value) {
                let text = uncommented(&self.lines[line - 1], &word);
                self.lines[line - 1] = Line::parse(text);
                return Ok(Effect::Uncommented { line });
            }
            return self.add(name, &word, policy).map(|line| Effect::Added { line });
        };
        if policy.comment_out_earlier {
            self.comment_out(earlier);
        }
        let line = &self.lines[last - 1];
        if line.value().as_deref() == Some(value) {
            return Ok(match earlier {
                [_, ..] if policy.comment_out_earlier => {
                    Effect::CommentedOut { lines: earlier.to_vec() }
                }
                _ => Effect::Unchanged,
            });
        }
        self.lines[last - 1] = Line::parse(altered(line, 0, 0, &word));
        Ok(Effect::Altered { line: last })
    }

    fn comment_out(&mut self, numbers: &[usize]) {
        for number in numbers {
            let line = &mut self.lines[number - 1];
            let mut bytes = line.bytes().to_vec();
            bytes.insert(line.spans().map_or(0, |it| it.name.start), b'#');
            *line = Line::parse(bytes);
        }
    }

    /// The last of those that fit best: with the wanted value, or any.
    fn best_commented(&self, name: &[u8], value: &[u8]) -> Option<usize> {
        let name = canonical_name(name);
        let fits = |line: &Line| {
            line.kind() == LineKind::CommentedSetting
                && line.name().is_some_and(|it| canonical_name(it) == name)
        };
        let found = self.lines().filter(|(_, line)| fits(line));
        let best =
            found.max_by_key(|(number, line)| (line.value().as_deref() == Some(value), *number));
        best.map(|(number, _)| number)
    }

    fn add(&mut self, name: &[u8], word: &[u8], policy: &Policy) -> Result<usize, ConfError> {
        let ending = self.ending();
        let index = match &policy.below {
            None => self.lines.len(),
            Some(text) => {
                let holds =
                    |line: &Line| line.bytes().windows(text.len().max(1)).any(|it| it == text);
                let found = self.lines.iter().position(holds);
                found.ok_or_else(|| ConfError::NoSuchLine { text: lossy(text) })? + 1
            }
        };
        if let Some(before) = index.checked_sub(1).and_then(|it| self.lines.get_mut(it))
            && before.ending().is_empty()
        {
            *before = Line::parse([before.bytes(), ending].concat());
        }
        let line = Line::parse([name, b" = ", word, ending].concat());
        self.lines.insert(index, line);
        Ok(index + 1)
    }
}

pub(super) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Takes the `#` and the blanks behind it away, and replaces the value.
fn uncommented(line: &Line, word: &[u8]) -> Vec<u8> {
    let hash = line.bytes().iter().position(|it| *it == b'#').unwrap_or_default();
    let name = line.spans().map_or(hash + 1, |it| it.name.start);
    altered(line, hash, name, word)
}

/// Cuts the bytes from `cut` to `resume` out and replaces the value; a comment
/// behind it stays in its column where there is room.
fn altered(line: &Line, cut: usize, resume: usize, word: &[u8]) -> Vec<u8> {
    let Some(spans) = line.spans() else { return line.bytes().to_vec() };
    let (bytes, value) = (line.bytes(), &spans.value);
    let mut new = bytes[..cut].to_vec();
    new.extend(&bytes[resume..value.start]);
    new.extend(word);
    let rest = &bytes[value.end..];
    let gap = rest.iter().take_while(|it| matches!(it, b' ' | b'\t')).count();
    if rest.get(gap) == Some(&b'#') && gap > 0 {
        let wanted = column(&bytes[..value.end + gap]);
        new.extend(padding(column(&new), wanted, rest[..gap].contains(&b'\t')));
        new.extend(&rest[gap..]);
    } else {
        new.extend(rest);
    }
    new
}

/// Columns are counted in bytes; tabs go to the next multiple of eight.
fn column(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |at, it| if *it == b'\t' { at / 8 * 8 + 8 } else { at + 1 })
}

fn padding(from: usize, to: usize, tabs: bool) -> Vec<u8> {
    if tabs && to.is_multiple_of(8) {
        return vec![b'\t'; (to / 8).saturating_sub(from / 8).max(1)];
    }
    vec![b' '; to.saturating_sub(from).max(1)]
}

#[cfg(test)]
mod tests;
