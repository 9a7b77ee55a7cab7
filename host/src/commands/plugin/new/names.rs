//! Names that a plugin and its crate can have.

/// Names that a crate cannot have, or that another crate has which it uses.
const TAKEN: [&str; 16] = [
    "alloc",
    "build",
    "chacha20poly1305",
    "core",
    "crc32fast",
    "deps",
    "examples",
    "hayloft",
    "hayloft-plugin-api",
    "incremental",
    "none",
    "proc-macro",
    "serde",
    "std",
    "tempfile",
    "test",
];

/// The keywords of Rust that are only lower-case letters.
const KEYWORDS: [&str; 50] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while",
];

/// Checks a name.
///
/// # Errors
///
/// Why it cannot be used.
pub(super) fn check(name: &str) -> Result<(), &'static str> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match name {
        "" => Err("it is empty"),
        _ if name.len() > 40 => Err("it is longer than 40 characters"),
        _ if !name.chars().all(good) => Err("it has other characters"),
        _ if !name.starts_with(|c: char| c.is_ascii_lowercase()) => {
            Err("it does not begin with a letter")
        }
        _ if name.ends_with('-') || name.contains("--") => Err("it has a `-` too many"),
        _ if KEYWORDS.contains(&name) || name == "yield" => Err("it is a word of Rust"),
        _ if TAKEN.contains(&name) => Err("something else has that name"),
        _ => Ok(()),
    }
}

/// Returns the name as that of a type: `tape-robot` is `TapeRobot`.
pub(super) fn camel(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    name.split('-').map(capital).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_crates_and_of_plugins() {
        for good in ["a", "acme", "rot13", "tape-robot", "x-1", &"n".repeat(40)] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let cases = [
            ("", "it is empty"),
            ("Acme", "it has other characters"),
            ("ac_me", "it has other characters"),
            ("../acme", "it has other characters"),
            ("größe", "it has other characters"),
            ("7z", "it does not begin with a letter"),
            ("-a", "it does not begin with a letter"),
            ("a-", "it has a `-` too many"),
            ("a--b", "it has a `-` too many"),
            ("match", "it is a word of Rust"),
            ("none", "something else has that name"),
            ("serde", "something else has that name"),
            (&"n".repeat(41), "it is longer than 40 characters"),
        ];
        for (bad, why) in cases {
            assert_eq!(check(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn types_are_named_in_capitals() {
        assert_eq!(camel("tape-robot"), "TapeRobot");
        assert_eq!(camel("x-1"), "X1");
    }
}
