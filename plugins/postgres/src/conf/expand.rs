//! Everything that a server reads: the main file, what it includes,
//! `postgresql.auto.conf`, and the command line.

use std::{
    collections::BTreeMap,
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::{
    Location, Problem, ProblemKind,
    document::Document,
    line::{IncludeKind, LineKind},
    name::canonical_name,
};
use crate::tree::{DEEPEST, Tree, files_in, reason, resolve};

/// The name of the file that `ALTER SYSTEM` writes, in the data directory.
pub const AUTO_CONF: &str = "postgresql.auto.conf";

/// Where a value was given. Later ones beat earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// In `postgresql.conf` or a file that it includes.
    File(Location),
    /// In `postgresql.auto.conf`, by `ALTER SYSTEM`.
    AlterSystem(Location),
    /// On the server's command line.
    CommandLine,
}

impl Origin {
    /// Returns the place in a file.
    pub fn location(&self) -> Option<&Location> {
        match self {
            Self::File(at) | Self::AlterSystem(at) => Some(at),
            Self::CommandLine => None,
        }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(at) | Self::AlterSystem(at) => at.fmt(f),
            Self::CommandLine => f.write_str("the server's command line"),
        }
    }
}

/// A value that was given to a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The parameter, as written.
    pub name: Vec<u8>,
    /// The value, as the server sees it.
    pub value: Vec<u8>,
    /// Where.
    pub origin: Origin,
}

/// Where a server finds its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// `postgresql.conf`; not always in the data directory.
    pub main: PathBuf,
    /// The data directory, for `postgresql.auto.conf`.
    pub data: Option<PathBuf>,
    /// What was given on the server's command line, such as `-c name=value`.
    pub command_line: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Sources {
    /// Takes a main file and nothing else.
    pub fn main(file: impl Into<PathBuf>) -> Self {
        Self { main: file.into(), data: None, command_line: Vec::new() }
    }

    /// Adds the data directory.
    #[must_use]
    pub fn data(mut self, directory: impl Into<PathBuf>) -> Self {
        self.data = Some(directory.into());
        self
    }

    /// Adds what the server was started with: its arguments after the
    /// program's name, as `/proc/PID/cmdline` or `postmaster.opts` has them.
    ///
    /// Understood are `-c name=value`, `--name=value` and the short forms for
    /// port (`-p`), socket directory (`-k`), addresses (`-h`), buffers (`-B`)
    /// and connections (`-N`); others are passed over.
    #[must_use]
    pub fn arguments<'a>(mut self, arguments: impl IntoIterator<Item = &'a [u8]>) -> Self {
        self.command_line.extend(super::arguments::settings(arguments));
        self
    }
}

/// The configuration as a whole: every value with its origin, every mistake.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Configuration {
    settings: Vec<Setting>,
    problems: Vec<Problem>,
    // Invariant: one for each problem.
    told: Vec<Told>,
    // Invariant: for each setting whether the server gets there: of a
    // directory it reads nothing after the first file with a mistake.
    settings_read: Vec<bool>,
    files: Vec<PathBuf>,
    // Invariant: canonical name to indexes into `settings`, ascending.
    by_name: BTreeMap<Vec<u8>, Vec<usize>>,
}

/// How a server tells of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    /// The settings before it.
    settings: usize,
    /// Whether it gets there.
    is_read: bool,
    /// Whether it tells the line before the one that is meant: it does for a
    /// line that ends too early and has no newline.
    line_before: bool,
}

/// A problem as a server tells of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ToldProblem<'a> {
    /// The problem.
    pub(super) problem: &'a Problem,
    /// How many settings come before it.
    pub(super) settings: usize,
    /// The line that the server names; 0 is possible.
    pub(super) line: usize,
}

impl Configuration {
    /// Reads everything. What cannot be read or understood is a problem in
    /// the result, and the rest is read nevertheless.
    pub fn load(sources: &Sources, tree: &dyn Tree) -> Self {
        let mut loader = Loader { tree, found: Self::default(), auto: false, gave_up: false };
        loader.file(&sources.main, true, None, 0);
        if let Some(data) = &sources.data {
            loader.auto = true;
            // It need not be there: `Called` without a line, not strict.
            loader.file(&data.join(AUTO_CONF), false, None, 0);
        }
        let mut it = loader.found;
        it.settings.extend(sources.command_line.iter().map(|(name, value)| Setting {
            name: name.clone(),
            value: value.clone(),
            origin: Origin::CommandLine,
        }));
        for (index, setting) in it.settings.iter().enumerate() {
            it.by_name.entry(canonical_name(&setting.name)).or_default().push(index);
        }
        it
    }

    /// Returns every value given, in the order in which they override.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// Returns what is wrong with the files, regardless of what parameters
    /// there are; see [`Catalogue::check`](super::Catalogue::check).
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Returns the files that were read, in that order.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Returns the value that counts, with its origin.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&Setting> {
        self.all(name).last()
    }

    /// Returns every value given to a parameter, the one that counts last.
    pub fn all(&self, name: impl AsRef<[u8]>) -> impl Iterator<Item = &Setting> {
        let indexes = self.by_name.get(&canonical_name(name));
        indexes.into_iter().flatten().map(|it| &self.settings[*it])
    }

    /// Returns what overrides the value given at a place: nothing if that one
    /// counts, or if no value is given there.
    pub fn shadow_of(&self, name: impl AsRef<[u8]>, at: &Location) -> Option<&Setting> {
        let all: Vec<_> = self.all(name).collect();
        let index = all.iter().rposition(|it| it.origin.location() == Some(at))?;
        if index + 1 == all.len() { None } else { all.last().copied() }
    }

    /// Returns the problems that the server gets to, in its order.
    pub(super) fn told_problems(&self) -> impl Iterator<Item = ToldProblem<'_>> {
        let all = self.problems.iter().zip(&self.told).filter(|it| it.1.is_read);
        all.map(|(problem, told)| {
            let line = problem.at.as_ref().map_or(0, |it| it.line);
            let line = line.saturating_sub(usize::from(told.line_before));
            ToldProblem { problem, settings: told.settings, line }
        })
    }

    /// Tells whether the server gets to a setting in a file.
    pub(super) fn is_read(&self, index: usize) -> bool {
        self.settings_read.get(index).copied().unwrap_or_default()
    }

    /// Returns the names set, in their canonical form.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.by_name.keys().map(Vec::as_slice)
    }
}

struct Loader<'a> {
    tree: &'a dyn Tree,
    found: Configuration,
    auto: bool,
    gave_up: bool,
}

impl Loader<'_> {
    fn file(&mut self, file: &Path, strict: bool, from: Option<&Location>, depth: usize) {
        match self.tree.read(file) {
            Ok(content) => {
                self.found.files.push(file.to_owned());
                self.lines(file, &Document::parse(&content), depth);
            }
            // The server opens a directory, and fails only when it reads.
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                let at = Location { file: file.to_owned(), line: 1 };
                let why = reason(&error);
                let kind = ProblemKind::UnreadableFile { file: file.to_owned(), why };
                self.problem(Some(&at), kind);
            }
            Err(error) if strict => {
                let kind =
                    ProblemKind::UnreadableFile { file: file.to_owned(), why: reason(&error) };
                self.problem(from, kind);
            }
            Err(_) => {}
        }
    }

    fn lines(&mut self, file: &Path, document: &Document, depth: usize) {
        for (number, line) in document.lines() {
            let at = Location { file: file.to_owned(), line: number };
            match (line.kind(), line.name(), line.value()) {
                (LineKind::Invalid, ..) => {
                    self.problem(Some(&at), ProblemKind::Syntax);
                    let line_before = line.ending().is_empty() && line.ends_early();
                    self.found
                        .told
                        .last_mut()
                        .into_iter()
                        .for_each(|it| it.line_before = line_before);
                }
                (LineKind::Include(kind), _, Some(value)) => {
                    self.include(kind, &value, &at, depth + 1);
                }
                (LineKind::Setting, Some(name), Some(value)) => {
                    let origin = if self.auto { Origin::AlterSystem(at) } else { Origin::File(at) };
                    let (name, value) = (name.to_vec(), value.into_owned());
                    self.found.settings.push(Setting { name, value, origin });
                    self.found.settings_read.push(!self.gave_up);
                }
                _ => {}
            }
        }
    }

    fn include(&mut self, kind: IncludeKind, name: &[u8], at: &Location, depth: usize) {
        if name.iter().all(|it| b" \t\r\n".contains(it)) {
            return self.problem(
                Some(at),
                match kind {
                    IncludeKind::Directory => ProblemKind::EmptyDirectoryName,
                    _ => ProblemKind::EmptyFileName,
                },
            );
        }
        let path = resolve(name, &at.file);
        if kind == IncludeKind::Directory {
            return match files_in(&path, self.tree) {
                Ok(files) => self.directory(&files, at, depth),
                Err(error) => {
                    let why = reason(&error);
                    let kind = ProblemKind::UnreadableDirectory { directory: path, why };
                    self.problem(Some(at), kind);
                }
            };
        }
        self.included(&path, kind == IncludeKind::File, at, depth);
    }

    fn directory(&mut self, files: &[PathBuf], at: &Location, depth: usize) {
        let gave_up_before = self.gave_up;
        for file in files {
            let problems = self.found.problems.len();
            self.included(file, true, at, depth);
            self.gave_up |= self.found.problems.len() > problems;
        }
        self.gave_up = gave_up_before;
    }

    fn included(&mut self, file: &Path, strict: bool, at: &Location, depth: usize) {
        if depth > DEEPEST {
            return self.problem(Some(at), ProblemKind::TooDeep { file: file.to_owned() });
        }
        if file.as_os_str().as_bytes() == at.file.as_os_str().as_bytes() {
            return self.problem(Some(at), ProblemKind::Recursion { file: file.to_owned() });
        }
        self.file(file, strict, Some(at), depth);
    }

    fn problem(&mut self, at: Option<&Location>, kind: ProblemKind) {
        self.found.problems.push(Problem { at: at.cloned(), kind });
        self.found.told.push(Told {
            settings: self.found.settings.len(),
            is_read: !self.gave_up,
            line_before: false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Nothing, Overlay};

    fn load(files: &[(&str, &str)]) -> Configuration {
        let tree =
            files.iter().fold(Overlay::new(&Nothing), |tree, (path, text)| tree.with(*path, *text));
        let sources = Sources::main("/c/main").data("/d").arguments([&b"-c"[..], b"z=9"]);
        Configuration::load(&sources, &tree)
    }

    fn value(it: &Configuration, name: &str) -> (String, String) {
        let setting = it.get(name).unwrap();
        (String::from_utf8(setting.value.clone()).unwrap(), setting.origin.to_string())
    }

    #[test]
    fn defect_10_includes_and_auto_conf_and_the_command_line_count() {
        let it = load(&[
            ("/c/main", "a = 1\ninclude 'inc'\nb = 1\nz = 1\n"),
            ("/c/inc", "a = 2\nb = 2\n"),
            ("/d/postgresql.auto.conf", "c = 3\nB = '3'\n"),
        ]);
        assert_eq!(value(&it, "a"), ("2".into(), "/c/inc:1".into()));
        assert_eq!(value(&it, "b"), ("3".into(), "/d/postgresql.auto.conf:2".into()));
        assert_eq!(value(&it, "z"), ("9".into(), "the server's command line".into()));
        let at = Location { file: "/c/main".into(), line: 3 };
        assert_eq!(it.shadow_of("b", &at).unwrap().value, b"3");
        let at = Location { file: "/c/inc".into(), line: 1 };
        assert_eq!(it.shadow_of("a", &at), None);
        assert!(it.problems().is_empty());
    }

    #[test]
    fn includes_that_lead_nowhere_are_told_apart() {
        let it = load(&[(
            "/c/main",
            "include 'no'\ninclude_if_exists 'no'\ninclude_dir 'no'\ninclude ' '\ninclude 'main'\nx y z\n",
        )]);
        let texts: Vec<_> = it.problems().iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "/c/main:1: cannot read /c/no: No such file or directory",
                "/c/main:3: cannot read the directory /c/no: No such file or directory",
                "/c/main:4: the name of a file to include is empty",
                "/c/main:5: /c/main includes itself",
                "/c/main:6: syntax error",
            ]
        );
        assert!(it.problems().iter().all(|it| it.kind.stops_reload()));
    }

    #[test]
    fn files_that_include_each_other_end() {
        let it = load(&[("/c/main", "include 'a'\n"), ("/c/a", "include 'main'\n")]);
        assert_eq!(it.problems().len(), 1);
        assert!(matches!(it.problems()[0].kind, ProblemKind::TooDeep { .. }));
    }
}
