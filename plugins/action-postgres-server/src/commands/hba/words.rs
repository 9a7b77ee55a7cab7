//! Words of the command line, as fields of a line.

/// Joins words to the text of a line. A word that the shell took the quotes
/// of gets them back; one argument alone is the whole line.
pub(super) fn line(words: &[String]) -> String {
    match words {
        [whole] => whole.clone(),
        words => words.iter().map(|it| kept_together(it)).collect::<Vec<_>>().join(" "),
    }
}

fn kept_together(word: &str) -> String {
    let splits = word.is_empty() || word.contains([' ', '\t', '#']);
    // An address with its mask is two fields anyway.
    let is_network = word.split_whitespace().all(is_ip) && word.contains('.');
    if splits && !is_network && !word.contains('"') {
        format!("\"{word}\"")
    } else {
        word.to_owned()
    }
}

fn is_ip(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok()
}

/// Takes a line apart at blanks; quotes stay.
pub(super) fn split(words: &[String]) -> Vec<String> {
    let text = line(words);
    let mut fields = vec![String::new()];
    let mut in_quotes = false;
    for c in text.chars() {
        in_quotes ^= c == '"';
        match fields.last_mut() {
            Some(last) if in_quotes || !c.is_ascii_whitespace() => last.push(c),
            _ => fields.push(String::new()),
        }
    }
    fields.retain(|it| !it.is_empty());
    fields
}

/// Takes the quotes away.
pub(super) fn unquoted(text: &str) -> String {
    text.replace("\"\"", "\u{0}").replace('"', "").replace('\u{0}', "\"")
}

/// Returns the beginning of a rule field by field, in the order of a rule
/// with an address; `*` is anything.
pub(super) fn pattern(words: &[String]) -> Vec<Option<String>> {
    let mut texts = split(words);
    if texts.first().is_some_and(|it| unquoted(it) == "local") && texts.len() > 3 {
        // The socket has no address.
        texts.insert(3, "*".to_owned());
    }
    let has_ip = |number: usize| texts.get(number).is_some_and(|it| is_ip(it));
    if has_ip(3) && has_ip(4) {
        let mask = texts.remove(4);
        texts[3] = format!("{} {mask}", texts[3]);
    }
    texts.into_iter().map(|it| (it != "*").then_some(it)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|it| (*it).to_owned()).collect()
    }

    #[test]
    fn words_become_the_line_that_was_meant() {
        let cases: [(&[&str], &str); 6] = [
            (&["local all all peer"], "local all all peer"),
            (&["local", "all", "all", "peer"], "local all all peer"),
            (&["local", "my db", "\"all\"", "peer"], "local \"my db\" \"all\" peer"),
            (&["host", "a#b", "", "all", "md5"], "host \"a#b\" \"\" all md5"),
            (&["host", "a", "b", "10.0.0.0 255.0.0.0", "md5"], "host a b 10.0.0.0 255.0.0.0 md5"),
            (&["local", "all", "all", "map=a b"], "local all all \"map=a b\""),
        ];
        for (given, expected) in cases {
            assert_eq!(line(&words(given)), expected);
        }
    }

    #[test]
    fn patterns_are_in_the_order_of_a_rule_with_an_address() {
        let all = |given: &[&str]| {
            let fields = pattern(&words(given));
            fields.iter().map(|it| it.as_deref().unwrap_or("-").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(all(&["local all * peer"]), ["local", "all", "-", "-", "peer"]);
        assert_eq!(all(&["host", "\"a b\"", "*"]), ["host", "\"a b\"", "-"]);
        assert_eq!(
            all(&["host all all 10.0.0.0 255.0.0.0 md5"]),
            ["host", "all", "all", "10.0.0.0 255.0.0.0", "md5"]
        );
        assert_eq!(unquoted("\"a\"\"b\""), "a\"b");
    }
}
