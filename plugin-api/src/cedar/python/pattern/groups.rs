//! Groups, and what refers to them.

use std::collections::HashMap;

use super::parser::{Flags, Parsed, Parser, Width, push_reference};

/// The groups read so far. Group 0 is the whole pattern, and always open.
#[derive(Debug)]
pub(super) struct Groups {
    /// The width of each group; `None` while it is open.
    widths: Vec<Option<Width>>,
    names: HashMap<String, usize>,
    /// The numbers that conditions refer to, which may come later.
    conditions: Vec<usize>,
    /// The number of groups when the outermost look-behind began.
    look_behind: Option<usize>,
}

impl Default for Groups {
    fn default() -> Self {
        Self {
            widths: vec![None],
            names: HashMap::new(),
            conditions: Vec::new(),
            look_behind: None,
        }
    }
}

impl Groups {
    fn open(&mut self, name: Option<String>) -> Result<usize, String> {
        let number = self.widths.len();
        if let Some(name) = name
            && let Some(old) = self.names.insert(name, number)
        {
            return Err(format!("redefinition of group {old}"));
        }
        self.widths.push(None);
        Ok(number)
    }

    /// Notes that something refers to a group that must be complete.
    pub(super) fn refer(&self, number: usize) -> Result<Width, String> {
        let known = self.widths.get(number).ok_or(format!("invalid group reference {number}"))?;
        self.outside_look_behind(number)?;
        known.ok_or_else(|| "cannot refer to an open group".to_owned())
    }

    fn outside_look_behind(&self, number: usize) -> Result<(), String> {
        match self.look_behind {
            Some(_) if self.widths.get(number).copied().flatten().is_none() => {
                Err("cannot refer to an open group".to_owned())
            }
            Some(before) if number >= before => {
                Err("cannot refer to group defined in the same lookbehind subpattern".to_owned())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn check_conditions(&self) -> Result<(), String> {
        match self.conditions.iter().find(|&&it| it >= self.widths.len()) {
            Some(number) => Err(format!("invalid group reference {number}")),
            None => Ok(()),
        }
    }
}

fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && characters.all(|c| c.is_alphanumeric() || c == '_')
}

impl Parser {
    /// Reads a group after its opening parenthesis. `None` if it is a comment
    /// or flags.
    pub(super) fn group(
        &mut self,
        flags: &mut Flags,
        first: bool,
        written: &mut String,
    ) -> Parsed<Option<Width>> {
        if !self.take('?') {
            return self.capturing(None, *flags, written).map(Some);
        }
        let c = self.next().ok_or_else(|| self.error("unexpected end of pattern"))?;
        match c {
            'P' => self.named(*flags, written).map(Some),
            ':' => self.enclosed("(?:", *flags, written).map(Some),
            '>' => self.enclosed("(?>", *flags, written).map(Some),
            '=' => self.enclosed("(?=", *flags, written).map(|_| Some(Width::NONE)),
            '!' => self.enclosed("(?!", *flags, written).map(|_| Some(Width::NONE)),
            '<' => self.look_behind(*flags, written).map(Some),
            '(' => self.conditional(*flags, written).map(Some),
            '#' => {
                while self.peek().is_some_and(|c| c != ')') {
                    self.position += 1;
                }
                self.close("missing ), unterminated comment").map(|()| None)
            }
            c => self.flagged(c, flags, first, written),
        }
    }

    fn close(&mut self, message: &str) -> Parsed<()> {
        if self.take(')') { Ok(()) } else { Err(self.error(message)) }
    }

    fn enclosed(&mut self, open: &str, mut flags: Flags, written: &mut String) -> Parsed<Width> {
        let (inner, width) = self.alternatives(&mut flags)?;
        self.close("missing ), unterminated subpattern")?;
        written.push_str(open);
        written.push_str(&inner);
        written.push(')');
        Ok(width)
    }

    fn capturing(
        &mut self,
        name: Option<String>,
        flags: Flags,
        written: &mut String,
    ) -> Parsed<Width> {
        let number = self.groups.open(name).map_err(|it| self.error(&it))?;
        let width = self.enclosed("(", flags, written)?;
        self.groups.widths[number] = Some(width);
        Ok(width)
    }

    fn named(&mut self, flags: Flags, written: &mut String) -> Parsed<Width> {
        let definition = self.take('<');
        if !definition && !self.take('=') {
            return Err(self.error("unknown extension ?P"));
        }
        let name = self.until(if definition { '>' } else { ')' }, "group name")?;
        if !is_identifier(&name) {
            return Err(self.error("bad character in group name"));
        }
        if definition {
            return self.capturing(Some(name), flags, written);
        }
        let number = self.groups.names.get(&name).copied();
        let number = number.ok_or_else(|| self.error("unknown group name"))?;
        let width = self.groups.refer(number).map_err(|it| self.error(&it))?;
        push_reference(written, number);
        Ok(width)
    }

    fn look_behind(&mut self, flags: Flags, written: &mut String) -> Parsed<Width> {
        let open = match self.next() {
            Some('=') => "(?<=",
            Some('!') => "(?<!",
            Some(_) => return Err(self.error("unknown extension ?<")),
            None => return Err(self.error("unexpected end of pattern")),
        };
        let outermost = self.groups.look_behind.is_none();
        if outermost {
            self.groups.look_behind = Some(self.groups.widths.len());
        }
        let width = self.enclosed(open, flags, written)?;
        if outermost {
            self.groups.look_behind = None;
        }
        if width.0 != width.1 {
            return Err(self.error("look-behind requires fixed-width pattern"));
        }
        Ok(Width::NONE)
    }

    fn conditional(&mut self, mut flags: Flags, written: &mut String) -> Parsed<Width> {
        let name = self.until(')', "group name")?;
        let number = if is_identifier(&name) {
            let number = self.groups.names.get(&name).copied();
            number.ok_or_else(|| self.error("unknown group name"))?
        } else {
            let number = name.parse::<usize>();
            let number = number.map_err(|_| self.error("bad character in group name"))?;
            if number == 0 {
                return Err(self.error("bad group number"));
            }
            self.groups.conditions.push(number);
            number
        };
        self.groups.outside_look_behind(number).map_err(|it| self.error(&it))?;
        let (yes, mut width) = self.sequence(&mut flags, false)?;
        let mut no = String::new();
        if self.take('|') {
            let (other, other_width) = self.sequence(&mut flags, false)?;
            if self.peek() == Some('|') {
                return Err(self.error("conditional backref with more than two branches"));
            }
            no = other;
            width = width.or(other_width);
        } else {
            width.0 = 0;
        }
        self.close("missing ), unterminated subpattern")?;
        for part in ["(?(", &number.to_string(), ")(?:", &yes, ")|(?:", &no, "))"] {
            written.push_str(part);
        }
        Ok(width)
    }

    /// Reads `(?flags)` or `(?flags-flags:…)` after the first letter.
    fn flagged(
        &mut self,
        c: char,
        flags: &mut Flags,
        first: bool,
        written: &mut String,
    ) -> Parsed<Option<Width>> {
        let mut inner = *flags;
        let mut end = c;
        let mut on = String::new();
        while "aiLmsux".contains(end) {
            let clash = matches!((end, on.as_str()), ('a', it) if it.contains('u'))
                || end == 'u' && on.contains('a');
            if clash || end == 'L' {
                return Err(self.error("bad inline flags"));
            }
            set(&mut inner, end, true);
            on.push(end);
            end = self.next().ok_or_else(|| self.error("missing -, : or )"))?;
        }
        match end {
            ')' if !on.is_empty() => {
                if !first || self.depth != 1 {
                    return Err(self.error("global flags not at the start of the expression"));
                }
                if inner.ascii && inner.unicode {
                    return Err(self.error("ASCII and UNICODE flags are incompatible"));
                }
                *flags = inner;
                return Ok(None);
            }
            ':' if !on.is_empty() => {}
            '-' => {
                let mut off = String::new();
                loop {
                    let c = self.next().ok_or_else(|| self.error("missing flag"))?;
                    if c == ':' && !off.is_empty() {
                        break;
                    }
                    if !"imsx".contains(c) || on.contains(c) {
                        return Err(self.error("bad inline flags"));
                    }
                    set(&mut inner, c, false);
                    off.push(c);
                }
            }
            c if on.is_empty() => return Err(self.error(&format!("unknown extension ?{c}"))),
            _ => return Err(self.error("unknown flag")),
        }
        if on.contains(['a', 'u']) {
            inner.ascii = on.contains('a');
        }
        let open = if inner.ignore_case { "(?i:" } else { "(?-i:" };
        self.enclosed(open, inner, written).map(Some)
    }
}

fn set(flags: &mut Flags, c: char, on: bool) {
    match c {
        'i' => flags.ignore_case = on,
        'm' => flags.multi_line = on,
        's' => flags.dot_all = on,
        'x' => flags.verbose = on,
        'a' => flags.ascii = on,
        'u' => flags.unicode = on,
        _ => {}
    }
}
