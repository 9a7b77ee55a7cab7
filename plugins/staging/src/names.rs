//! File names as parts of keys.
//!
//! A key has no control characters and is valid UTF-8; a file name need be
//! neither. A byte that cannot stand in a key becomes `%XX`, and so does a
//! percent sign that two hexadecimal digits follow. All others stay as they
//! are, so that no two names share a key.

use std::fmt::Write;

/// Returns a file name as a segment of a key.
pub fn escaped(name: &[u8]) -> String {
    let mut text = String::new();
    let mut rest = name;
    for chunk in name.utf8_chunks() {
        for (at, c) in chunk.valid().char_indices() {
            let after = &rest[at + c.len_utf8()..];
            if c.is_control() || c == '%' && looks_escaped(after) {
                c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| escape(byte, &mut text));
            } else {
                text.push(c);
            }
        }
        chunk.invalid().iter().for_each(|&byte| escape(byte, &mut text));
        rest = &rest[chunk.valid().len() + chunk.invalid().len()..];
    }
    text
}

/// Returns the file name that a segment of a key stands for.
pub fn unescaped(segment: &str) -> Vec<u8> {
    let mut name = Vec::new();
    let mut rest = segment.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'%', [high, low, after @ ..]) if looks_escaped(&[*high, *low]) => {
                name.push(digit(*high) << 4 | digit(*low));
                rest = after;
            }
            _ => name.push(*first),
        }
    }
    name
}

fn looks_escaped(after: &[u8]) -> bool {
    after.len() >= 2 && after[..2].iter().all(u8::is_ascii_hexdigit)
}

fn escape(byte: u8, text: &mut String) {
    // Writing into a string cannot fail.
    let _ = write!(text, "%{byte:02X}");
}

fn digit(hexadecimal: u8) -> u8 {
    match hexadecimal {
        b'0'..=b'9' => hexadecimal - b'0',
        _ => (hexadecimal | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in ["a.tar", "etc-fstab.tar.gz", "100%", "50%x", "ä b", "svndump-0:3-x"] {
            assert_eq!(escaped(name.as_bytes()), name);
        }
        let cases: [(&[u8], &str); 5] = [
            (b"a\nb", "a%0Ab"),
            (b"lat\xe9.txt", "lat%E9.txt"),
            (b"a%0Ab", "a%250Ab"),
            (b"%\n", "%%0A"),
            ("\u{85}".as_bytes(), "%C2%85"),
        ];
        for (name, key) in cases {
            assert_eq!(escaped(name), key);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_name_comes_back_and_makes_a_good_key(
            name in prop::collection::vec(
                prop_oneof![any::<u8>(), prop::sample::select(b"%0aAf\n".to_vec())],
                0..20,
            ),
        ) {
            let key = escaped(&name);
            prop_assert!(!key.chars().any(char::is_control));
            prop_assert_eq!(unescaped(&key), name);
        }
    }
}
