//! Words and fields of a line.

use std::ops::Range;

/// The longest word that versions up to 15 take, in bytes.
const LONGEST: usize = 10_239;

/// A word of a line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Word {
    /// What it says, without quotes.
    pub text: Vec<u8>,
    /// Whether it began with a quote: then it is no keyword.
    pub quoted: bool,
}

impl Word {
    /// Returns a word that is not quoted, such as a keyword.
    pub fn plain(text: impl AsRef<[u8]>) -> Self {
        Self { text: text.as_ref().to_vec(), quoted: false }
    }

    /// Returns a word that means just its text.
    pub fn quoted(text: impl AsRef<[u8]>) -> Self {
        Self { text: text.as_ref().to_vec(), quoted: true }
    }

    /// Tells whether it is this keyword.
    pub fn is_keyword(&self, keyword: &str) -> bool {
        !self.quoted && self.text == keyword.as_bytes()
    }

    /// Returns the pattern that the word is (16 and later): what follows its
    /// slash, whether it is quoted or not.
    pub fn pattern(&self) -> Option<&[u8]> {
        self.text.strip_prefix(b"/")
    }

    /// Returns the role whose members are meant: `+role`.
    pub fn role(&self) -> Option<&[u8]> {
        if self.quoted { None } else { self.text.strip_prefix(b"+") }
    }

    /// Returns the file whose words stand in for this one: `@file`.
    pub fn file(&self) -> Option<&[u8]> {
        let name = if self.quoted { None } else { self.text.strip_prefix(b"@") };
        name.filter(|it| !it.is_empty())
    }
}

/// Words joined by commas, and where they are in their line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) words: Vec<Word>,
    pub(crate) span: Range<usize>,
}

/// The fields of a line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Fields {
    pub(crate) fields: Vec<Field>,
    /// Whether a word is too long for the version; the rest is not read.
    pub(crate) too_long: bool,
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

/// Takes a line apart.
pub(crate) fn fields(text: &[u8], major: u32) -> Fields {
    let mut result = Fields::default();
    let mut at = 0;
    while at < text.len() && !result.too_long {
        let mut field = Field { words: Vec::new(), span: at..at };
        loop {
            let next = next_word(text, at);
            at = next.end;
            let Some(word) = next.word else { break };
            if major <= 15 && word.text.len() > LONGEST {
                result.too_long = true;
                break;
            }
            if field.words.is_empty() {
                field.span.start = next.start;
            }
            field.span.end = next.word_end;
            field.words.push(word);
            if !next.comma {
                break;
            }
        }
        if !field.words.is_empty() {
            result.fields.push(field);
        }
    }
    result
}

struct Next {
    word: Option<Word>,
    /// Where the word begins.
    start: usize,
    /// Where the word ends; a comma behind it is not in it.
    word_end: usize,
    /// Where to go on.
    end: usize,
    /// Whether a comma ended it.
    comma: bool,
}

fn next_word(text: &[u8], from: usize) -> Next {
    let skipped = text[from..].iter().take_while(|it| is_blank(**it) || **it == b',').count();
    let start = from + skipped;
    let mut word = Vec::new();
    let (mut in_quotes, mut was_quote, mut saw_quote, mut initial) = (false, false, false, false);
    let mut at = start;
    let next = |text: Vec<u8>, word_end, end, comma, saw_quote, initial| {
        let is_word = saw_quote || !text.is_empty();
        let word = is_word.then_some(Word { text, quoted: initial });
        Next { word, start, word_end, end, comma }
    };
    while let Some(&byte) = text.get(at) {
        if !in_quotes && is_blank(byte) {
            break;
        }
        if !in_quotes && byte == b'#' {
            return next(word, at, text.len(), false, saw_quote, initial);
        }
        if !in_quotes && byte == b',' {
            return next(word, at, at + 1, true, saw_quote, initial);
        }
        if byte != b'"' || was_quote {
            word.push(byte);
        }
        was_quote = in_quotes && byte == b'"' && !was_quote;
        if byte == b'"' {
            in_quotes = !in_quotes;
            saw_quote = true;
            initial |= word.is_empty();
        }
        at += 1;
    }
    next(word, at, at, false, saw_quote, initial)
}

/// Writes a word such that it is read back as it is; nothing if that cannot
/// be, because it holds a line end or a zero byte.
pub(crate) fn write_word(word: &Word) -> Option<Vec<u8>> {
    let text = &word.text;
    if text.iter().any(|it| matches!(it, b'\n' | 0)) {
        return None;
    }
    let special = |it: &u8| is_blank(*it) || matches!(it, b',' | b'#' | b'"');
    let needs_quotes = text.is_empty() || text.iter().any(special) || text.ends_with(b"\\");
    if !word.quoted && !needs_quotes {
        return Some(text.clone());
    }
    if !word.quoted && matches!(text.first(), Some(b'@' | b'+')) {
        // If the quotes came first it would mean the bare text.
        let mut written = vec![text[0]];
        written.extend(quote(&text[1..]));
        return Some(written);
    }
    Some(quote(text))
}

/// Tells whether a name must be quoted to mean itself.
pub(crate) fn is_special_name(name: &[u8]) -> bool {
    const KEYWORDS: [&str; 5] = ["all", "sameuser", "samerole", "samegroup", "replication"];
    matches!(name.first(), Some(b'@' | b'+')) || KEYWORDS.iter().any(|it| it.as_bytes() == name)
}

fn quote(text: &[u8]) -> Vec<u8> {
    let mut written = vec![b'"'];
    for byte in text {
        written.push(*byte);
        if *byte == b'"' {
            written.push(b'"');
        }
    }
    written.push(b'"');
    written
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(line: &str) -> String {
        let fields = fields(line.as_bytes(), 16).fields.into_iter();
        let words = |it: Field| {
            let words = it.words.iter().map(|it| String::from_utf8_lossy(&it.text).into_owned());
            format!("[{}]", words.collect::<Vec<_>>().join("|"))
        };
        fields.map(words).collect()
    }

    #[test]
    fn commas_and_quotes_make_fields() {
        let cases = [
            ("db1,db2 u", "[db1|db2][u]"),
            ("db1, db2 u", "[db1|db2][u]"),
            ("db1 ,db2 u", "[db1][db2][u]"),
            (",db1,,db2, u1 md5", "[db1|db2|u1][md5]"),
            (r#"a"b c"d"#, "[ab cd]"),
            (r#""a""b""#, r#"[a"b]"#),
            (r#""" x"#, "[][x]"),
            ("a#b", "[a]"),
            (r##""#x" #y"##, "[#x]"),
            (r#""unterminated u"#, "[unterminated u]"),
            ("a\rb\t\x0bc", "[a][b][\x0bc]"),
            ("x,", "[x]"),
        ];
        for (line, expected) in cases {
            assert_eq!(shown(line), expected, "{line}");
        }
    }

    #[test]
    fn a_word_is_quoted_only_if_a_quote_came_first() {
        let word = |line: &str| fields(line.as_bytes(), 16).fields[0].words[0].clone();
        assert!(word(r#""all""#).quoted && word(r#"""all"#).quoted);
        assert!(!word("all").quoted && !word(r#"al"l""#).quoted);
        assert_eq!(word(r#"@"a b""#).file(), Some(&b"a b"[..]));
        assert_eq!(word(r#""@a""#).file(), None);
    }

    #[test]
    fn long_words_end_the_line_up_to_15() {
        let line = format!("a {} b", "x".repeat(LONGEST + 1));
        assert!(fields(line.as_bytes(), 15).too_long);
        assert_eq!(fields(line.as_bytes(), 16).fields.len(), 3);
    }

    proptest! {
        #[test]
        fn words_survive_being_written(
            text in proptest::collection::vec(prop_oneof![1u8..10, 11u8..=255, Just(b'"'), Just(b','), Just(b' ')], 0..12),
            quoted: bool,
        ) {
            let word = Word { text, quoted };
            if let Some(written) = write_word(&word) {
                let read = fields(&written, 16).fields;
                prop_assert_eq!(read.len(), 1);
                prop_assert_eq!(&read[0].words[0].text, &word.text);
                if word.quoted {
                    prop_assert!(read[0].words[0].quoted);
                }
                prop_assert_eq!(word.file(), read[0].words[0].file());
            }
        }

        #[test]
        fn no_line_makes_it_panic(line: Vec<u8>) {
            fields(&line, 15);
        }
    }
}
