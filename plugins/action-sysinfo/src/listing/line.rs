//! One line of a listing, as `ls -la` writes it.

use std::{collections::HashMap, fmt::Write};

use jiff::{Timestamp, tz::TimeZone};
use rustix::fs::{FileType, Stat, major, minor};

/// The columns of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Type and permissions, with a `+` if there is an ACL.
    pub mode: String,
    /// The number of its names.
    pub links: String,
    /// The owner's name, or number.
    pub owner: String,
    /// The group's name, or number.
    pub group: String,
    /// The size in bytes; of a device its numbers.
    pub size: String,
    /// When it was changed, in UTC.
    pub time: String,
    /// Its name, and where it leads to.
    pub name: String,
}

/// Names of users and groups; each is looked up once.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
}

impl Owners {
    /// Returns the name of a user, or the number if there is none.
    pub(crate) fn user(&mut self, id: u32) -> String {
        let find = || {
            let user = nix::unistd::User::from_uid(id.into()).ok().flatten();
            user.map_or_else(|| id.to_string(), |it| it.name)
        };
        self.users.entry(id).or_insert_with(find).clone()
    }

    /// Returns the name of a group, or the number if there is none.
    pub(crate) fn group(&mut self, id: u32) -> String {
        let find = || {
            let group = nix::unistd::Group::from_gid(id.into()).ok().flatten();
            group.map_or_else(|| id.to_string(), |it| it.name)
        };
        self.groups.entry(id).or_insert_with(find).clone()
    }
}

impl Line {
    /// Describes a file. `target` is where a link leads to.
    pub(crate) fn new(
        owners: &mut Owners,
        name: &[u8],
        stat: &Stat,
        acl: bool,
        target: Option<&[u8]>,
    ) -> Self {
        let kind = FileType::from_raw_mode(stat.st_mode);
        let mut shown = escaped(name);
        if let Some(target) = target {
            shown.push_str(" -> ");
            shown.push_str(&escaped(target));
        }
        let device = matches!(kind, FileType::BlockDevice | FileType::CharacterDevice);
        let size = if device {
            format!("{}, {}", major(stat.st_rdev), minor(stat.st_rdev))
        } else {
            stat.st_size.to_string()
        };
        Self {
            mode: mode(kind, stat.st_mode, acl),
            links: stat.st_nlink.to_string(),
            owner: owners.user(stat.st_uid),
            group: owners.group(stat.st_gid),
            size,
            time: time(stat.st_mtime),
            name: shown,
        }
    }

    /// A file of which nothing can be told but its name.
    pub(crate) fn unknown(name: &[u8], why: &str) -> Self {
        let unknown = || "?".to_owned();
        Self {
            mode: "??????????".to_owned(),
            links: unknown(),
            owner: unknown(),
            group: unknown(),
            size: unknown(),
            time: unknown(),
            name: format!("{}  ({why})", escaped(name)),
        }
    }
}

/// Writes lines below each other, in columns.
pub(crate) fn write_lines(out: &mut String, all: &[Line]) {
    let width =
        |of: fn(&Line) -> &String| all.iter().map(|it| of(it).chars().count()).max().unwrap_or(0);
    let mode = width(|it| &it.mode);
    let links = width(|it| &it.links);
    let owner = width(|it| &it.owner);
    let group = width(|it| &it.group);
    let size = width(|it| &it.size);
    let time = width(|it| &it.time);
    for it in all {
        // Writing into a string does not fail.
        let _ = writeln!(
            out,
            "{:mode$} {:>links$} {:owner$} {:group$} {:>size$} {:time$} {}",
            it.mode, it.links, it.owner, it.group, it.size, it.time, it.name
        );
    }
}

fn mode(kind: FileType, bits: u32, acl: bool) -> String {
    let mut text = String::with_capacity(11);
    text.push(match kind {
        FileType::RegularFile => '-',
        FileType::Directory => 'd',
        FileType::Symlink => 'l',
        FileType::Fifo => 'p',
        FileType::Socket => 's',
        FileType::CharacterDevice => 'c',
        FileType::BlockDevice => 'b',
        FileType::Unknown => '?',
    });
    let special = [(0o4000, 's', 'S'), (0o2000, 's', 'S'), (0o1000, 't', 'T')];
    for (shift, (bit, both, alone)) in [6, 3, 0].into_iter().zip(special) {
        let bits_of_three = bits >> shift;
        text.push(if bits_of_three & 4 == 0 { '-' } else { 'r' });
        text.push(if bits_of_three & 2 == 0 { '-' } else { 'w' });
        text.push(match (bits & bit != 0, bits_of_three & 1 != 0) {
            (true, true) => both,
            (true, false) => alone,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    if acl {
        text.push('+');
    }
    text
}

/// `2026-11-21 05:42:28`, in UTC.
fn time(seconds: i64) -> String {
    match Timestamp::from_second(seconds) {
        Ok(at) => at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => format!("@{seconds}"),
    }
}

/// Returns a name on one line, unmistakable: `\`, control characters and what
/// is not UTF-8 are written as in C.
pub(crate) fn escaped(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c if c.is_control() => octal(&mut out, c.encode_utf8(&mut [0; 4]).as_bytes()),
                c => out.push(c),
            }
        }
        octal(&mut out, chunk.invalid());
    }
    out
}

fn octal(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(out, "\\{byte:03o}");
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, process::Command};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn permissions_are_shown_as_ls_shows_them() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        fs::write(&path, "").unwrap();
        for bits in [0o000, 0o644, 0o755, 0o4755, 0o4644, 0o2711, 0o2600, 0o1777, 0o1666, 0o7777] {
            fs::set_permissions(&path, fs::Permissions::from_mode(bits)).unwrap();
            let output = Command::new("ls").arg("-ld").arg(&path).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            assert_eq!(mode(FileType::RegularFile, bits, false), text[..10], "{bits:o}");
        }
        assert_eq!(mode(FileType::Directory, 0o700, true), "drwx------+");
    }

    #[test]
    fn lines_are_in_columns() {
        let stat = rustix::fs::stat("/dev/null").unwrap();
        let mut line = Line::new(&mut Owners::default(), b"null", &stat, false, None);
        assert_eq!((line.size.as_str(), line.owner.as_str()), ("1, 3", "root"));
        line.time = time(1_763_700_148);
        let mut other = line.clone();
        (other.size, other.links) = ("1234567".to_owned(), "10".to_owned());
        let mut out = String::new();
        write_lines(&mut out, &[line, other]);
        let time = "2025-11-21 04:42:28";
        let group = "root";
        assert_eq!(
            out,
            format!(
                "crw-rw-rw-  1 root {group}    1, 3 {time} null\n\
                 crw-rw-rw- 10 root {group} 1234567 {time} null\n"
            )
        );
    }

    #[test]
    fn names_stay_on_their_line() {
        let cases: [(&[u8], &str); 5] = [
            (b"plain name", "plain name"),
            (b"new\nline", "new\\nline"),
            (b"back\\slash", "back\\\\slash"),
            (b"lat\xe9", "lat\\351"),
            ("größe\u{1b}".as_bytes(), "größe\\033"),
        ];
        for (name, shown) in cases {
            assert_eq!(escaped(name), shown);
        }
    }

    proptest! {
        #[test]
        fn any_name_stays_on_its_line_and_any_time_can_be_shown(
            name in proptest::collection::vec(any::<u8>(), 0..40), seconds in any::<i64>(),
        ) {
            prop_assert!(!escaped(&name).chars().any(char::is_control));
            prop_assert!(!time(seconds).is_empty());
        }
    }
}
