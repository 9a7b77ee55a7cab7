//! `[…]` in a pattern.

use super::{
    bytes::{Bytes, Class},
    syntax::{BRACKETS, ESCAPE, Escape, Parser},
};

const RANGE: &str = "invalid character range";
const ELEMENT: &str = "invalid collating element";

/// One thing in a bracket.
enum Item {
    /// A character; its number may be beyond a byte.
    Char(u32),
    /// A set of them, which begins and ends no range.
    Set(Bytes),
    /// `-` between two.
    Dash,
}

impl Parser<'_> {
    /// Reads what follows the opening bracket.
    pub(super) fn bracket(&mut self) -> Result<Bytes, &'static str> {
        let inverted = self.take(b"^");
        let start = self.at;
        let mut all = Bytes::none();
        loop {
            if self.at > start && self.take(b"]") {
                return Ok(all.folded(self.fold).inverted(inverted));
            }
            match self.item(start)? {
                Item::Dash => return Err(RANGE),
                Item::Set(set) => all = all.and(set),
                Item::Char(first) => all = all.and(range(first, self.last(first, start)?)?),
            }
        }
    }

    /// Reads the end of a range, if this is one.
    fn last(&mut self, first: u32, start: usize) -> Result<u32, &'static str> {
        let is_range = self.peek() == Some(b'-') && self.text.get(self.at + 1) != Some(&b']');
        if !is_range {
            return Ok(first);
        }
        self.at += 1;
        match self.item(start)? {
            Item::Char(last) => Ok(last),
            Item::Dash => Ok(u32::from(b'-')),
            Item::Set(_) => Err(RANGE),
        }
    }

    fn item(&mut self, start: usize) -> Result<Item, &'static str> {
        let is_first = self.at == start;
        match self.next().ok_or(BRACKETS)? {
            b'\\' => match self.escape()? {
                Escape::Byte(it) => Ok(Item::Char(it.map_or(u32::MAX, u32::from))),
                Escape::Class(class, true) => Ok(Item::Set(class.bytes())),
                Escape::Class(class, false) if self.major >= 14 => {
                    Ok(Item::Set(class.bytes().inverted(true)))
                }
                _ => Err(ESCAPE),
            },
            b'-' if !is_first && self.peek() != Some(b']') => Ok(Item::Dash),
            b'[' if matches!(self.peek(), Some(b':' | b'.' | b'=')) => self.named(),
            b'[' if self.peek().is_none() => Err(BRACKETS),
            it => Ok(Item::Char(u32::from(it))),
        }
    }

    /// Reads `[:class:]`, `[.element.]` or `[=equivalents=]`.
    fn named(&mut self) -> Result<Item, &'static str> {
        let mark = self.next().unwrap_or_default();
        let start = self.at;
        let length = self.text[start..].windows(2).position(|it| it == [mark, b']']);
        let length = length.ok_or(BRACKETS)?;
        self.at = start + length + 2;
        let name = &self.text[start..start + length];
        if mark == b':' {
            let class = Class::named(name, self.major).ok_or("invalid character class")?;
            let class = match class {
                // Where case does not count there is no other class.
                Class::Lower | Class::Upper if self.fold => Class::Alpha,
                other => other,
            };
            return Ok(Item::Set(class.bytes()));
        }
        let element = match name {
            [one] => *one,
            _ => element(name).ok_or(ELEMENT)?,
        };
        Ok(match mark {
            b'=' => Item::Set(Bytes::of(element)),
            _ => Item::Char(u32::from(element)),
        })
    }
}

fn range(first: u32, last: u32) -> Result<Bytes, &'static str> {
    if first > last {
        return Err(RANGE);
    }
    let bytes = (first..=last.min(255)).filter_map(|it| u8::try_from(it).ok());
    Ok(bytes.fold(Bytes::none(), Bytes::with))
}

/// The names in POSIX of the characters from 0 on.
const CONTROLS: [&str; 32] = [
    "NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "HT", "LF", "VT", "FF", "CR",
    "SO", "SI", "DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC",
    "IS4", "IS3", "IS2", "IS1",
];

/// Further names in POSIX.
const NAMES: [(&str, u8); 63] = [
    ("alert", 7),
    ("backspace", 8),
    ("tab", 9),
    ("newline", 10),
    ("vertical-tab", 11),
    ("form-feed", 12),
    ("carriage-return", 13),
    ("FS", 28),
    ("GS", 29),
    ("RS", 30),
    ("US", 31),
    ("space", b' '),
    ("exclamation-mark", b'!'),
    ("quotation-mark", b'"'),
    ("number-sign", b'#'),
    ("dollar-sign", b'$'),
    ("percent-sign", b'%'),
    ("ampersand", b'&'),
    ("apostrophe", b'\''),
    ("left-parenthesis", b'('),
    ("right-parenthesis", b')'),
    ("asterisk", b'*'),
    ("plus-sign", b'+'),
    ("comma", b','),
    ("hyphen", b'-'),
    ("hyphen-minus", b'-'),
    ("period", b'.'),
    ("full-stop", b'.'),
    ("slash", b'/'),
    ("solidus", b'/'),
    ("zero", b'0'),
    ("one", b'1'),
    ("two", b'2'),
    ("three", b'3'),
    ("four", b'4'),
    ("five", b'5'),
    ("six", b'6'),
    ("seven", b'7'),
    ("eight", b'8'),
    ("nine", b'9'),
    ("colon", b':'),
    ("semicolon", b';'),
    ("less-than-sign", b'<'),
    ("equals-sign", b'='),
    ("greater-than-sign", b'>'),
    ("question-mark", b'?'),
    ("commercial-at", b'@'),
    ("left-square-bracket", b'['),
    ("backslash", b'\\'),
    ("reverse-solidus", b'\\'),
    ("right-square-bracket", b']'),
    ("circumflex", b'^'),
    ("circumflex-accent", b'^'),
    ("underscore", b'_'),
    ("low-line", b'_'),
    ("grave-accent", b'`'),
    ("left-brace", b'{'),
    ("left-curly-bracket", b'{'),
    ("vertical-line", b'|'),
    ("right-brace", b'}'),
    ("right-curly-bracket", b'}'),
    ("tilde", b'~'),
    ("DEL", 127),
];

/// Returns the character that has a name in POSIX.
fn element(name: &[u8]) -> Option<u8> {
    let is_it = |it: &str| it.as_bytes() == name;
    let control = CONTROLS.iter().position(|it| is_it(it));
    let other = || NAMES.iter().find(|it| is_it(it.0)).map(|it| it.1);
    control.and_then(|it| u8::try_from(it).ok()).or_else(other)
}
