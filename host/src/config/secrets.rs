//! Keeps secrets out of everything that is shown of a configuration.

use std::ops::Range;

use hayloft_plugin_api::config::nearest;

/// What is shown in the place of a secret.
pub(super) const MASK: &str = "********";

/// Tells whether the element of that name holds a secret itself. Files and
/// commands that a secret comes from are none.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "passwd", "pwd", "secret", "passphrase", "token"]
        .iter()
        .any(|it| name.ends_with(it))
        || name == "key"
        || name.ends_with("_key")
}

/// Tells whether it is such a name, or might be meant to be one. A name of
/// ours that is wrong has its secret all the same.
pub(super) fn might_be_secret(name: &str) -> bool {
    let local = name.rsplit(':').next().unwrap_or(name);
    is_secret(local)
        || nearest(local, ["password", "passphrase", "secret_access_key"]).is_some()
            && !local.to_ascii_lowercase().ends_with("file")
}

/// Returns the text with [`MASK`] in the place of each password that it gives to
/// somebody: in `password=…`, as connection strings and command lines have it, and in
/// `scheme://user:password@host`.
pub(super) fn without_passwords(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut from = 0;
    for range in passwords(text) {
        clean.push_str(&text[from..range.start]);
        clean.push_str(MASK);
        from = range.end;
    }
    clean.push_str(&text[from..]);
    clean
}

/// Blots out the secrets in the text of a document, one star a character, so that
/// all places stay where they are. It works on the text, for that need not be
/// well-formed.
pub(super) fn blotted(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut from = 0;
    let mut ranges = elements(text);
    ranges.extend(passwords(text));
    ranges.sort_by_key(|it| (it.start, it.end));
    for range in ranges.into_iter().filter(|it| !it.is_empty()) {
        let start = range.start.max(from);
        if range.end <= start {
            continue;
        }
        clean.push_str(&text[from..start]);
        clean.extend(text[start..range.end].chars().map(|c| match c {
            '\n' | '\r' => c,
            _ => '*',
        }));
        from = range.end;
    }
    clean.push_str(&text[from..]);
    clean
}

/// Finds what stands in elements that hold secrets. One that does not end reaches
/// to the end of the text.
fn elements(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = text[from..].find('<').map(|at| from + at + 1) {
        from = start;
        let name_end = text[start..]
            .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':')))
            .map_or(text.len(), |at| start + at);
        let name = &text[start..name_end];
        if !might_be_secret(name) {
            continue;
        }
        // Where the tag is not closed, the secret follows its name.
        let content = match text[name_end..].find(['<', '>']).map(|at| name_end + at) {
            Some(at) if text[at..].starts_with('>') => at + 1,
            _ => name_end,
        };
        if text[..content].ends_with("/>") {
            continue;
        }
        let end = text[content..].find(&format!("</{name}")).map_or(text.len(), |at| content + at);
        found.push(content..end);
        from = end;
    }
    found
}

/// Finds the passwords in connection strings, addresses and command lines, in their order.
fn passwords(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<_> = assigned(text).into_iter().chain(in_addresses(text)).collect();
    found.sort_by_key(|it| it.start);
    found.dedup_by(|next, before| {
        let inside = next.start < before.end;
        before.end = if inside { before.end.max(next.end) } else { before.end };
        inside
    });
    found
}

/// Finds the value of each `password=value`; attributes have it as well.
fn assigned(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices('=') {
        let before = text[..at].trim_end();
        let name = before.rsplit(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-'))).next();
        if !name.is_some_and(is_secret) {
            continue;
        }
        let start = at + 1 + (text[at + 1..].len() - text[at + 1..].trim_start().len());
        let value = &text[start..];
        let length = match ["'", "\"", "&apos;", "&quot;"].iter().find(|it| value.starts_with(**it))
        {
            Some(quote) => value
                .match_indices(*quote)
                .map(|(at, _)| at)
                .find(|at| *at > 0 && !value[..*at].ends_with('\\'))
                .map(|at| at + quote.len()),
            None => value.find(|c: char| c.is_whitespace() || c == '<'),
        };
        found.push(start..start + length.unwrap_or(value.len()));
    }
    found
}

/// Finds the password of each `scheme://user:password@host`. A `/` in it is a
/// mistake, after which the beginning of the password stands where a port would.
fn in_addresses(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, separator) in text.match_indices("://") {
        let start = at + separator.len();
        let rest = &text[start..];
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '<' | '"'));
        let word = &rest[..end.unwrap_or(rest.len())];
        let mut authority = word.split('/').next().unwrap_or_default();
        let port = authority.split_once(':').map_or("", |(_, port)| port);
        if !authority.contains('@') && !port.bytes().all(|it| it.is_ascii_digit()) {
            authority = word;
        }
        let Some(login) = authority.rfind('@') else { continue };
        if let Some(colon) = authority[..login].find(':') {
            found.push(start + colon + 1..start + login);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_that_sound_like_a_secret_are_blotted_out() {
        let cases = [
            ("<a><password>x</password><b>y</b>", "<a><password>*</password><b>y</b>"),
            (
                "<secret_access_key at='1'>é\nz</secret_access_key>",
                "<secret_access_key at='1'>*\n*</secret_access_key>",
            ),
            (
                "<token/><passphrase><![CDATA[q]]></passphrase>",
                "<token/><passphrase>*************</passphrase>",
            ),
            ("<key>k", "<key>*"),
            ("<password x</password>", "<password**</password>"),
            ("<password a<b></password>", "<password*****</password>"),
            ("<password", "<password"),
            ("<!-- <x:PassWord>old</x:PassWord> -->", "<!-- <x:PassWord>***</x:PassWord> -->"),
            ("<pasword>x</pasword>", "<pasword>*</pasword>"),
            ("<passwd>x</passwd>", "<passwd>*</passwd>"),
            ("<passfile>x</passfile>", "<passfile>x</passfile>"),
            ("<password_file>/a</password_file>", "<password_file>/a</password_file>"),
        ];
        for (text, expected) in cases {
            assert_eq!(blotted(text), expected, "{text}");
        }
    }

    #[test]
    fn passwords_in_other_texts_are_masked_and_nothing_else() {
        let cases = [
            ("host=a password=b c", "host=a password=******** c"),
            ("password = 'b c' d", "password = ******** d"),
            ("PASSWORD=\"b c\" d", "PASSWORD=******** d"),
            ("password=&apos;b c&apos; d", "password=******** d"),
            (r"password='b\' c' d", "password=******** d"),
            ("password='b c", "password=********"),
            ("mysql --password=é", "mysql --password=********"),
            ("postgresql://u:p:q@h/d?x=1", "postgresql://u:********@h/d?x=1"),
            ("postgresql://h/d?sslpassword=1 x", "postgresql://h/d?sslpassword=******** x"),
            ("postgresql://u:p/q@h/d", "postgresql://u:********@h/d"),
            ("postgresql://u@h:5432/d", "postgresql://u@h:5432/d"),
            ("http://h:80/a@b http://[::1]/", "http://h:80/a@b http://[::1]/"),
            ("passwordless=1 passfile=/a ://", "passwordless=1 passfile=/a ://"),
        ];
        for (text, expected) in cases {
            assert_eq!(without_passwords(text), expected, "{text}");
        }
    }

    #[test]
    fn a_password_that_is_found_twice_is_blotted_out_once() {
        let text = "<c>a://u:b@h/?password=c:d@e</c><password>password=x y</password>";
        let expected = "<c>a://u:*@h/?password=*****</c><password>************</password>";
        assert_eq!(blotted(text), expected);
    }

    proptest::proptest! {
        #[test]
        fn blotting_keeps_the_place_of_every_character(text in "[<>/a='\": éß@\n]*(<?/?password[>= ]?[<a'é\n]*){0,4}") {
            let clean = blotted(&text);
            assert_eq!(clean.chars().count(), text.chars().count());
            assert_eq!(clean.lines().count(), text.lines().count());
        }
    }
}
