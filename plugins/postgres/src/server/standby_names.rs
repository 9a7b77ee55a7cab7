//! The setting `synchronous_standby_names`.

/// Returns the names in it, without what says how many must answer:
/// `FIRST 2 (a, "B c")` gives `a` and `B c`. Nothing is an empty list.
///
/// Names in quotes may hold commas, brackets, blanks and doubled quotes
/// (documentation, "Replication", `synchronous_standby_names`).
pub fn standby_names(setting: &str) -> Vec<String> {
    let characters = unquoted(setting);
    let open = characters.iter().position(|(c, quoted)| *c == '(' && !quoted);
    let close = characters.iter().rposition(|(c, quoted)| *c == ')' && !quoted);
    let inside = match (open, close) {
        (Some(open), Some(close)) if open < close => &characters[open + 1..close],
        _ => &characters[..],
    };
    let names = inside.split(|it| *it == (',', false)).map(|name| {
        let blank = |(c, quoted): &(char, bool)| !quoted && c.is_ascii_whitespace();
        let begin = name.iter().position(|it| !blank(it)).unwrap_or(name.len());
        let end = name.iter().rposition(|it| !blank(it)).map_or(begin, |it| it + 1);
        name[begin..end].iter().map(|(c, _)| *c).collect()
    });
    names.filter(|it: &String| !it.is_empty()).collect()
}

/// Takes the quotes away, and tells of each character whether it stood
/// between them.
fn unquoted(setting: &str) -> Vec<(char, bool)> {
    let mut all = Vec::new();
    let mut quoted = false;
    let mut characters = setting.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            // Two quotes in a name stand for one.
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                all.push(('"', true));
            }
            '"' => quoted = !quoted,
            c => all.push((c, quoted)),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Barman splits at every comma and takes the first and the last bracket,
    /// within quotes too, and keeps doubled quotes; and it looks for one
    /// bracket without its other.
    fn is_beyond_barman(setting: &str) -> bool {
        let special = |(c, quoted): &(char, bool)| *quoted && ",()\"".contains(*c);
        let brackets = |c| setting.matches(c).count();
        unquoted(setting).iter().any(special) || brackets('(') != brackets(')')
    }

    #[test]
    fn names_are_found_as_barman_finds_them() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/barman-vectors.json");
        let text = std::fs::read_to_string(path).unwrap();
        let all: serde_json::Value = serde_json::from_str(&text).unwrap();
        for case in all["sync_names"].as_array().unwrap() {
            let setting = case["in"].as_str().unwrap_or_default();
            let Some(expected) = case["out"].as_array().filter(|_| !is_beyond_barman(setting))
            else {
                continue;
            };
            // Barman makes one empty name of an empty setting.
            let expected = expected.iter().map(|it| it.as_str().unwrap());
            let expected: Vec<&str> = expected.filter(|it| !it.is_empty()).collect();
            assert_eq!(standby_names(setting), expected, "{setting}");
        }
    }

    #[test]
    fn quoted_names_hold_what_they_hold() {
        let cases: [(&str, &[&str]); 9] = [
            (r#"ANY 1 ("a,b", "c""d")"#, &["a,b", "c\"d"]),
            (r#""a (b)""#, &["a (b)"]),
            (r#"FIRST 2 ("x)y", "(z", w)"#, &["x)y", "(z", "w"]),
            (r#"" a ", b"#, &[" a ", "b"]),
            (" a , b ", &["a", "b"]),
            ("2(a,b)", &["a", "b"]),
            ("*", &["*"]),
            ("ANY 1 ()", &[]),
            (" ", &[]),
        ];
        for (setting, expected) in cases {
            assert_eq!(standby_names(setting), expected, "{setting}");
        }
    }
}
