//! Names of things that may contain anything, for files and for messages.

use std::fmt::Write;

/// Returns a piece of a file's name that stands for `name`; two names never
/// get the same one.
///
/// `/` and control characters become `%` and two hexadecimal digits for each
/// byte, and so does a `%` that could be mistaken for such; everything else
/// stays as it is.
///
/// ```
/// assert_eq!(hayloft_dump::encode("odd name"), "odd name");
/// assert_eq!(hayloft_dump::encode("../x"), "..%2Fx");
/// assert_eq!(hayloft_dump::encode("100%"), "100%");
/// ```
pub fn encode(name: &str) -> String {
    let bytes = name.as_bytes();
    let mut encoded = String::with_capacity(bytes.len());
    for (at, c) in name.char_indices() {
        let escape = c == '/' || c.is_control() || (c == '%' && looks_encoded(&bytes[at + 1..]));
        if !escape {
            encoded.push(c);
            continue;
        }
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            // Writing into a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn looks_encoded(rest: &[u8]) -> bool {
    rest.len() >= 2 && rest[..2].iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn names_stay_as_they_are_where_they_can() {
        for name in ["db1", "odd name", "--version", "a=b", "100%", "größe", "it's \"it\"", ".."]
        {
            assert_eq!(encode(name), name);
        }
    }

    #[test]
    fn no_name_leads_out_of_its_directory() {
        let cases = [
            ("../x", "..%2Fx"),
            ("a/b", "a%2Fb"),
            ("a%2Fb", "a%252Fb"),
            ("two\nlines", "two%0Alines"),
            ("postgresql://h/d", "postgresql:%2F%2Fh%2Fd"),
        ];
        for (name, encoded) in cases {
            assert_eq!(encode(name), encoded);
        }
    }

    fn decode(name: &str) -> Vec<u8> {
        let bytes = name.as_bytes();
        let (mut out, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            if bytes[at] == b'%' && looks_encoded(&bytes[at + 1..]) {
                out.push(u8::from_str_radix(&name[at + 1..at + 3], 16).unwrap());
                at += 3;
            } else {
                out.push(bytes[at]);
                at += 1;
            }
        }
        out
    }

    proptest! {
        #[test]
        fn every_name_can_be_read_back(name in any::<String>()) {
            let encoded = encode(&name);
            prop_assert!(!encoded.contains(['/', '\0', '\n']));
            prop_assert_eq!(decode(&encoded), name.as_bytes());
        }

        #[test]
        fn names_full_of_percents_can_be_read_back(name in "[%/0-9a-f]{0,12}") {
            prop_assert_eq!(decode(&encode(&name)), name.as_bytes());
        }
    }
}
