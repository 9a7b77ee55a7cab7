//! The version of the C library, of this system and as symbols name it.

use std::fmt;

/// A version of glibc.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u32, u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// Returns the version that this process runs with; `None` if it is another
/// C library than glibc.
#[cfg(target_env = "gnu")]
pub(super) fn installed() -> Option<Version> {
    #[expect(unsafe_code, reason = "there is no safe way to ask")]
    // SAFETY: the function takes nothing and returns a static string.
    let text = unsafe { std::ffi::CStr::from_ptr(libc::gnu_get_libc_version()) };
    parse(text.to_str().ok()?)
}

/// See above.
#[cfg(not(target_env = "gnu"))]
pub(super) fn installed() -> Option<Version> {
    None
}

/// Returns the version in a symbol version such as `GLIBC_2.34`; `None` for
/// those of other libraries and for markers such as `GLIBC_ABI_DT_RELR`.
pub(super) fn version_of_symbol(name: &[u8]) -> Option<Version> {
    parse(std::str::from_utf8(name).ok()?.strip_prefix("GLIBC_")?)
}

fn parse(text: &str) -> Option<Version> {
    let mut numbers = text.split('.');
    Some(Version(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let cases: [(&[u8], Option<Version>); 5] = [
            (b"GLIBC_2.34", Some(Version(2, 34))),
            (b"GLIBC_2.2.5", Some(Version(2, 2))),
            (b"GLIBC_ABI_DT_RELR", None),
            (b"GLIBC_PRIVATE", None),
            (b"GCC_3.0", None),
        ];
        for (name, version) in cases {
            assert_eq!(version_of_symbol(name), version);
        }
        assert!(Version(2, 9) < Version(2, 34));
        assert!(installed().is_none_or(|it| it > Version(2, 17)));
    }
}
