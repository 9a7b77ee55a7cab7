//! Walks through directories and describes what is in them.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fmt::Write,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
};

use hayloft_plugin_api::cedar::Pattern;
use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat},
    io::Errno,
};

use super::{
    line::{Line, Owners, escaped, write_lines},
    mounts::{Kind, Mounts},
};

/// How large a piece is that is handed on.
const PIECE: usize = 64 << 10;

/// What is listed.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// Where to begin.
    pub roots: Vec<PathBuf>,
    /// What is mounted.
    pub mounts: Mounts,
    /// Paths that are left out, with all below.
    pub excluded: HashSet<PathBuf>,
    /// Patterns of whole paths that are left out.
    pub patterns: Vec<Pattern>,
}

/// What was found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Tally {
    /// The number of directories that were listed.
    pub listed: u64,
    /// The number of entries in them.
    pub files: u64,
    /// The number of directories that could not be read.
    pub unreadable: u64,
    /// What a person should know.
    pub complaints: Vec<String>,
}

/// A walk through directories, each followed by those in it.
#[derive(Debug)]
pub(super) struct Walk {
    rules: Rules,
    owners: Owners,
    tally: Tally,
    text: String,
}

/// What is in a directory.
struct Listed {
    lines: Vec<Line>,
    blocks: u64,
    /// The directories in it, the last one first.
    below: Vec<PathBuf>,
}

impl Walk {
    pub(super) fn new(rules: Rules) -> Self {
        Self { rules, owners: Owners::default(), tally: Tally::default(), text: String::new() }
    }

    /// Walks, and hands on the text in pieces until `take` wants no more.
    pub(super) fn run(mut self, mut take: impl FnMut(Vec<u8>) -> bool) -> Tally {
        let mut waiting: Vec<PathBuf> = self.rules.roots.iter().rev().cloned().collect();
        let roots: HashSet<PathBuf> = waiting.iter().cloned().collect();
        while let Some(path) = waiting.pop() {
            let below = self.directory(&path, roots.contains(&path));
            waiting.extend(below);
            if self.text.len() >= PIECE && !take(std::mem::take(&mut self.text).into_bytes()) {
                return self.tally;
            }
        }
        take(self.text.into_bytes());
        self.tally
    }

    /// Describes a directory, and returns those in it, the last one first.
    fn directory(&mut self, path: &Path, root: bool) -> Vec<PathBuf> {
        let name = escaped(path.as_os_str().as_bytes());
        let skipped = self.rules.mounts.skipped(path);
        // What is asked for by name is wanted, even if `/` itself is not here.
        let skipped = skipped.filter(|(kind, _)| !root || *kind == Kind::Kernel);
        if let Some((_, kind)) = skipped {
            self.note(&name, &format!("{kind}, not listed"));
            return Vec::new();
        }
        if self.is_excluded(path) {
            self.note(&name, "excluded");
            return Vec::new();
        }
        match self.list(path) {
            Ok(listed) => {
                self.tally.listed += 1;
                self.separate();
                // Writing into a string does not fail.
                let _ = writeln!(self.text, "{name}:\ntotal {}", listed.blocks / 2);
                write_lines(&mut self.text, &listed.lines);
                listed.below
            }
            Err(error) => {
                // What vanished meanwhile is no longer to be listed.
                let gone = matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP);
                if root {
                    self.tally.complaints.push(format!("cannot list {name}: {error}"));
                } else if !gone {
                    self.tally.unreadable += 1;
                }
                self.note(&name, &format!("cannot be listed: {error}"));
                Vec::new()
            }
        }
    }

    fn separate(&mut self) {
        if self.tally.listed + self.tally.unreadable > 1 || !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    fn note(&mut self, name: &str, note: &str) {
        self.separate();
        let _ = writeln!(self.text, "{name}:\n({note})");
    }

    fn is_excluded(&self, path: &Path) -> bool {
        if self.rules.excluded.contains(path) {
            return true;
        }
        if self.rules.patterns.is_empty() {
            return false;
        }
        let text = path.to_string_lossy();
        // A pattern that gives up excludes nothing.
        self.rules.patterns.iter().any(|it| it.is_match(&text).unwrap_or(false))
    }

    fn list(&mut self, path: &Path) -> Result<Listed, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
        let mut names = Vec::new();
        for entry in Dir::read_from(&directory)? {
            names.push(entry?.file_name().to_bytes().to_vec());
        }
        names.sort();
        let mut listed =
            Listed { lines: Vec::with_capacity(names.len()), blocks: 0, below: Vec::new() };
        for name in &names {
            self.entry(path, &directory, name, &mut listed);
        }
        listed.below.reverse();
        Ok(listed)
    }

    fn entry(&mut self, parent: &Path, directory: &OwnedFd, name: &[u8], listed: &mut Listed) {
        let special = matches!(name, b"." | b"..");
        let name = OsStr::from_bytes(name);
        let path = parent.join(name);
        if !special {
            self.tally.files += 1;
            // Even to ask what is mounted there may take for ever.
            if let Some((Kind::Network, kind)) = self.rules.mounts.skipped(&path) {
                listed.lines.push(Line::unknown(name.as_bytes(), kind));
                listed.below.push(path);
                return;
            }
        }
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        let stat = match rustix::fs::statat(directory, name, flags) {
            Ok(stat) => stat,
            // It is gone.
            Err(Errno::NOENT) => return,
            Err(error) => {
                listed.lines.push(Line::unknown(name.as_bytes(), &error.to_string()));
                return;
            }
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        let target = (kind == FileType::Symlink)
            .then(|| rustix::fs::readlinkat(directory, name, Vec::new()).ok())
            .flatten();
        let acl = !special && has_acl(&path, kind);
        let target = target.as_ref().map(|it| it.to_bytes());
        listed.blocks += blocks(&stat);
        listed.lines.push(Line::new(&mut self.owners, name.as_bytes(), &stat, acl, target));
        if kind == FileType::Directory && !special {
            listed.below.push(path);
        }
    }
}

fn blocks(stat: &Stat) -> u64 {
    u64::try_from(stat.st_blocks).unwrap_or(0)
}

fn has_acl(path: &Path, kind: FileType) -> bool {
    if kind == FileType::Symlink {
        return false;
    }
    let has = |name: &str| {
        let mut nothing: [u8; 0] = [];
        rustix::fs::lgetxattr(path, name, &mut nothing).is_ok()
    };
    has("system.posix_acl_access") || kind == FileType::Directory && has("system.posix_acl_default")
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, process::Command};

    use super::*;

    fn walked(rules: Rules) -> (String, Tally) {
        let mut text = Vec::new();
        let tally = Walk::new(rules).run(|piece| {
            text.extend(piece);
            true
        });
        (String::from_utf8(text).unwrap(), tally)
    }

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/deep")).unwrap();
        fs::create_dir(root.path().join("empty")).unwrap();
        fs::write(root.path().join("a/file"), vec![0; 10_000]).unwrap();
        fs::write(root.path().join("a/.hidden"), "").unwrap();
        symlink("a/file", root.path().join("link")).unwrap();
        fs::write(root.path().join("two words"), "x").unwrap();
        root
    }

    #[test]
    fn it_says_what_ls_says() {
        // One level down: others make and remove directories beside the tree,
        // which shows in its `..`.
        let around = tempfile::tempdir().unwrap();
        let root = around.path().join("root");
        fs::rename(tree().keep(), &root).unwrap();
        let (text, tally) = walked(Rules { roots: vec![root.clone()], ..Rules::default() });
        let output = Command::new("ls")
            .args(["-laR", "--time-style=+%Y-%m-%d %H:%M:%S"])
            .arg(&root)
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .output()
            .unwrap();
        assert_eq!(text, String::from_utf8(output.stdout).unwrap());
        assert_eq!((tally.listed, tally.files, tally.unreadable), (4, 7, 0));
    }

    #[test]
    fn what_is_excluded_is_named_but_not_looked_into() {
        let root = tree();
        let (text, tally) = walked(Rules {
            roots: vec![root.path().to_owned()],
            excluded: [root.path().join("a")].into(),
            patterns: vec![Pattern::exclusion(".*/em.ty").unwrap()],
            ..Rules::default()
        });
        let path = root.path().display();
        assert!(text.contains(&format!("{path}/a:\n(excluded)\n")), "{text}");
        assert!(text.contains(&format!("{path}/empty:\n(excluded)\n")), "{text}");
        assert!(!text.contains(".hidden") && tally.listed == 1, "{text}");
    }

    #[test]
    fn file_systems_of_other_machines_are_named_and_not_touched() {
        let root = tree();
        let mounts = format!("1 2 0:1 / {}/a rw - nfs4 server:/x rw\n", root.path().display());
        let (text, _) = walked(Rules {
            roots: vec![root.path().to_owned()],
            mounts: Mounts::read(mounts.as_bytes(), false),
            ..Rules::default()
        });
        assert!(text.contains("?????????? "), "{text}");
        assert!(
            text.contains("a  (nfs4)\n") && text.contains("/a:\n(nfs4, not listed)\n"),
            "{text}"
        );
        assert!(!text.contains(".hidden"), "{text}");
    }

    #[test]
    fn a_root_on_another_machine_is_listed() {
        let root = tree();
        let mounts = format!("1 2 0:1 / {} rw - nfs4 server:/x rw\n", root.path().display());
        let (_, tally) = walked(Rules {
            roots: vec![root.path().to_owned()],
            mounts: Mounts::read(mounts.as_bytes(), false),
            ..Rules::default()
        });
        assert_eq!(tally.listed, 4);
    }

    #[test]
    fn names_of_any_bytes_are_listed_on_one_line() {
        let root = tempfile::tempdir().unwrap();
        for name in [b"new\nline".as_slice(), b"lat\xe9", b"\x1b[2J"] {
            fs::create_dir(root.path().join(OsStr::from_bytes(name))).unwrap();
        }
        let (text, tally) =
            walked(Rules { roots: vec![root.path().to_owned()], ..Rules::default() });
        assert_eq!(tally.listed, 4);
        for name in ["new\\nline", "lat\\351", "\\033[2J"] {
            assert!(text.contains(&format!(" {name}\n")), "{text}");
            assert!(text.contains(&format!("/{name}:\n")), "{text}");
        }
    }

    #[test]
    fn a_root_that_is_not_there_is_a_complaint() {
        let (_, tally) = walked(Rules { roots: vec!["/nonexistent".into()], ..Rules::default() });
        assert_eq!(tally.listed, 0);
        assert!(tally.complaints[0].contains("cannot list /nonexistent"), "{tally:?}");
    }

    #[test]
    fn whoever_wants_no_more_gets_no_more() {
        let mut pieces = 0;
        let rules = Rules { roots: vec!["/usr".into()], ..Rules::default() };
        Walk::new(rules).run(|_| {
            pieces += 1;
            false
        });
        assert_eq!(pieces, 1);
    }
}
