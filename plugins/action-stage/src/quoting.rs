//! Words on the command lines of shells, here and on the other machine.

use hayloft_plugin_api::cedar::{shell_quoted, shell_word};

/// Quotes `word` so that a POSIX shell takes it for one word; double quotes
/// where they are enough.
pub fn quoted(word: &str) -> String {
    let special = |c: char| "\"\\$`!".contains(c) || c.is_control();
    if word.contains(special) { shell_quoted(word) } else { format!("\"{word}\"") }
}

/// Quotes `prefix` followed by an asterisk. For an ordinary prefix the
/// asterisk stays bare, as in the command lines that people have in filters.
pub fn with_asterisk(prefix: &str) -> String {
    if is_plain(prefix) { format!("{prefix}*") } else { shell_quoted(&format!("{prefix}*")) }
}

/// Quotes a path for the shell on the other machine, or for `scp`'s own
/// globbing: each special character gets a backslash, so that a path without
/// any stays as it is.
pub fn remote(path: &str) -> String {
    let mut text = String::new();
    for c in path.chars() {
        if c.is_ascii() && !is_plain(c.encode_utf8(&mut [0; 4])) {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// Tells whether no shell sees anything special in it.
fn is_plain(word: &str) -> bool {
    shell_word(word) == word
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_words_stay_as_they_are() {
        for it in ["scp", "-B", "user@host:/c/x", "/var/a_b/1.2", "-oBatchMode=yes"] {
            assert_eq!(remote(it), it);
            assert_eq!(quoted(it), format!("\"{it}\""));
            assert_eq!(with_asterisk(it), format!("{it}*"));
        }
    }

    #[test]
    fn special_words_are_quoted() {
        assert_eq!(quoted("a b"), "\"a b\"");
        assert_eq!(quoted("$(x)"), "'$(x)'");
        assert_eq!(with_asterisk("a;b/"), "'a;b/*'");
        assert_eq!(remote("/a b;c"), r"/a\ b\;c");
    }

    /// Returns what a shell makes of `line`, one word a line.
    fn shell(line: &str) -> String {
        let script = format!("printf '%s\\n' {line}");
        let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

        #[test]
        fn a_shell_gives_back_the_one_word_that_went_in(text in "[ -~é]{0,12}") {
            prop_assert_eq!(shell(&quoted(&text)), format!("{}\n", text));
            if !text.is_empty() {
                prop_assert_eq!(shell(&remote(&text)), format!("{}\n", text));
            }
            prop_assert_eq!(shell(&with_asterisk(&format!("/nowhere/{text}"))), format!("/nowhere/{text}*\n"));
        }
    }
}
