//! Names: of dumps and of what is remembered, from paths that may contain
//! anything.

use hayloft_plugin_api::text::one_line;
use std::{
    collections::{HashMap, HashSet},
    fmt::Write,
};

use hayloft_plugin_api::cedar::normalised;
use sha2::{Digest, Sha256};

/// The longest part of a file's name, in bytes, that is made of a path: the
/// rest of the 255 is for revisions and suffixes.
const LONGEST: usize = 190;

/// Returns a path as text: what is not UTF-8 as `\xe9`.
fn text(path: &[u8]) -> String {
    let mut out = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing into a string does not fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Returns a path for messages, on one line.
pub(crate) fn shown(path: &[u8]) -> String {
    one_line(text(path))
}

/// Returns Cedar Backup's name of the file that it keeps a repository's state
/// in.
pub(crate) fn svnlast(path: &[u8]) -> String {
    format!("{}.svnlast", normalised(&text(path)))
}

/// Returns the key that a repository's state is kept under. No two paths have
/// the same one.
pub(crate) fn key(path: &[u8]) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name: String = normalised(&text(path)).chars().map(plain).take(100).collect();
    format!("{}-{}", name.trim_start_matches('.'), digest(path, 16))
}

/// The names under which the repositories of a run are filed.
#[derive(Debug, Default)]
pub(crate) struct Names {
    shared: HashSet<String>,
}

impl Names {
    /// Looks for paths that Cedar Backup has one name for.
    pub(crate) fn of<'a>(paths: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut first = HashMap::new();
        let mut shared = HashSet::new();
        for path in paths {
            let name = normalised(&text(path));
            if *first.entry(name.clone()).or_insert(path) != path {
                shared.insert(name);
            }
        }
        Self { shared }
    }

    /// Tells whether another path has the same name in Cedar Backup, which
    /// then does not tell their files apart.
    pub(crate) fn is_shared(&self, path: &[u8]) -> bool {
        self.shared.contains(&normalised(&text(path)))
    }

    /// Returns what stands for a path in the names of its dumps: Cedar
    /// Backup's name of it, with something added if that is shared or too
    /// long.
    pub(crate) fn stem(&self, path: &[u8]) -> String {
        let name = normalised(&text(path));
        if name.len() <= LONGEST && !self.shared.contains(&name) {
            return name;
        }
        let end = (0..=LONGEST.min(name.len())).rev().find(|it| name.is_char_boundary(*it));
        format!("{}~{}", &name[..end.unwrap_or(0)], digest(path, 8))
    }
}

fn digest(path: &[u8], digits: usize) -> String {
    let mut text = hex(&Sha256::digest(path));
    text.truncate(digits);
    text
}

/// Returns bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Returns the name of a dump, without the compressor's suffix.
pub(crate) fn dump(from: u64, to: u64, stem: &str) -> String {
    format!("svndump-{from}:{to}-{stem}.txt")
}

/// Takes the name of a dump of `stem` apart, whatever its suffix.
pub(crate) fn revisions(file: &str, stem: &str) -> Option<(u64, u64)> {
    let (range, rest) = file.strip_prefix("svndump-")?.split_once('-')?;
    let suffix = rest.strip_prefix(stem)?.strip_prefix(".txt")?;
    let suffix = suffix.is_empty() || suffix.strip_prefix('.').is_some_and(is_suffix);
    let (from, to) = range.split_once(':')?;
    suffix.then_some((number(from)?, number(to)?))
}

fn is_suffix(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_alphanumeric())
}

fn number(text: &str) -> Option<u64> {
    (text.bytes().all(|it| it.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn dumps_have_cedar_backups_names() {
        let names = Names::default();
        let cases: [(&[u8], &str); 6] = [
            (b"/srv/svn/one", "srv-svn-one"),
            (b"/srv/svn/", "srv-svn-"),
            (b"/x/a b:c", "x-a_b_c"),
            (b"/x/new\nline@1", "x-new_line@1"),
            (b"/.svn", "_svn"),
            (b"/x/caf\xe9", "x-caf-xe9"),
        ];
        for (path, stem) in cases {
            assert_eq!(names.stem(path), stem);
        }
        assert_eq!(dump(0, 3, "srv-svn-one"), "svndump-0:3-srv-svn-one.txt");
        assert_eq!(svnlast(b"/srv/svn/one"), "srv-svn-one.svnlast");
    }

    #[test]
    fn two_paths_of_one_name_get_two() {
        let (one, two): (&[u8], &[u8]) = (b"/x/y", b"/x-y");
        let names = Names::of([one, two, one, b"/z"]);
        assert!(names.is_shared(one) && !names.is_shared(b"/z"));
        assert_ne!(names.stem(one), names.stem(two));
        assert!(names.stem(one).starts_with("x-y~"), "{}", names.stem(one));
        assert_eq!(names.stem(b"/z"), "z");
        let names = Names::of([one, one]);
        assert_eq!(names.stem(one), "x-y");
        let long = format!("/{}é", "x".repeat(LONGEST - 1));
        let stem = names.stem(long.as_bytes());
        assert!(stem.len() < 255 - "svndump-18446744073709551615:9999999999-.txt.zst".len());
    }

    #[test]
    fn keys_are_plain_and_differ() {
        let paths: [&[u8]; 6] = [b"/x/y", b"/x-y", b"/...", b"/", b"/a\n\xe9", b"/caf\xc3\xa9"];
        let keys: HashSet<_> = paths.iter().map(|it| key(it)).collect();
        assert_eq!(keys.len(), paths.len());
        for key in keys {
            assert!(!key.starts_with('.') && key.is_ascii(), "{key}");
        }
    }

    #[test]
    fn names_of_dumps_are_taken_apart() {
        let cases = [
            ("svndump-0:3-x-y.txt", Some((0, 3))),
            ("svndump-12:13-x-y.txt.gz", Some((12, 13))),
            ("svndump-12:13-x-y.txt.gz.gpg", None),
            ("svndump-0:3-x-y-z.txt", None),
            ("svndump-0:3-z-x-y.txt", None),
            ("svndump-a:3-x-y.txt", None),
            ("svndump-+1:3-x-y.txt", None),
            ("svndump-3-x-y.txt", None),
            ("other", None),
        ];
        for (file, expected) in cases {
            assert_eq!(revisions(file, "x-y"), expected, "{file}");
        }
    }

    proptest! {
        #[test]
        fn every_name_is_that_of_a_file_and_can_be_taken_apart(
            path in vec(any::<u8>().prop_filter("no NUL", |it| *it != 0), 0..300),
            from in any::<u64>(), to in any::<u64>(),
        ) {
            let path = [b"/".as_slice(), &path].concat();
            let names = Names::default();
            let stem = names.stem(&path);
            let file = dump(from, to, &stem);
            prop_assert!(!file.contains('/') && !file.contains('\n'), "{:?}", file);
            prop_assert!(dump(u64::from(u32::MAX), u64::from(u32::MAX), &stem).len() < 245);
            prop_assert_eq!(revisions(&file, &stem), Some((from, to)));
            prop_assert!(!shown(&path).contains('\n'));
        }
    }
}
