//! Names of files, which may be any bytes, as text.

use std::{
    ffi::OsString,
    fmt::Write,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A path. As text it is itself, but that `%`, and every byte that is no text,
/// is `%` and two hexadecimal digits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Name(PathBuf);

impl Name {
    /// Returns the path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl<P: Into<PathBuf>> From<P> for Name {
    fn from(path: P) -> Self {
        Self(path.into())
    }
}

/// Tells whether a path comes before another one in the order in which
/// backups are made: by the names along them.
pub(crate) fn sorts_before(one: &Path, other: &Path) -> bool {
    one.as_os_str()
        .as_bytes()
        .split(|it| *it == b'/')
        .lt(other.as_os_str().as_bytes().split(|it| *it == b'/'))
}

fn encode(path: &Path) -> String {
    let mut text = String::new();
    for piece in path.as_os_str().as_bytes().utf8_chunks() {
        text.push_str(&piece.valid().replace('%', "%25"));
        for byte in piece.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

fn decode(text: &str) -> Option<PathBuf> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        if *first != b'%' {
            bytes.push(*first);
            rest = behind;
            continue;
        }
        let digits = str::from_utf8(behind.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &behind[2..];
    }
    Some(OsString::from_vec(bytes).into())
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        decode(&text).map(Self).ok_or_else(|| de::Error::custom(format!("`{text}` is no name")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_order_is_that_of_a_walk() {
        let order = ["PG_VERSION", "base", "base/1", "base/1/2", "base/1-x", "base.x", "global"];
        for pair in order.windows(2) {
            assert!(sorts_before(Path::new(pair[0]), Path::new(pair[1])), "{pair:?}");
            assert!(!sorts_before(Path::new(pair[1]), Path::new(pair[0])), "{pair:?}");
        }
        assert!(!sorts_before(Path::new("a"), Path::new("a")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_name(bytes: Vec<u8>) {
            let name = Name(OsString::from_vec(bytes).into());
            let text = serde_json::to_string(&name).unwrap();
            prop_assert_eq!(serde_json::from_str::<Name>(&text).unwrap(), name);
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = decode(&text);
        }
    }
}
