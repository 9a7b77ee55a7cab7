//! `keyword=value` words, with libpq's quoting.

use super::{Conninfo, ConninfoError, keyword};

/// What C's `isspace` takes for a blank.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Reads words.
pub(super) fn parse(text: &str) -> Result<Conninfo, ConninfoError> {
    let mut reader = Reader { text, at: 0 };
    let mut conninfo = Conninfo::new();
    let mut before: Option<&'static str> = None;
    loop {
        reader.skip_blanks();
        if reader.peek().is_none() {
            return Ok(conninfo);
        }
        let name = reader.name();
        let shown = |name: &str| shown(name, before);
        reader.skip_blanks();
        if reader.peek() != Some(b'=') {
            return Err(ConninfoError::MissingEquals { word: shown(name) });
        }
        reader.at += 1;
        reader.skip_blanks();
        let value =
            reader.value().ok_or_else(|| ConninfoError::UnterminatedQuote { keyword: shown(name) });
        let known = keyword::find(name).map(|it| it.name);
        if known.is_none() && name != "requiressl" {
            return Err(match ConninfoError::unknown(name) {
                ConninfoError::UnknownKeyword { nearest, .. } => {
                    ConninfoError::UnknownKeyword { word: shown(name), nearest }
                }
                other => other,
            });
        }
        conninfo.set(name, value?)?;
        before = known;
    }
}

/// A word that is no keyword, as far as it may be shown: what follows a secret
/// may be its other half, and what is no name may be a whole string with a
/// password in it (`ann:secret@db`).
fn shown(word: &str, before: Option<&'static str>) -> String {
    match before {
        Some(before) if keyword::find(before).is_some_and(|it| it.secret) => {
            format!("what follows `{before}`")
        }
        _ if keyword::is_name(word) => format!("`{word}`"),
        Some(before) => format!("what follows `{before}`"),
        None => "what it begins with".to_owned(),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
    }

    /// Everything up to a blank or `=`.
    fn name(&mut self) -> &'a str {
        let start = self.at;
        while self.peek().is_some_and(|it| it != b'=' && !is_blank(it)) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    /// A value; `None` if its quotes are not closed.
    fn value(&mut self) -> Option<String> {
        let quoted = self.peek() == Some(b'\'');
        self.at += usize::from(quoted);
        let mut value = String::new();
        let mut rest = self.text[self.at..].char_indices();
        let end = loop {
            match rest.next() {
                None if quoted => return None,
                None => break self.text.len() - self.at,
                Some((at, '\'')) if quoted => break at + 1,
                Some((at, c)) if !quoted && c.is_ascii() && is_blank(c as u8) => break at,
                // At the very end it stands for nothing.
                Some((_, '\\')) => value.extend(rest.next().map(|(_, c)| c)),
                Some((_, c)) => value.push(c),
            }
        };
        self.at += end;
        Some(value)
    }
}

/// Quotes a value if need be.
pub(super) fn quote(value: &str) -> String {
    let plain = |c: char| !c.is_ascii() || !(is_blank(c as u8) || c == '\'' || c == '\\');
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}
