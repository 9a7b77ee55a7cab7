//! Names of the parts of files that were split: `NAME_00000` and so on.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

/// How long `_` and the digits are.
pub const SUFFIX: usize = 6;

/// Returns where a part of a file is.
pub fn part_path(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!("_{number:05}"));
    name.into()
}

/// Takes the number off a part's name.
pub fn parse(name: &OsStr) -> Option<(OsString, u32)> {
    let (base, number) = name.as_bytes().split_at_checked(name.len().checked_sub(SUFFIX)?)?;
    let digits = number.strip_prefix(b"_").filter(|it| it.iter().all(u8::is_ascii_digit))?;
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (!base.is_empty()).then(|| (OsString::from_vec(base.to_vec()), number))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_parts_are_read() {
        let cases = [
            ("a.tar_00000", Some(("a.tar", 0))),
            ("a_00001_00002", Some(("a_00001", 2))),
            ("_00001", None),
            ("a_0001", None),
            ("a_000001", None),
            ("a_0000x", None),
            ("00000", None),
            ("ä_99999", Some(("ä", 99_999))),
        ];
        for (name, expected) in cases {
            let expected = expected.map(|(base, number)| (OsString::from(base), number));
            assert_eq!(parse(OsStr::new(name)), expected, "{name}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_name_that_is_made_is_read(base in prop::collection::vec(1u8.., 1..20), number in 0u32..100_000) {
            let base: Vec<u8> = base.into_iter().filter(|it| *it != b'/').chain([b'x']).collect();
            let base = OsString::from_vec(base);
            let path = part_path(Path::new(&base), number);
            prop_assert_eq!(parse(path.file_name().unwrap()), Some((base, number)));
        }

        #[test]
        fn no_name_makes_it_panic(name: Vec<u8>) {
            parse(OsStr::from_bytes(&name));
        }
    }
}
