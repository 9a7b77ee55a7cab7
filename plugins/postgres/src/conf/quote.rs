//! Quoting and unquoting of values.

/// Takes a quoted word apart, `'` at both ends included, as the server does:
/// `''`, backslash escapes, octal numbers.
///
/// A zero byte ends the value, as it does in the server.
pub(super) fn unquote(word: &[u8]) -> Vec<u8> {
    let inner = word.strip_prefix(b"'").unwrap_or(word);
    let inner = inner.strip_suffix(b"'").unwrap_or(inner);
    let mut value = Vec::with_capacity(inner.len());
    let mut at = 0;
    while let Some(&byte) = inner.get(at) {
        at += 1;
        match byte {
            b'\'' if inner.get(at) == Some(&b'\'') => {
                value.push(b'\'');
                at += 1;
            }
            b'\\' => {
                let (byte, used) = escape(&inner[at..]);
                value.extend(byte);
                at += used;
            }
            _ => value.push(byte),
        }
    }
    if let Some(end) = value.iter().position(|it| *it == 0) {
        value.truncate(end);
    }
    value
}

/// What follows a backslash: the byte that is meant and how many were used.
fn escape(text: &[u8]) -> (Option<u8>, usize) {
    let Some(&byte) = text.first() else { return (None, 0) };
    let meant = match byte {
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'0'..=b'7' => {
            let digits = text.iter().take(3).take_while(|it| (b'0'..=b'7').contains(*it)).count();
            let number = text[..digits].iter().fold(0u32, |sum, it| sum * 8 + u32::from(it - b'0'));
            // Three digits make up to 511; the server keeps the low byte.
            return (Some(number.to_le_bytes()[0]), digits);
        }
        other => other,
    };
    (Some(meant), 1)
}

/// Quotes a value such that the server reads exactly these bytes.
///
/// Nothing if that cannot be: a value with a zero byte.
pub(super) fn quote(value: &[u8]) -> Option<Vec<u8>> {
    let mut word = Vec::with_capacity(value.len() + 2);
    word.push(b'\'');
    for &byte in value {
        match byte {
            0 => return None,
            b'\'' => word.extend(b"''"),
            b'\\' => word.extend(b"\\\\"),
            b'\n' => word.extend(b"\\n"),
            b'\r' => word.extend(b"\\r"),
            b'\t' => word.extend(b"\\t"),
            8 => word.extend(b"\\b"),
            12 => word.extend(b"\\f"),
            1..=31 | 127 => word.extend(format!("\\{byte:03o}").bytes()),
            _ => word.push(byte),
        }
    }
    word.push(b'\'');
    Some(word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_read_as_the_server_reads_them() {
        let cases: [(&[u8], &[u8]); 8] = [
            (b"'it''s'", b"it's"),
            (br"'it\'s'", b"it's"),
            (br"'a\qb'", b"aqb"),
            (br"'a\tb\102\7x\400zz'", b"a\tbB\x07x"),
            (br"'a\nb'", b"a\nb"),
            (b"''''", b"'"),
            (b"''", b""),
            (br"'\1234'", b"S4"),
        ];
        for (word, value) in cases {
            assert_eq!(unquote(word), value, "{}", String::from_utf8_lossy(word));
        }
    }

    #[test]
    fn a_zero_byte_cannot_be_written() {
        assert_eq!(quote(b"a\0b"), None);
    }

    proptest! {
        #[test]
        fn every_value_is_read_back(value in proptest::collection::vec(1u8.., 0..60)) {
            let word = quote(&value).unwrap();
            prop_assert!(!word.contains(&b'\n'));
            prop_assert_eq!(unquote(&word), value);
        }

        #[test]
        fn no_word_makes_it_panic(word: Vec<u8>) {
            unquote(&word);
        }
    }
}
