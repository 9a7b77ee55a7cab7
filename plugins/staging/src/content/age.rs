//! Recognises what age encrypts: its header, as age-encryption.org/v1 has it.

/// The first line.
const FIRST: &[u8] = b"age-encryption.org/v1";
/// How long a line of a stanza's body is; the last one is shorter.
const LINE: usize = 64;
/// How long the checksum of the header is, in digits of base64.
const CHECKSUM: usize = 43;

/// Tells whether a file begins with such a header. Of a header that does not
/// end within `most` bytes, all that is there must be good.
pub(super) fn is_header(head: &[u8], most: usize) -> bool {
    let mut lines = head.split_inclusive(|it| *it == b'\n');
    let mut next = || lines.next().and_then(|it| it.strip_suffix(b"\n"));
    if next() != Some(FIRST) {
        return false;
    }
    let cut = head.len() >= most;
    let mut stanzas = 0;
    loop {
        let Some(line) = next() else { return cut && stanzas > 0 };
        if let Some(checksum) = line.strip_prefix(b"--- ") {
            return stanzas > 0 && checksum.len() == CHECKSUM && is_base64(checksum);
        }
        if !is_stanza(line) {
            return false;
        }
        loop {
            let Some(body) = next() else { return cut && stanzas > 0 };
            if body.len() > LINE || !is_base64(body) {
                return false;
            }
            if body.len() < LINE {
                break;
            }
        }
        stanzas += 1;
    }
}

/// `-> TYPE ARGUMENT…`
fn is_stanza(line: &[u8]) -> bool {
    let words = line.strip_prefix(b"-> ").map(|it| it.split(|it| *it == b' '));
    words.is_some_and(|mut words| {
        words.all(|it| !it.is_empty() && it.iter().all(u8::is_ascii_graphic))
    })
}

fn is_base64(text: &[u8]) -> bool {
    text.iter().all(|it| it.is_ascii_alphanumeric() || b"+/".contains(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 1 << 14;

    fn header(stanzas: &str) -> String {
        format!("age-encryption.org/v1\n{stanzas}--- {}\n\0\u{1}", "x".repeat(43))
    }

    #[test]
    fn only_a_whole_header_is_one() {
        let stanza = "-> X25519 abc\nZm9v\n";
        let long = format!("-> scrypt a 18\n{}\n\n", "a".repeat(64));
        let cases = [
            (header(stanza), true),
            (header(&format!("{long}{stanza}")), true),
            (header(""), false),
            (header("-> \nZm9v\n"), false),
            (header("-> X25519  abc\nZm9v\n"), false),
            (header("-> X25519 abc\nno base64\n"), false),
            (header("a letter\n"), false),
            (header(stanza).replace("v1", "v2"), false),
            (header(stanza).replace("xxx", "xx"), false),
            (format!("age-encryption.org/v1\n{stanza}"), false),
        ];
        for (text, expected) in cases {
            assert_eq!(is_header(text.as_bytes(), MOST), expected, "{text:?}");
        }
    }

    #[test]
    fn a_header_of_many_recipients_may_be_longer_than_what_is_read() {
        let text = header(&"-> X25519 abc\nZm9v\n".repeat(2000));
        assert!(is_header(&text.as_bytes()[..MOST], MOST));
        assert!(!is_header(&text.as_bytes()[..MOST - 1], MOST));
    }
}
