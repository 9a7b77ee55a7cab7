//! The configured mailboxes and directories of mailboxes.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{
    Diagnostic, Error, Result,
    cedar::{Exclude, Mbox, Place, Text, normalised, text},
};

use crate::listing::Exclusions;

/// When an item is backed up, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Whole, each time.
    Daily,
    /// Whole, at the beginning of the week.
    Weekly,
    /// Whole at the beginning of the week, and then what is new.
    Incremental,
}

/// What is to be done with an item in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing.
    Not,
    /// It is backed up whole.
    Whole,
    /// What is new in it is backed up.
    New,
}

impl Mode {
    /// Tells what is due; `full` is the beginning of the week or `--full`.
    pub(crate) fn due(self, full: bool) -> Due {
        match (self, full) {
            (Self::Daily, _) | (_, true) => Due::Whole,
            (Self::Weekly, false) => Due::Not,
            (Self::Incremental, false) => Due::New,
        }
    }
}

/// What an item is.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A mailbox.
    File,
    /// A directory of mailboxes.
    Directory(Exclusions),
}

/// A configured mailbox or directory.
#[derive(Debug)]
pub(crate) struct Item {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// When it is backed up.
    pub mode: Mode,
    /// The compressor's name.
    pub compress: String,
    name: String,
}

impl Item {
    /// Returns the name of its backup of a day such as `20261121`, without the
    /// compressor's suffix. Each further file of that day has its number.
    pub(crate) fn file(&self, day: &str, part: u32) -> String {
        let number = if part > 1 { format!("~{part}") } else { String::new() };
        match self.kind {
            Kind::File => format!("mbox-{day}-{}{number}", self.name),
            Kind::Directory(_) => format!("mbox-{day}-{}{number}.tar", self.name),
        }
    }

    /// Takes the name of a file apart that is a backup of this item: returns
    /// the day, such as `20261121`. Whatever its suffix is.
    pub(crate) fn day_of<'a>(&self, file: &'a str) -> Option<&'a str> {
        let (day, rest) = file.strip_prefix("mbox-")?.split_at_checked(8)?;
        let rest = rest.strip_prefix('-')?.strip_prefix(self.name.as_str())?;
        let digits = |it: &str| it.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let rest = match rest.strip_prefix('~') {
            Some(number) => number.get(number.len() - digits(number)..)?,
            None => rest,
        };
        let suffix = match self.kind {
            Kind::File => rest,
            Kind::Directory(_) => rest.strip_prefix(".tar")?,
        };
        let plain = |it: &str| {
            !it.is_empty() && it != "tar" && it.bytes().all(|it| it.is_ascii_alphanumeric())
        };
        let known = suffix.is_empty() || suffix.strip_prefix('.').is_some_and(plain);
        (digits(day) == 0 && known).then_some(day)
    }

    fn base(&self) -> String {
        match self.kind {
            Kind::File => self.name.clone(),
            Kind::Directory(_) => format!("{}.tar", self.name),
        }
    }

    /// Returns the file with what was backed up.
    pub(crate) fn state(&self, working_dir: &Path) -> PathBuf {
        working_dir.join(format!("{}.mboxstate", self.base()))
    }

    /// Returns the file in which Cedar Backup remembers when it was here.
    pub(crate) fn cedar_state(&self, working_dir: &Path) -> PathBuf {
        working_dir.join(format!("{}.mboxlast", self.name))
    }
}

/// For messages.
impl std::fmt::Display for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            Kind::File => write!(f, "mailbox {}", self.path.display()),
            Kind::Directory(_) => write!(f, "directory {}", self.path.display()),
        }
    }
}

/// Returns what is configured: the files first.
///
/// # Errors
///
/// If two would be backed up into the same file, or a pattern is wrong, each
/// with its place.
pub(crate) fn items(section: &Mbox) -> Result<Vec<Item>> {
    let files = section.files.iter().map(|it| {
        let modes = (&it.collect_mode, &it.compress_mode);
        item(section, &it.abs_path, modes, None).map(|item| (item, &it.place))
    });
    let dirs = section.dirs.iter().map(|it| {
        let modes = (&it.collect_mode, &it.compress_mode);
        item(section, &it.abs_path, modes, Some(&it.exclude)).map(|item| (item, &it.place))
    });
    let mut items = Vec::new();
    let mut seen: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut wrong = Vec::new();
    for found in files.chain(dirs) {
        let (item, place) = found?;
        match seen.get(&item.base()) {
            // The same one twice is done once.
            Some(path) if *path == item.path => {}
            Some(path) => wrong.push(clash(path, &item, place)),
            None => {
                seen.insert(item.base(), item.path.clone());
                items.push(item);
            }
        }
    }
    if wrong.is_empty() { Ok(items) } else { Err(Error::configuration(wrong)) }
}

fn clash(one: &Path, other: &Item, place: &Place) -> Diagnostic {
    let message = format!(
        "{} and {} would both be backed up into {}, and one would overwrite the other",
        one.display(),
        other.path.display(),
        other.file("YYYYMMDD", 1)
    );
    let path = format!("{}/abs_path", place.path);
    Diagnostic::error(place.position, path, message)
        .help("back up a directory above both, or only one of them")
}

fn item(
    section: &Mbox,
    path: &Text,
    (mode, compress): (&Text, &Text),
    exclude: Option<&Exclude>,
) -> Result<Item> {
    let path = text(path).unwrap_or_default();
    let own_or =
        |own: &Text, general: &Text| text(own).or(text(general)).unwrap_or_default().to_owned();
    let kind = match exclude {
        Some(exclude) => Kind::Directory(Exclusions::new(path, exclude)?),
        None => Kind::File,
    };
    Ok(Item {
        path: path.into(),
        kind,
        mode: match own_or(mode, &section.collect_mode).as_str() {
            "weekly" => Mode::Weekly,
            "incr" => Mode::Incremental,
            _ => Mode::Daily,
        },
        compress: own_or(compress, &section.compress_mode),
        name: normalised(path),
    })
}

#[cfg(test)]
mod tests {
    use hayloft_plugin_api::cedar::{Located, MboxDir, MboxFile};

    use super::*;

    fn some(value: &str) -> Text {
        (!value.is_empty()).then(|| Located { value: value.to_owned(), ..Located::default() })
    }

    fn section(files: &[(&str, &str)], dirs: &[&str]) -> Mbox {
        let file = |(path, mode): &(&str, &str)| MboxFile {
            abs_path: some(path),
            collect_mode: some(mode),
            ..MboxFile::default()
        };
        let dir = |path: &&str| MboxDir { abs_path: some(path), ..MboxDir::default() };
        Mbox {
            collect_mode: some("incr"),
            compress_mode: some("gzip"),
            files: files.iter().map(file).collect(),
            dirs: dirs.iter().map(dir).collect(),
            ..Mbox::default()
        }
    }

    #[test]
    fn files_have_cedar_backups_names() {
        let all = items(&section(
            &[("/var/mail/ann", ""), ("/var/mail/.b c", "weekly")],
            &["/home/ann/mail"],
        ));
        let all = all.unwrap();
        let names: Vec<_> = all.iter().map(|it| it.file("20261121", 1)).collect();
        assert_eq!(
            names,
            [
                "mbox-20261121-var-mail-ann",
                "mbox-20261121-var-mail-.b_c",
                "mbox-20261121-home-ann-mail.tar"
            ]
        );
        assert_eq!(all[2].file("20261121", 2), "mbox-20261121-home-ann-mail~2.tar");
        let modes: Vec<_> = all.iter().map(|it| it.mode).collect();
        assert_eq!(modes, [Mode::Incremental, Mode::Weekly, Mode::Incremental]);
        assert_eq!(all[2].cedar_state(Path::new("/w")), Path::new("/w/home-ann-mail.mboxlast"));
        assert_eq!(all[2].state(Path::new("/w")), Path::new("/w/home-ann-mail.tar.mboxstate"));
    }

    #[test]
    fn backups_of_an_item_are_known_by_their_names() {
        let mut all = items(&section(&[("/a", ""), ("/a.tar", "")], &[])).unwrap();
        all.extend(items(&section(&[], &["/a"])).unwrap());
        let cases = [
            ("mbox-20261121-a", [Some("20261121"), None, None]),
            ("mbox-20261121-a.gz", [Some("20261121"), None, None]),
            ("mbox-20261121-a~12.gz", [Some("20261121"), None, None]),
            ("mbox-20261121-a.tar", [None, Some("20261121"), Some("20261121")]),
            ("mbox-20261121-a.tar.gz", [None, Some("20261121"), Some("20261121")]),
            ("mbox-20261121-a~2.tar.gz", [None, None, Some("20261121")]),
            ("mbox-20261121-a.gz.gpg", [None; 3]),
            ("mbox-20261121-a-b", [None; 3]),
            ("mbox-20261121-a~x", [None; 3]),
            ("mbox-2026112x-a", [None; 3]),
            ("mbox-é", [None; 3]),
        ];
        for (file, expected) in cases {
            let days: Vec<_> = all.iter().map(|it| it.day_of(file)).collect();
            assert_eq!(days, expected, "{file}");
        }
    }

    #[test]
    fn two_that_would_overwrite_each_other_are_refused() {
        let error = items(&section(&[("/a/b", ""), ("/a-b", "")], &[])).unwrap_err();
        assert!(error.message().contains("/a/b and /a-b"), "{error}");
        assert_eq!(items(&section(&[("/a/b", ""), ("/a/b", "")], &["/a/b"])).unwrap().len(), 2);
    }

    #[test]
    fn modes_say_what_is_due() {
        let cases = [
            (Mode::Daily, false, Due::Whole),
            (Mode::Daily, true, Due::Whole),
            (Mode::Weekly, false, Due::Not),
            (Mode::Weekly, true, Due::Whole),
            (Mode::Incremental, false, Due::New),
            (Mode::Incremental, true, Due::Whole),
        ];
        for (mode, full, due) in cases {
            assert_eq!(mode.due(full), due, "{mode:?} {full}");
        }
    }
}
