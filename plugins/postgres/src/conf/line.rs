//! One line of a file: its bytes, and what the server sees in them.

use std::{borrow::Cow, ops::Range};

use super::{
    quote::unquote,
    token::{Kind, Token, scan},
};

/// What a line is to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LineKind {
    /// Nothing but blanks.
    Blank,
    /// Nothing but a comment.
    Comment,
    /// A comment that holds one setting and nothing else: `#name = value`.
    /// A sentence that happens to begin like one is a [`LineKind::Comment`].
    CommentedSetting,
    /// A setting.
    Setting,
    /// `include`, `include_if_exists` or `include_dir`.
    Include(IncludeKind),
    /// A syntax error: the server would load nothing of the file.
    Invalid,
}

/// Which of the three directives it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IncludeKind {
    /// `include`: the file must be there.
    File,
    /// `include_if_exists`
    IfExists,
    /// `include_dir`: every `*.conf` in a directory.
    Directory,
}

impl IncludeKind {
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        let is = |it: &str| name.eq_ignore_ascii_case(it.as_bytes());
        match () {
            () if is("include") => Some(Self::File),
            () if is("include_if_exists") => Some(Self::IfExists),
            () if is("include_dir") => Some(Self::Directory),
            () => None,
        }
    }
}

/// Where the parts of a setting are within its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spans {
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
    pub(super) quoted: bool,
}

/// One line, its line end included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    bytes: Vec<u8>,
    kind: LineKind,
    spans: Option<Spans>,
}

impl Line {
    /// Reads a line; at most one newline, at its end.
    pub(super) fn parse(bytes: Vec<u8>) -> Self {
        let (kind, spans) = classify(text_of(&bytes));
        Self { bytes, kind, spans }
    }

    /// Returns all bytes, the line end included.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the bytes without the newline.
    pub fn text(&self) -> &[u8] {
        text_of(&self.bytes)
    }

    /// Returns the line end: `\n`, `\r\n`, or nothing.
    pub fn ending(&self) -> &[u8] {
        match &self.bytes[..] {
            [.., b'\r', b'\n'] => b"\r\n",
            [.., b'\n'] => b"\n",
            _ => b"",
        }
    }

    /// Returns what the line is.
    pub fn kind(&self) -> LineKind {
        self.kind
    }

    /// Returns the name as it is written, of a setting, a commented setting
    /// or a directive.
    pub fn name(&self) -> Option<&[u8]> {
        self.spans.as_ref().map(|it| &self.bytes[it.name.clone()])
    }

    /// Returns the value as the server sees it, of a setting, a commented
    /// setting or a directive.
    pub fn value(&self) -> Option<Cow<'_, [u8]>> {
        let spans = self.spans.as_ref()?;
        let word = &self.bytes[spans.value.clone()];
        Some(if spans.quoted { unquote(word).into() } else { word.into() })
    }

    pub(super) fn spans(&self) -> Option<&Spans> {
        self.spans.as_ref()
    }

    /// Tells whether the line is good as far as it goes, and ends too early: a
    /// name without a value.
    pub(super) fn ends_early(&self) -> bool {
        let (tokens, _) = scan(self.text());
        let Some((name, rest)) = tokens.split_first() else { return false };
        is_name(name) && rest.iter().all(|it| it.kind == Kind::Equals) && rest.len() < 2
    }
}

fn text_of(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\n").unwrap_or(bytes)
}

fn classify(text: &[u8]) -> (LineKind, Option<Spans>) {
    let (tokens, comment) = scan(text);
    if tokens.is_empty() {
        return match comment {
            None => (LineKind::Blank, None),
            Some(at) => commented(text, at),
        };
    }
    let Some(spans) = setting(&tokens) else { return (LineKind::Invalid, None) };
    // What the server makes of a zero byte in a string is undefined.
    if text[spans.value.clone()].contains(&0) {
        return (LineKind::Invalid, None);
    }
    let kind = IncludeKind::of(&text[spans.name.clone()]);
    (kind.map_or(LineKind::Setting, LineKind::Include), Some(spans))
}

fn is_name(token: &Token) -> bool {
    matches!(token.kind, Kind::Identifier | Kind::Qualified)
}

fn setting(tokens: &[Token]) -> Option<Spans> {
    let (name, value) = match tokens {
        [name, value] => (name, value),
        [name, equals, value] if equals.kind == Kind::Equals => (name, value),
        _ => return None,
    };
    let good_value = matches!(
        value.kind,
        Kind::Identifier | Kind::Quoted | Kind::Unquoted | Kind::Integer | Kind::Real
    );
    (is_name(name) && good_value).then(|| Spans {
        name: name.start..name.end,
        value: value.start..value.end,
        quoted: value.kind == Kind::Quoted,
    })
}

/// A commented setting has one `#` and an equals sign, and nothing behind it
/// but another comment: `#port = 5432  # (change requires restart)`.
fn commented(text: &[u8], at: usize) -> (LineKind, Option<Spans>) {
    let (tokens, _) = scan(&text[at + 1..]);
    let spans = match tokens[..] {
        [_, equals, _] if equals.kind == Kind::Equals => setting(&tokens),
        _ => None,
    };
    let is_include = |it: &Spans| IncludeKind::of(&text[at + 1..][it.name.clone()]).is_some();
    let Some(spans) = spans.filter(|it| !is_include(it)) else {
        return (LineKind::Comment, None);
    };
    let shift = |it: Range<usize>| it.start + at + 1..it.end + at + 1;
    let spans = Spans { name: shift(spans.name), value: shift(spans.value), ..spans };
    (LineKind::CommentedSetting, Some(spans))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_no_commented_setting() {
        let cases = [
            ("#foo = bar is recommended", LineKind::Comment),
            ("# foo bar", LineKind::Comment),
            ("#foo = bar", LineKind::CommentedSetting),
            ("  # foo = bar", LineKind::CommentedSetting),
            ("#foo = bar # and why", LineKind::CommentedSetting),
            ("##foo = bar", LineKind::Comment),
            ("#include = 'x'", LineKind::Comment),
            ("#", LineKind::Comment),
            (" \t\r", LineKind::Blank),
            ("foo = bar is recommended", LineKind::Invalid),
            ("foo bar", LineKind::Setting),
            ("INCLUDE_dir 'x'", LineKind::Include(IncludeKind::Directory)),
            ("a = 'x\0y'", LineKind::Invalid),
        ];
        for (text, kind) in cases {
            assert_eq!(Line::parse(text.as_bytes().to_vec()).kind(), kind, "{text}");
        }
    }
}
