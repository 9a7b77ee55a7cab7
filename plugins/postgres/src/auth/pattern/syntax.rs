//! From the text of a pattern to its parts, by the rules of `regc_lex.c` and
//! `regcomp.c` for advanced regular expressions.

use super::bytes::{Bytes, Class};

/// The most that a bound such as `{255}` can be.
const DUP_MAX: u32 = 255;
/// Deeper than anybody nests groups. What is deeper is left to the server.
const DEEPEST: usize = 200;

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// One byte of these.
    One(Bytes),
    /// A place in the text.
    At(Place),
    /// What is around the place.
    Look { ahead: bool, wanted: bool, node: Box<Node> },
    /// What a group has found.
    Back(usize),
    /// A group; with its number if it captures.
    Group(Option<usize>, Box<Node>),
    /// So many times; whether it takes as many as it can.
    Repeat { node: Box<Node>, least: u32, most: Option<u32>, greedy: bool },
    /// One after the other.
    All(Vec<Node>),
    /// One of these.
    Any(Vec<Node>),
}

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Start,
    End,
    WordStart,
    WordEnd,
    WordEdge,
    NoWordEdge,
}

/// A pattern that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Syntax {
    /// Its parts, and whether small and capital letters are the same.
    Read(Node, bool),
    /// It switches to another language, or nests too deeply, and is not read
    /// here.
    Other,
}

type Parsed<T> = Result<T, &'static str>;

const PARENTHESES: &str = "parentheses () not balanced";
const REPEATED: &str = "quantifier operand invalid";
const COUNT: &str = "invalid repetition count(s)";
pub(super) const ESCAPE: &str = "invalid escape \\ sequence";
pub(super) const BRACKETS: &str = "brackets [] not balanced";

/// Reads a pattern, of which the server sees bytes: no encoding is known yet
/// when it reads its files.
pub(super) fn parse(pattern: &[u8], major: u32) -> Parsed<Syntax> {
    if pattern.split(|it| *it == b'(').count() > DEEPEST {
        return Ok(Syntax::Other);
    }
    let mut parser = Parser {
        text: pattern,
        at: 0,
        major,
        depth: 0,
        fold: false,
        groups: 0,
        closed: Vec::new(),
    };
    if let [b'*', b'*', b'*', kind, ..] = pattern {
        parser.at = 4;
        match kind {
            b'=' => return Ok(Syntax::Read(plain(&pattern[4..]), false)),
            b':' => {}
            b'?' => return Err("invalid regexp (reg version 0.8)"),
            _ => return Err(REPEATED),
        }
    }
    if let Some(syntax) = parser.options()? {
        return Ok(syntax);
    }
    let node = parser.alternatives(false)?;
    if parser.at < parser.text.len() {
        Err(PARENTHESES)
    } else {
        Ok(Syntax::Read(node, parser.fold))
    }
}

fn plain(text: &[u8]) -> Node {
    Node::All(text.iter().map(|it| Node::One(Bytes::of(*it))).collect())
}

/// Where a text is read from, byte by byte.
pub(super) struct Parser<'a> {
    pub(super) text: &'a [u8],
    pub(super) at: usize,
    pub(super) major: u32,
    /// Whether small and capital letters are the same.
    pub(super) fold: bool,
    depth: usize,
    groups: usize,
    closed: Vec<usize>,
}

impl Parser<'_> {
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub(super) fn next(&mut self) -> Option<u8> {
        let byte = self.peek();
        self.at += usize::from(byte.is_some());
        byte
    }

    pub(super) fn take(&mut self, expected: &[u8]) -> bool {
        let is_it = self.text[self.at..].starts_with(expected);
        self.at += if is_it { expected.len() } else { 0 };
        is_it
    }

    /// Reads `(?i)` and the like, which can stand at the beginning only. What
    /// makes it another language ends the reading.
    fn options(&mut self) -> Parsed<Option<Syntax>> {
        let is_letter = |it: Option<&u8>| it.is_some_and(u8::is_ascii_alphabetic);
        if !self.text[self.at..].starts_with(b"(?") || !is_letter(self.text.get(self.at + 2)) {
            return Ok(None);
        }
        self.at += 2;
        let (mut quoted, mut other) = (false, false);
        while is_letter(self.text.get(self.at)) {
            match self.next() {
                Some(b'i') => self.fold = true,
                Some(b'c') => self.fold = false,
                Some(b's' | b't') => {}
                Some(b'q') => quoted = true,
                Some(b'b' | b'e' | b'm' | b'n' | b'p' | b'w' | b'x') => other = true,
                _ => return Err("invalid embedded option"),
            }
        }
        if !self.take(b")") {
            return Err("invalid embedded option");
        }
        Ok(match (other, quoted) {
            (true, _) => Some(Syntax::Other),
            (false, true) if self.fold => Some(Syntax::Other),
            (false, true) => Some(Syntax::Read(plain(&self.text[self.at..]), false)),
            (false, false) => None,
        })
    }

    /// Comments may stand between any two words.
    fn skip_comments(&mut self) {
        while self.take(b"(?#") {
            while self.next().is_some_and(|it| it != b')') {}
        }
    }

    fn alternatives(&mut self, looking: bool) -> Parsed<Node> {
        self.depth += 1;
        let mut all = vec![self.branch(looking)?];
        while self.take(b"|") {
            all.push(self.branch(looking)?);
        }
        self.depth -= 1;
        Ok(if all.len() == 1 { all.swap_remove(0) } else { Node::Any(all) })
    }

    fn branch(&mut self, looking: bool) -> Parsed<Node> {
        let mut all = Vec::new();
        loop {
            self.skip_comments();
            match self.peek() {
                None | Some(b'|') => break,
                Some(b')') if self.depth > 1 => break,
                Some(byte) => {
                    let (node, may_repeat) = self.atom(byte, looking)?;
                    self.skip_comments();
                    all.push(if may_repeat { self.repeated(node)? } else { node });
                }
            }
        }
        Ok(Node::All(all))
    }

    /// Reads one atom; tells whether a quantifier may follow it.
    fn atom(&mut self, byte: u8, looking: bool) -> Parsed<(Node, bool)> {
        self.at += 1;
        let one = |it| Ok((Node::One(it), true));
        match byte {
            b'^' => Ok((Node::At(Place::Start), false)),
            b'$' => Ok((Node::At(Place::End), false)),
            b')' => Err(PARENTHESES),
            b'*' | b'+' | b'?' => Err(REPEATED),
            b'{' if self.peek().is_some_and(|it| it.is_ascii_digit()) => Err(REPEATED),
            b'.' => one(Bytes::all()),
            b'[' if self.take(b"[:<:]]") => Ok((Node::At(Place::WordStart), false)),
            b'[' if self.take(b"[:>:]]") => Ok((Node::At(Place::WordEnd), false)),
            b'[' => one(self.bracket()?),
            b'(' => self.group(looking),
            b'\\' => match self.escape()? {
                Escape::Byte(it) => one(it.map_or(Bytes::none(), Bytes::of).folded(self.fold)),
                Escape::Class(class, wanted) => one(class.bytes().inverted(!wanted)),
                Escape::Place(it) => Ok((Node::At(it), false)),
                Escape::Back(number) => {
                    if looking || !self.closed.contains(&number) {
                        return Err("invalid backreference number");
                    }
                    Ok((Node::Back(number), true))
                }
            },
            other => one(Bytes::of(other).folded(self.fold)),
        }
    }

    fn repeated(&mut self, node: Node) -> Parsed<Node> {
        let (least, most) = match self.peek() {
            Some(b'*') => (0, None),
            Some(b'+') => (1, None),
            Some(b'?') => (0, Some(1)),
            Some(b'{') if self.text.get(self.at + 1).is_some_and(u8::is_ascii_digit) => {
                self.at += 1;
                self.bound()?
            }
            _ => return Ok(node),
        };
        self.at += 1;
        let greedy = !self.take(b"?");
        Ok(Node::Repeat { node: Box::new(node), least, most, greedy })
    }

    /// Reads a bound up to its closing brace.
    fn bound(&mut self) -> Parsed<(u32, Option<u32>)> {
        let least = self.number()?;
        let most = match self.peek() {
            Some(b',') => {
                self.at += 1;
                let has_most = self.peek().is_some_and(|it| it.is_ascii_digit());
                if has_most { Some(self.number()?) } else { None }
            }
            _ => Some(least),
        };
        match self.peek() {
            None => Err("braces {} not balanced"),
            Some(b'}') if most.is_none_or(|it| it >= least) => Ok((least, most)),
            _ => Err(COUNT),
        }
    }

    fn number(&mut self) -> Parsed<u32> {
        let mut number = 0u32;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            number = number.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
            self.at += 1;
        }
        if number > DUP_MAX { Err(COUNT) } else { Ok(number) }
    }

    fn group(&mut self, looking: bool) -> Parsed<(Node, bool)> {
        let kinds: [(&[u8], bool, bool); 4] = [
            (b"?=", true, true),
            (b"?!", true, false),
            (b"?<=", false, true),
            (b"?<!", false, false),
        ];
        for (mark, ahead, wanted) in kinds {
            if self.take(mark) {
                let node = Box::new(self.inside(true)?);
                return Ok((Node::Look { ahead, wanted, node }, false));
            }
        }
        if self.take(b"?:") {
            return Ok((Node::Group(None, Box::new(self.inside(looking)?)), true));
        }
        if self.peek() == Some(b'?') {
            return Err(REPEATED);
        }
        // What is looked for around a place captures nothing.
        if looking {
            return Ok((Node::Group(None, Box::new(self.inside(true)?)), true));
        }
        self.groups += 1;
        let number = self.groups;
        let node = self.inside(false)?;
        self.closed.push(number);
        Ok((Node::Group(Some(number), Box::new(node)), true))
    }

    fn inside(&mut self, looking: bool) -> Parsed<Node> {
        let node = self.alternatives(looking)?;
        if self.take(b")") { Ok(node) } else { Err(PARENTHESES) }
    }
}

/// What a backslash makes of what follows it.
pub(super) enum Escape {
    /// A character; none if it is none of one byte.
    Byte(Option<u8>),
    /// One of a class, or one that is not of it.
    Class(Class, bool),
    Place(Place),
    Back(usize),
}

impl Parser<'_> {
    pub(super) fn escape(&mut self) -> Parsed<Escape> {
        let byte = self.next().ok_or(ESCAPE)?;
        let plain = |it| Ok(Escape::Byte(Some(it)));
        match byte {
            b'a' => plain(7),
            b'b' => plain(8),
            b'B' => plain(b'\\'),
            b'c' => {
                let letter = self.next().ok_or(ESCAPE)?;
                plain(letter & 0o37)
            }
            b'e' => plain(0o33),
            b'f' => plain(12),
            b'n' => plain(b'\n'),
            b'r' => plain(b'\r'),
            b't' => plain(b'\t'),
            b'v' => plain(11),
            b'u' => self.digits(16, 4, 4).map(Escape::Byte),
            b'U' => self.digits(16, 8, 8).map(Escape::Byte),
            b'x' => self.digits(16, 1, 255).map(Escape::Byte),
            b'd' | b'D' => Ok(Escape::Class(Class::Digit, byte == b'd')),
            b's' | b'S' => Ok(Escape::Class(Class::Space, byte == b's')),
            b'w' | b'W' => Ok(Escape::Class(Class::Word, byte == b'w')),
            b'A' => Ok(Escape::Place(Place::Start)),
            b'Z' => Ok(Escape::Place(Place::End)),
            b'm' => Ok(Escape::Place(Place::WordStart)),
            b'M' => Ok(Escape::Place(Place::WordEnd)),
            b'y' => Ok(Escape::Place(Place::WordEdge)),
            b'Y' => Ok(Escape::Place(Place::NoWordEdge)),
            b'0'..=b'9' => {
                self.at -= 1;
                self.numbered()
            }
            it if it.is_ascii_alphabetic() => Err(ESCAPE),
            it => plain(it),
        }
    }

    /// A group's number, or a character's in octal digits.
    fn numbered(&mut self) -> Parsed<Escape> {
        let digits = self.text[self.at..].iter().take_while(|it| it.is_ascii_digit()).count();
        let number = self.text[self.at..self.at + digits]
            .iter()
            .fold(0usize, |sum, it| sum.saturating_mul(10).saturating_add(usize::from(it - b'0')));
        if self.peek() != Some(b'0') && (digits == 1 || number > 0 && number <= self.groups) {
            self.at += digits;
            return Ok(Escape::Back(number));
        }
        let start = self.at;
        let mut value = 0u32;
        while self.at < start + 3
            && let Some(digit) = self.peek().filter(|it| (b'0'..=b'7').contains(it))
        {
            value = value * 8 + u32::from(digit - b'0');
            self.at += 1;
        }
        if self.at == start {
            return Err(ESCAPE);
        }
        if value > 0xff {
            self.at -= 1;
            value >>= 3;
        }
        Ok(Escape::Byte(u8::try_from(value).ok()))
    }

    fn digits(&mut self, radix: u32, least: usize, most: usize) -> Parsed<Option<u8>> {
        let (start, mut value) = (self.at, 0u32);
        while self.at < start + most
            && let Some(digit) = self.peek().and_then(|it| char::from(it).to_digit(radix))
        {
            value = value.wrapping_mul(radix).wrapping_add(digit);
            self.at += 1;
        }
        if self.at - start < least || value > 0x7fff_fffe {
            return Err(ESCAPE);
        }
        Ok(u8::try_from(value).ok())
    }
}
