//! The words of `postgresql.conf`, as the server's scanner takes them.

/// What kind of word it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Letters and digits.
    Identifier,
    /// Two identifiers with a dot in between.
    Qualified,
    /// Between single quotes.
    Quoted,
    /// A word with `-`, `.`, `_`, `:` or `/` in it.
    Unquoted,
    /// A number, perhaps with a unit.
    Integer,
    /// A number with a point.
    Real,
    /// `=`
    Equals,
    /// A byte that cannot be.
    Error,
}

/// A word: its kind and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_letter_or_digit(byte: u8) -> bool {
    is_letter(byte) || byte.is_ascii_digit()
}

/// Tells whether the server takes these bytes for an identifier.
pub(super) fn is_identifier(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|it| is_letter(*it)) && bytes.iter().all(|it| is_letter_or_digit(*it))
}

/// Returns the words of one line without its newline, and where a comment
/// begins if there is one.
pub(super) fn scan(line: &[u8]) -> (Vec<Token>, Option<usize>) {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = line.get(at) {
        match byte {
            b' ' | b'\t' | b'\r' => at += 1,
            b'#' => return (tokens, Some(at)),
            _ => {
                let (kind, length) = longest(&line[at..]);
                tokens.push(Token { kind, start: at, end: at + length });
                at += length;
            }
        }
    }
    (tokens, None)
}

/// The longest match wins; of equally long ones the first in this list.
fn longest(text: &[u8]) -> (Kind, usize) {
    let candidates = [
        (Kind::Identifier, identifier(text)),
        (Kind::Qualified, qualified(text)),
        (Kind::Quoted, quoted(text)),
        (Kind::Unquoted, unquoted(text)),
        (Kind::Integer, integer(text)),
        (Kind::Real, real(text)),
        (Kind::Equals, usize::from(text[0] == b'=')),
        (Kind::Error, 1),
    ];
    let mut best = (Kind::Error, 0);
    for candidate in candidates {
        if candidate.1 > best.1 {
            best = candidate;
        }
    }
    best
}

fn count(text: &[u8], good: impl Fn(u8) -> bool) -> usize {
    text.iter().take_while(|it| good(**it)).count()
}

fn identifier(text: &[u8]) -> usize {
    if is_letter(text[0]) { count(text, is_letter_or_digit) } else { 0 }
}

fn qualified(text: &[u8]) -> usize {
    let first = identifier(text);
    match text.get(first..) {
        Some([b'.', rest @ ..]) if first > 0 && rest.first().is_some_and(|it| is_letter(*it)) => {
            first + 1 + identifier(rest)
        }
        _ => 0,
    }
}

fn quoted(text: &[u8]) -> usize {
    if text[0] != b'\'' {
        return 0;
    }
    // The last place where the string could have ended.
    let mut ended = 0;
    let mut at = 1;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'\\' if text.get(at + 1).is_none_or(|it| *it == b'\n') => return ended,
            b'\\' => at += 2,
            b'\'' => {
                ended = at + 1;
                if text.get(at + 1) != Some(&b'\'') {
                    return ended;
                }
                at += 2;
            }
            _ => at += 1,
        }
    }
    ended
}

fn unquoted(text: &[u8]) -> usize {
    if !is_letter(text[0]) {
        return 0;
    }
    count(text, |it| is_letter_or_digit(it) || b"-._:/".contains(&it))
}

fn sign(text: &[u8]) -> usize {
    usize::from(matches!(text.first(), Some(b'+' | b'-')))
}

fn integer(text: &[u8]) -> usize {
    let start = sign(text);
    let digits = count(&text[start..], |it| it.is_ascii_digit());
    if digits == 0 {
        return 0;
    }
    let with_unit = |end: usize| end + count(&text[end..], |it| it.is_ascii_alphabetic());
    let decimal = with_unit(start + digits);
    let hexadecimal = match text[start..].strip_prefix(b"0x") {
        Some(rest) => match count(rest, |it| it.is_ascii_hexdigit()) {
            0 => 0,
            digits => with_unit(start + 2 + digits),
        },
        None => 0,
    };
    decimal.max(hexadecimal)
}

fn real(text: &[u8]) -> usize {
    let mut at = sign(text);
    at += count(&text[at..], |it| it.is_ascii_digit());
    if text.get(at) != Some(&b'.') {
        return 0;
    }
    at += 1;
    at += count(&text[at..], |it| it.is_ascii_digit());
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let start = at + 1 + sign(&text[at + 1..]);
        let digits = count(&text[start..], |it| it.is_ascii_digit());
        if digits > 0 {
            return start + digits;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(Kind, &str)> {
        let (tokens, _) = scan(text.as_bytes());
        tokens.into_iter().map(|it| (it.kind, &text[it.start..it.end])).collect()
    }

    #[test]
    fn the_longest_word_wins() {
        use Kind::{Equals, Error, Identifier, Integer, Qualified, Quoted, Real, Unquoted};
        let cases: [(&str, &[(Kind, &str)]); 15] = [
            ("a.b", &[(Qualified, "a.b")]),
            ("a.b.c", &[(Unquoted, "a.b.c")]),
            ("a.", &[(Unquoted, "a.")]),
            ("a.1", &[(Unquoted, "a.1")]),
            ("é-x", &[(Unquoted, "é-x")]),
            ("4.5MB", &[(Real, "4.5"), (Identifier, "MB")]),
            ("1e4", &[(Integer, "1e"), (Integer, "4")]),
            ("1.e4", &[(Real, "1.e4")]),
            ("1.e", &[(Real, "1."), (Identifier, "e")]),
            ("0x1000kB", &[(Integer, "0x1000kB")]),
            ("0xg", &[(Integer, "0xg")]),
            (".", &[(Real, ".")]),
            ("-x", &[(Error, "-"), (Identifier, "x")]),
            // Nothing closes the string after the doubled quote: it ended where
            // it last could.
            (
                "a='b''c",
                &[
                    (Identifier, "a"),
                    (Equals, "="),
                    (Quoted, "'b'"),
                    (Error, "'"),
                    (Identifier, "c"),
                ],
            ),
            ("'it\\'s'x", &[(Quoted, "'it\\'s'"), (Identifier, "x")]),
        ];
        for (text, expected) in cases {
            assert_eq!(words(text), expected, "{text}");
        }
    }
}
