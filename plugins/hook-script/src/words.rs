//! A command's text, cut into words as Cedar Backup cuts it, but for two
//! things that do damage there: `""` is an empty word, and pieces that touch
//! are one word.

/// Splits at blanks; tabs and line breaks stay inside words. Between `"` and
/// `"` blanks stay too. There are no other quotes, and no escapes.
///
/// # Errors
///
/// What is wrong with the text.
pub(crate) fn split(text: &str) -> Result<Vec<String>, &'static str> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    for c in text.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if quoted { Err("has a quote that is not closed") } else { Ok(words) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_what_stands_between_blanks() {
        let cases: [(&str, &[&str]); 9] = [
            ("", &[]),
            ("   ", &[]),
            ("a  b ", &["a", "b"]),
            ("a\tb\nc", &["a\tb\nc"]),
            ("say \"two words\" 'x y'", &["say", "two words", "'x", "y'"]),
            ("\"\"", &[""]),
            ("a \"\" b", &["a", "", "b"]),
            ("--x=\"c d\"e", &["--x=c de"]),
            ("$HOME *.x \\\"y z\"", &["$HOME", "*.x", "\\y z"]),
        ];
        for (text, expected) in cases {
            assert_eq!(split(text).unwrap(), expected, "{text:?}");
        }
        assert!(split("a \"b").is_err());
    }

    proptest! {
        #[test]
        fn words_without_quotes_survive_quoting(
            words in proptest::collection::vec("[a-z \t$\\\\'*]{0,8}", 0..6),
        ) {
            let text: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
            prop_assert_eq!(split(&text.join("  ")).unwrap(), words);
        }
    }
}
