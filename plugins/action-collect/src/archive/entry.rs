//! What an archive knows of one file.

use std::str;

use super::Listing;

/// A member of an archive: a file with everything but its content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// The absolute path without the leading `/`; empty for `/` itself.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// The size of the content in bytes, holes included; 0 if it has none.
    pub size: u64,
    /// The permission bits with set-user-id, set-group-id and sticky.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// The owner's name; empty if there is none.
    pub user: Vec<u8>,
    /// The group's name; empty if there is none.
    pub group: Vec<u8>,
    /// When the content changed last.
    pub mtime: Time,
    /// Extended attributes, access control lists and capabilities among them,
    /// sorted by name.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where a sparse file has data; `None` if it has no holes.
    pub segments: Option<Vec<Segment>>,
    /// What a directory had in it; `None` if that is not known.
    pub listing: Option<Listing>,
}

/// What an [`Entry`] is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Kind {
    /// A regular file.
    #[default]
    File,
    /// A directory.
    Directory,
    /// A symbolic link, with its text.
    Symlink(Vec<u8>),
    /// Another name of an earlier member of the same archive, with its path;
    /// or of an unchanged file that is in an archive before an increment.
    HardLink(Vec<u8>),
    /// A named pipe.
    Fifo,
    /// A character device.
    Character(Device),
    /// A block device.
    Block(Device),
}

impl Kind {
    /// Returns the letter that `ls -l` shows.
    pub fn letter(&self) -> char {
        match self {
            Self::File | Self::HardLink(_) => '-',
            Self::Directory => 'd',
            Self::Symlink(_) => 'l',
            Self::Fifo => 'p',
            Self::Character(_) => 'c',
            Self::Block(_) => 'b',
        }
    }
}

/// The number of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Device {
    /// Which driver.
    pub major: u32,
    /// Which of the driver's devices.
    pub minor: u32,
}

/// A part of a sparse file that has data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Where it begins.
    pub offset: u64,
    /// How long it is.
    pub length: u64,
}

/// A moment as a file system keeps it: seconds since 1970, rounded down, and
/// the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time {
    /// Whole seconds, negative before 1970.
    pub seconds: i64,
    /// Nanoseconds after that second, below 1,000,000,000.
    pub nanoseconds: u32,
}

const SECOND: u32 = 1_000_000_000;

impl Time {
    /// Returns the text of a pax `mtime` record.
    pub fn to_pax(self) -> String {
        let Self { seconds, nanoseconds } = self;
        if nanoseconds == 0 {
            return seconds.to_string();
        }
        let text = if seconds < 0 {
            // Decimal fractions count away from zero, file systems upwards.
            format!("-{}.{:09}", (seconds + 1).unsigned_abs(), SECOND - nanoseconds)
        } else {
            format!("{seconds}.{nanoseconds:09}")
        };
        text.trim_end_matches('0').to_owned()
    }

    /// Reads the text of a pax `mtime` record; digits beyond nanoseconds are
    /// dropped. `None` if it is no number.
    pub fn from_pax(text: &[u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |it: &str| it.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let seconds: i64 = whole.parse().ok()?;
        let nanoseconds: u32 = format!("{fraction:0<9.9}").parse().ok()?;
        Some(match (negative, nanoseconds) {
            (false, _) => Self { seconds, nanoseconds },
            (true, 0) => Self { seconds: -seconds, nanoseconds },
            (true, _) => Self { seconds: -seconds - 1, nanoseconds: SECOND - nanoseconds },
        })
    }
}

/// Makes a member's name of a path: without `/` in front or at the end,
/// without empty and `.` parts. `None` if it has a `..` part.
pub fn clean(path: &[u8]) -> Option<Vec<u8>> {
    let mut clean = Vec::with_capacity(path.len());
    for part in path.split(|&b| b == b'/').filter(|it| !matches!(*it, b"" | b".")) {
        if part == b".." {
            return None;
        }
        if !clean.is_empty() {
            clean.push(b'/');
        }
        clean.extend_from_slice(part);
    }
    Some(clean)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_before_1970_count_towards_zero() {
        let cases: &[(i64, u32, &str)] = &[
            (0, 0, "0"),
            (5, 0, "5"),
            (5, 1, "5.000000001"),
            (5, 500_000_000, "5.5"),
            (-1, 500_000_000, "-0.5"),
            (-2, 250_000_000, "-1.75"),
            (-315_619_200, 0, "-315619200"),
        ];
        for &(seconds, nanoseconds, text) in cases {
            let time = Time { seconds, nanoseconds };
            assert_eq!(time.to_pax(), text);
            assert_eq!(Time::from_pax(text.as_bytes()), Some(time), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_no_time() {
        for text in ["", "-", ".5", "1.2.3", "1e9", "x", " 1", "99999999999999999999", "+1"] {
            assert_eq!(Time::from_pax(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn names_lose_what_could_lead_elsewhere() {
        let cases: &[(&str, Option<&str>)] = &[
            ("/", Some("")),
            ("./", Some("")),
            ("//a//b/./c/", Some("a/b/c")),
            ("a/../b", None),
            ("..", None),
            ("..a/b..", Some("..a/b..")),
        ];
        for (path, expected) in cases {
            let expected = expected.map(|it| it.as_bytes().to_vec());
            assert_eq!(clean(path.as_bytes()), expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_time_survives(seconds in -1i64 << 40..1i64 << 40, nanoseconds in 0u32..SECOND) {
            let time = Time { seconds, nanoseconds };
            prop_assert_eq!(Time::from_pax(time.to_pax().as_bytes()), Some(time));
        }

        #[test]
        fn any_text_is_a_time_or_not(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Time::from_pax(&text);
        }
    }
}
