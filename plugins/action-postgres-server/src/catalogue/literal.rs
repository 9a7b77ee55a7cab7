//! Values in Python's notation, in which Barman writes what is more than text.

use std::fmt;

/// How deep values are nested at most.
const DEEPEST: u32 = 64;

/// A value as Python's `repr` shows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    /// `None`
    None,
    /// `True`, `False`
    Bool(bool),
    /// `16385`
    Int(i128),
    /// `1.5`
    Float(f64),
    /// `'x'`
    Text(String),
    /// `[1, 2]`
    List(Vec<Literal>),
    /// `(1, 2)`
    Tuple(Vec<Literal>),
    /// `{'a': 1}`, in the order in which it is written
    Dict(Vec<(Literal, Literal)>),
}

impl Literal {
    /// Reads one value.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text };
        let value = reader.value(0)?;
        reader.blanks();
        reader.rest.is_empty().then_some(value)
    }

    /// Returns the text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Returns what is in it, if it is a list or a tuple.
    pub(crate) fn items(&self) -> Option<&[Self]> {
        if let Self::List(items) | Self::Tuple(items) = self { Some(items) } else { None }
    }
}

#[derive(Debug)]
struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.blanks();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn value(&mut self, depth: u32) -> Option<Literal> {
        if depth > DEEPEST {
            return None;
        }
        self.blanks();
        let first = self.rest.chars().next()?;
        match first {
            '[' => self.items("[", "]", depth).map(|(items, _)| Literal::List(items)),
            '(' => self.items("(", ")", depth).map(|(mut items, comma)| {
                // Without a comma they are only parentheses.
                match items.pop() {
                    Some(only) if items.is_empty() && !comma => only,
                    last => {
                        items.extend(last);
                        Literal::Tuple(items)
                    }
                }
            }),
            '{' => self.dict(depth),
            '\'' | '"' => self.texts(),
            'u' if self.rest[1..].starts_with(['\'', '"']) => {
                self.rest = &self.rest[1..];
                self.texts()
            }
            _ => self.word(),
        }
    }

    fn items(&mut self, open: &str, close: &str, depth: u32) -> Option<(Vec<Literal>, bool)> {
        let (mut items, mut comma) = (Vec::new(), false);
        self.eat(open);
        while !self.eat(close) {
            if !items.is_empty() && !comma {
                return None;
            }
            items.push(self.value(depth + 1)?);
            comma = self.eat(",");
        }
        Some((items, comma))
    }

    fn dict(&mut self, depth: u32) -> Option<Literal> {
        let (mut pairs, mut comma) = (Vec::new(), true);
        self.eat("{");
        while !self.eat("}") {
            if !comma {
                return None;
            }
            let key = self.value(depth + 1)?;
            if !self.eat(":") {
                return None;
            }
            pairs.push((key, self.value(depth + 1)?));
            comma = self.eat(",");
        }
        Some(Literal::Dict(pairs))
    }

    /// Several texts side by side are one.
    fn texts(&mut self) -> Option<Literal> {
        let mut all = String::new();
        while let Some(quote) = self.rest.chars().next().filter(|it| "'\"".contains(*it)) {
            self.rest = &self.rest[1..];
            self.text_until(quote, &mut all)?;
            self.blanks();
        }
        Some(Literal::Text(all))
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.chars().next()?;
        self.rest = &self.rest[next.len_utf8()..];
        Some(next)
    }

    fn text_until(&mut self, quote: char, text: &mut String) -> Option<()> {
        loop {
            match self.next()? {
                '\\' => self.escaped(text)?,
                it if it == quote => return Some(()),
                it => text.push(it),
            }
        }
    }

    fn escaped(&mut self, text: &mut String) -> Option<()> {
        let it = match self.next()? {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'v' => '\u{b}',
            'x' => self.number(2, 16)?,
            'u' => self.number(4, 16)?,
            'U' => self.number(8, 16)?,
            '0' => '\0',
            it @ ('\\' | '\'' | '"') => it,
            // Python leaves what it does not know as it is.
            other => {
                text.push('\\');
                other
            }
        };
        text.push(it);
        Some(())
    }

    fn number(&mut self, digits: usize, base: u32) -> Option<char> {
        let number = self.rest.get(..digits)?;
        self.rest = &self.rest[digits..];
        char::from_u32(u32::from_str_radix(number, base).ok()?)
    }

    fn word(&mut self) -> Option<Literal> {
        let end = self.rest.find(|it: char| !(it.is_ascii_alphanumeric() || "+-._".contains(it)));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        match word {
            "None" => return Some(Literal::None),
            "True" => return Some(Literal::Bool(true)),
            "False" => return Some(Literal::Bool(false)),
            _ => {}
        }
        if let Ok(number) = word.trim_end_matches('L').parse() {
            return Some(Literal::Int(number));
        }
        let good = word.bytes().any(|it| it.is_ascii_digit());
        word.parse().ok().filter(|_| good).map(Literal::Float)
    }
}

impl fmt::Display for Literal {
    /// Writes it as Python does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bool(true) => f.write_str("True"),
            Self::Bool(false) => f.write_str("False"),
            Self::Int(number) => number.fmt(f),
            Self::Float(number) => float(f, *number),
            Self::Text(it) => text(f, it),
            Self::List(items) => listed(f, "[", items, "]"),
            Self::Tuple(items) => listed(f, "(", items, if items.len() == 1 { ",)" } else { ")" }),
            Self::Dict(pairs) => {
                f.write_str("{")?;
                for (i, (key, value)) in pairs.iter().enumerate() {
                    write!(f, "{}{key}: {value}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str("}")
            }
        }
    }
}

fn listed(f: &mut fmt::Formatter<'_>, open: &str, items: &[Literal], close: &str) -> fmt::Result {
    f.write_str(open)?;
    for (i, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if i == 0 { "" } else { ", " })?;
    }
    f.write_str(close)
}

/// The shortest digits that stand for it, from 1e-4 to 1e16 without an
/// exponent.
fn float(f: &mut fmt::Formatter<'_>, number: f64) -> fmt::Result {
    let size = number.abs();
    if !number.is_finite() {
        // Python has no literal of these; this one is read as infinite.
        return f.write_str(if number < 0.0 { "-1e999" } else { "1e999" });
    }
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or_default();
        return write!(f, "{digits}e{exponent:+03}");
    }
    write!(f, "{number:?}")
}

fn text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    write!(f, "{quote}")?;
    for it in text.chars() {
        let number = u32::from(it);
        match it {
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            _ if it == quote => write!(f, "\\{it}")?,
            _ if it.is_control() || is_hidden(it) => match number {
                0..=0xff => write!(f, "\\x{number:02x}")?,
                0x100..=0xffff => write!(f, "\\u{number:04x}")?,
                _ => write!(f, "\\U{number:08x}")?,
            },
            _ => write!(f, "{it}")?,
        }
    }
    write!(f, "{quote}")
}

/// Blanks and marks that would not be seen; what else Python escapes, it reads
/// unescaped, too.
fn is_hidden(it: char) -> bool {
    matches!(
        u32::from(it),
        0xa0 | 0xad | 0x1680 | 0x2000..=0x200f | 0x2028..=0x202f | 0x205f..=0x206f | 0x3000 | 0xfeff
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_python_writes_is_read_and_written_alike() {
        // Each line was printed by `repr`.
        let cases = [
            "None",
            "True",
            "False",
            "0",
            "-17",
            "1.5",
            "2.0",
            "0.0001",
            "1e-05",
            "1e+16",
            "1.2345e+20",
            "-0.25",
            "123456789012345.0",
            "''",
            "'a\\nb'",
            "\"it's\"",
            "'it\\'s \"so\"'",
            "'back\\\\slash'",
            "'\\x00\\x1b\\xa0'",
            "'\u{e4}\u{20ac}\u{1f600}'",
            "'\\u200b'",
            "[]",
            "[1, 'a']",
            "()",
            "(1,)",
            "('t1', 16385, '/x/t1')",
            "{}",
            "{'copy_time': 1.5, 'serialized': {'a': [None, True]}}",
            "[('t1', 1, '/x')]",
        ];
        for text in cases {
            let value = Literal::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(value.to_string(), text);
        }
    }

    #[test]
    fn other_notations_are_read_and_nothing_else() {
        let cases = [
            (" [ 1 ,2, ] ", Some("[1, 2]")),
            ("(1)", Some("1")),
            ("u'x'", Some("'x'")),
            ("'a' 'b'", Some("'ab'")),
            ("16385L", Some("16385")),
            ("'\\q'", Some("'\\\\q'")),
            ("\"x\"", Some("'x'")),
            ("", None),
            ("x", None),
            ("nan", None),
            ("[1", None),
            ("[,]", None),
            ("[1 2]", None),
            ("'x", None),
            ("'\\x4'", None),
            ("{'a'}", None),
            ("{'a': 1 'b': 2}", None),
            ("1 2", None),
            ("open('/etc/passwd')", None),
        ];
        for (text, expected) in cases {
            let found = Literal::parse(text).map(|it| it.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
        let deep = "[".repeat(1_000_000);
        assert_eq!(Literal::parse(&deep), None);
    }

    fn literals() -> impl Strategy<Value = Literal> {
        let leaf = prop_oneof![
            Just(Literal::None),
            any::<bool>().prop_map(Literal::Bool),
            any::<i64>().prop_map(|it| Literal::Int(i128::from(it))),
            any::<f64>().prop_filter("finite", |it| it.is_finite()).prop_map(Literal::Float),
            any::<String>().prop_map(Literal::Text),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Literal::List),
                prop::collection::vec(inner.clone(), 0..4).prop_map(Literal::Tuple),
                prop::collection::vec((inner.clone(), inner), 0..4).prop_map(Literal::Dict),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_comes_back(value in literals()) {
            let text = value.to_string();
            prop_assert!(!text.contains('\n'));
            prop_assert_eq!(Literal::parse(&text), Some(value));
        }

        #[test]
        fn no_text_does_harm(text in "[\\[\\](){}'\"\\\\xuU0-9a-f,: ]{0,30}|.{0,30}") {
            drop(Literal::parse(&text));
        }
    }
}
