//! Reads a pattern and writes it down for our engine.

use std::fmt::Write as _;

use super::{PatternError, groups::Groups, set};
use crate::cedar::python::digits;

pub(super) type Parsed<T> = Result<T, PatternError>;

/// The least and the greatest number of characters that something matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Width(pub(super) u64, pub(super) u64);

impl Width {
    pub(super) const ONE: Self = Self(1, 1);
    pub(super) const NONE: Self = Self(0, 0);

    fn then(self, next: Self) -> Self {
        Self(self.0.saturating_add(next.0), self.1.saturating_add(next.1))
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0.min(other.0), self.1.max(other.1))
    }

    fn times(self, least: u64, most: u64) -> Self {
        Self(self.0.saturating_mul(least), self.1.saturating_mul(most))
    }
}

/// The flags that decide what is written.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent switches")]
pub(super) struct Flags {
    pub(super) ignore_case: bool,
    pub(super) multi_line: bool,
    pub(super) dot_all: bool,
    pub(super) verbose: bool,
    pub(super) ascii: bool,
    pub(super) unicode: bool,
}

/// What a quantifier would apply to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Item {
    /// Something that can be repeated.
    Plain,
    /// `^`, `$`, `\b` and the like.
    Anchor,
    /// Something repeated already.
    Repeated,
}

pub(super) struct Parser {
    characters: Vec<char>,
    pub(super) position: usize,
    pub(super) groups: Groups,
    pub(super) depth: usize,
}

/// Nesting beyond this is refused, as Python does somewhat deeper.
const DEEPEST: usize = 200;
/// Python's MAXREPEAT.
const MOST_REPEATS: u64 = 4_294_967_295;

impl Parser {
    pub(super) fn translate(pattern: &str) -> Parsed<String> {
        let characters = pattern.chars().collect();
        let mut parser = Self { characters, position: 0, groups: Groups::default(), depth: 0 };
        let (written, _) = parser.alternatives(&mut Flags::default())?;
        if parser.peek().is_some() {
            return Err(parser.error("unbalanced parenthesis"));
        }
        parser.groups.check_conditions().map_err(|it| parser.error(&it))?;
        Ok(written)
    }

    pub(super) fn error(&self, message: &str) -> PatternError {
        PatternError::new(message, self.position)
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.characters.get(self.position).copied()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.position += 1;
        Some(c)
    }

    pub(super) fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.position += usize::from(found);
        found
    }

    pub(super) fn until(&mut self, end: char, what: &str) -> Parsed<String> {
        let start = self.position;
        loop {
            match self.next() {
                Some(c) if c == end => break,
                Some(_) => {}
                None => return Err(self.error(&format!("missing {end}, unterminated {what}"))),
            }
        }
        let text: String = self.characters[start..self.position - 1].iter().collect();
        if text.is_empty() {
            return Err(self.error(&format!("missing {what}")));
        }
        Ok(text)
    }

    /// Reads up to a closing parenthesis or the end. `flags` are those of the
    /// group; flags for the whole pattern change them.
    pub(super) fn alternatives(&mut self, flags: &mut Flags) -> Parsed<(String, Width)> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error("too deeply nested"));
        }
        let top = self.depth == 1;
        let (mut written, mut width) = self.sequence(flags, top)?;
        let ignore_case = top && flags.ignore_case;
        while self.take('|') {
            let (next, next_width) = self.sequence(flags, false)?;
            written.push('|');
            written.push_str(&next);
            width = width.or(next_width);
        }
        self.depth -= 1;
        Ok((if ignore_case { format!("(?i:{written})") } else { written }, width))
    }

    pub(super) fn sequence(&mut self, flags: &mut Flags, first: bool) -> Parsed<(String, Width)> {
        let mut written = String::new();
        let mut width = Width::NONE;
        // What came last, and how wide it is, for a quantifier.
        let mut last: Option<(Item, usize, Width)> = None;
        while let Some(c) = self.peek() {
            if c == '|' || c == ')' {
                break;
            }
            self.position += 1;
            if flags.verbose && self.skipped(c) {
                continue;
            }
            if let Some((least, most)) = self.quantifier(c)? {
                let (start, before) = self.repeatable(last)?;
                written.insert_str(start, "(?:");
                // Our engine repeats nothing of no width; it needs none either.
                let quantified = self.quantified(least, most);
                match (before.1, least) {
                    (0, 0) => written.push_str("|)"),
                    (0, _) => written.push(')'),
                    _ => {
                        written.push(')');
                        written.push_str(&quantified);
                    }
                }
                let repeated = before.times(least, most);
                width = Width(width.0 - before.0.min(width.0), width.1 - before.1.min(width.1));
                width = width.then(repeated);
                last = Some((Item::Repeated, start, repeated));
                continue;
            }
            let start = written.len();
            let empty = last.is_none();
            let Some((item, added)) = self.item(c, flags, first && empty, &mut written)? else {
                continue;
            };
            width = width.then(added);
            last = Some((item, start, added));
        }
        Ok((written, width))
    }

    /// Skips blanks and comments of the verbose mode.
    fn skipped(&mut self, c: char) -> bool {
        if c == '#' {
            while self.next().is_some_and(|c| c != '\n') {}
            return true;
        }
        matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
    }

    fn repeatable(&self, last: Option<(Item, usize, Width)>) -> Parsed<(usize, Width)> {
        match last {
            None | Some((Item::Anchor, ..)) => Err(self.error("nothing to repeat")),
            Some((Item::Repeated, ..)) => Err(self.error("multiple repeat")),
            Some((Item::Plain, start, width)) => Ok((start, width)),
        }
    }

    /// Reads a quantifier, without what makes it lazy or possessive. A brace
    /// that begins none is an ordinary character.
    fn quantifier(&mut self, c: char) -> Parsed<Option<(u64, u64)>> {
        match c {
            '*' => return Ok(Some((0, MOST_REPEATS))),
            '+' => return Ok(Some((1, MOST_REPEATS))),
            '?' => return Ok(Some((0, 1))),
            '{' if self.peek() != Some('}') => {}
            _ => return Ok(None),
        }
        let start = self.position;
        let least = self.digits();
        let most = if self.take(',') { self.digits() } else { least.clone() };
        if !self.take('}') {
            self.position = start;
            return Ok(None);
        }
        let number = |text: &str, default| match text.parse::<u64>() {
            Ok(number) if number < MOST_REPEATS => Ok(number),
            Err(_) if text.is_empty() => Ok(default),
            _ => Err(self.error("the repetition number is too large")),
        };
        let (least, most) = (number(&least, 0)?, number(&most, MOST_REPEATS)?);
        if most < least {
            return Err(self.error("min repeat greater than max repeat"));
        }
        Ok(Some((least, most)))
    }

    fn digits(&mut self) -> String {
        let mut digits = String::new();
        while let Some(c) = self.peek().filter(char::is_ascii_digit) {
            digits.push(c);
            self.position += 1;
        }
        digits
    }

    fn quantified(&mut self, least: u64, most: u64) -> String {
        let mut written = match (least, most) {
            (0, MOST_REPEATS) => "*".to_owned(),
            (1, MOST_REPEATS) => "+".to_owned(),
            (0, 1) => "?".to_owned(),
            (_, MOST_REPEATS) => format!("{{{least},}}"),
            _ => format!("{{{least},{most}}}"),
        };
        if self.take('?') {
            written.push('?');
        } else if self.take('+') {
            written.push('+');
        }
        written
    }

    /// Reads one thing other than a quantifier. `None` for a comment or for
    /// flags, which are nothing to repeat.
    fn item(
        &mut self,
        c: char,
        flags: &mut Flags,
        first: bool,
        written: &mut String,
    ) -> Parsed<Option<(Item, Width)>> {
        match c {
            '.' => written.push_str(if flags.dot_all { "(?s:.)" } else { "." }),
            '^' => {
                written.push_str(if flags.multi_line { "(?m:^)" } else { "\\A" });
                return Ok(Some((Item::Anchor, Width::NONE)));
            }
            '$' => {
                // Also before a newline at the end.
                written.push_str(if flags.multi_line { "(?m:$)" } else { "(?=\\n?\\z)" });
                return Ok(Some((Item::Anchor, Width::NONE)));
            }
            '(' => return Ok(self.group(flags, first, written)?.map(|it| (Item::Plain, it))),
            '[' => written.push_str(&set::read(self, *flags)?),
            '\\' => return self.escape(*flags, written).map(Some),
            c => push_literal(written, c),
        }
        Ok(Some((Item::Plain, Width::ONE)))
    }

    fn escape(&mut self, flags: Flags, written: &mut String) -> Parsed<(Item, Width)> {
        let c = self.next().ok_or_else(|| self.error("bad escape (end of pattern)"))?;
        let anchor = match c {
            'A' => "\\A",
            'Z' => "\\z",
            'b' if flags.ascii => "(?-u:\\b)",
            'B' if flags.ascii => "(?-u:\\B)",
            'b' => "\\b",
            'B' => "\\B",
            _ => "",
        };
        if !anchor.is_empty() {
            written.push_str(anchor);
            return Ok((Item::Anchor, Width::NONE));
        }
        if let Some(class) = set::class(c, flags.ascii) {
            written.push_str(&class);
        } else if c.is_ascii_digit() && c != '0' && !self.is_octal(c) {
            let width = self.reference(c, written)?;
            return Ok((Item::Plain, width));
        } else {
            match set::character(self, c)? {
                Some(literal) => push_literal(written, literal),
                // A surrogate, which no text of ours contains.
                None => written.push_str("[^\\s\\S]"),
            }
        }
        Ok((Item::Plain, Width::ONE))
    }

    fn is_octal(&self, c: char) -> bool {
        let octal = |c: Option<char>| c.is_some_and(|c| ('0'..='7').contains(&c));
        octal(Some(c))
            && octal(self.peek())
            && octal(self.characters.get(self.position + 1).copied())
    }

    fn reference(&mut self, c: char, written: &mut String) -> Parsed<Width> {
        let mut number = usize::from(digits::value(c).unwrap_or(0));
        if let Some(next) = self.peek().filter(char::is_ascii_digit) {
            self.position += 1;
            number = number * 10 + usize::from(digits::value(next).unwrap_or(0));
        }
        let width = self.groups.refer(number).map_err(|it| self.error(&it))?;
        push_reference(written, number);
        Ok(width)
    }
}

/// Letters and digits mean themselves; of anything else our engine's syntax
/// knows nothing when it is written as a number.
pub(super) fn push_literal(written: &mut String, c: char) {
    if c.is_alphanumeric() || c == '/' || c == '_' {
        written.push(c);
    } else {
        push_code(written, c);
    }
}

/// Writes a character as a number.
pub(super) fn push_code(written: &mut String, c: char) {
    // Writing to a `String` cannot fail.
    let _ = write!(written, "\\x{{{:x}}}", u32::from(c));
}

pub(super) fn push_reference(written: &mut String, number: usize) {
    let _ = write!(written, "(?:\\{number})");
}
