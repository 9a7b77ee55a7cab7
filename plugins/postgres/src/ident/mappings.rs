//! Everything that a server reads, and who may connect as whom.

use std::{
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::mapping::{Document, Mapping};
use crate::{
    auth::{
        document::Record,
        expand::expand,
        pattern::{Found, Group, find, group},
        word::Word,
    },
    diff::unified,
    file::{FileError, Original},
    hba::{HbaError, RuleError, Server},
    tree::{Overlay, Tree},
};

/// A line of one of the files: a mapping, or why it is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedMapping {
    /// The file.
    pub file: PathBuf,
    /// The line in it, from 1.
    pub line: usize,
    /// The mapping, or each mistake.
    pub mapping: Result<Mapping, Vec<RuleError>>,
}

/// Whether somebody may connect as a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permission {
    /// Yes, by the line with this index.
    Granted {
        /// Its index among the lines.
        index: usize,
    },
    /// No line allows it.
    Denied,
    /// The line with this index may allow it; that depends on something not
    /// known here.
    Undecided {
        /// Its index among the lines.
        index: usize,
        /// What must be known.
        why: String,
    },
}

/// The mappings of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mappings {
    major: u32,
    lines: Vec<LoadedMapping>,
}

impl Mappings {
    /// Reads the main file (`ident_file`) and all that it includes. Mistakes
    /// in the files are in the result.
    ///
    /// # Errors
    ///
    /// [`HbaError::File`] if the main file cannot be read.
    pub fn load(main: &Path, server: &Server, tree: &dyn Tree) -> Result<Self, HbaError> {
        let entries = expand(main, server.major, tree)
            .map_err(|source| FileError::Read { path: main.to_owned(), source })?;
        let lines = entries.into_iter().map(|it| {
            let mapping = match it.fields {
                Ok(words) => Mapping::from_words(&words, server).map_err(|it| vec![it]),
                Err(troubles) => Err(troubles.into_iter().map(RuleError::from).collect()),
            };
            LoadedMapping { file: it.file, line: it.line, mapping }
        });
        Ok(Self { major: server.major, lines: lines.collect() })
    }

    /// Returns every line that is a mapping or a mistake, in order.
    pub fn lines(&self) -> &[LoadedMapping] {
        &self.lines
    }

    /// Returns why the server would refuse the files; empty if it would take
    /// them.
    pub fn problems(&self) -> Vec<String> {
        let show = |it: &LoadedMapping| {
            let errors = it.mapping.as_ref().err()?;
            let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Some(format!("{}:{}: {}", it.file.display(), it.line, texts.join(", ")))
        };
        self.lines.iter().filter_map(show).collect()
    }

    /// Tells whether a user of the system may connect as a role under a map.
    /// `roles` are the roles that `user` is a member of, if known.
    ///
    /// The server goes through the lines until one allows it. It goes no
    /// further where a pattern finds the user and the role wants `\\1` of it,
    /// but the pattern has no group.
    pub fn permits(
        &self,
        map: &[u8],
        system_user: &[u8],
        user: &[u8],
        roles: Option<&[Vec<u8>]>,
    ) -> Permission {
        let asked = Asked { major: self.major, system_user, user, roles };
        let mut undecided = None;
        let mut may_end_earlier = false;
        for (index, line) in self.lines.iter().enumerate() {
            let Some(mapping) = line.mapping.as_ref().ok().filter(|it| it.map.text == map) else {
                continue;
            };
            match asked.answer(mapping) {
                Answer::Yes if !may_end_earlier => return Permission::Granted { index },
                Answer::No => {}
                Answer::Yes | Answer::End => break,
                Answer::Unknown { why, may_end } => {
                    may_end_earlier |= may_end;
                    undecided = undecided.or(Some(Permission::Undecided { index, why }));
                }
            }
        }
        undecided.unwrap_or(Permission::Denied)
    }
}

/// What a mapping is asked.
struct Asked<'a> {
    major: u32,
    system_user: &'a [u8],
    user: &'a [u8],
    roles: Option<&'a [Vec<u8>]>,
}

/// What a mapping says.
enum Answer {
    Yes,
    No,
    /// No, and no line after it is asked.
    End,
    /// It may be yes or no; `may_end` if no line after it may be asked.
    Unknown {
        why: String,
        may_end: bool,
    },
}

impl From<bool> for Answer {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

impl Asked<'_> {
    fn answer(&self, mapping: &Mapping) -> Answer {
        let role = &mapping.user;
        let Some(pattern) = mapping.system_user.pattern() else {
            let same = mapping.system_user.text == self.system_user;
            return if same { self.is_role(role) } else { Answer::No };
        };
        let is_special = self.major >= 16 && (role.pattern().is_some() || role.role().is_some());
        let mark = role.text.windows(2).position(|it| it == b"\\1").filter(|_| !is_special);
        let unknown = || Answer::Unknown { why: finds(pattern), may_end: mark.is_some() };
        match find(pattern, self.system_user, self.major) {
            Found::No => return Answer::No,
            Found::Unknown => return unknown(),
            Found::Yes => {}
        }
        let Some(at) = mark else { return self.is_role(role) };
        match group(pattern, self.system_user, self.major) {
            Group::None => Answer::End,
            Group::Unknown => unknown(),
            Group::Text(group) => {
                let mut text = role.text.clone();
                text.splice(at..at + 2, group);
                // What comes out of it is a name, whatever it looks like.
                (text == self.user).into()
            }
        }
    }

    fn is_role(&self, role: &Word) -> Answer {
        if self.major < 16 {
            return (role.text == self.user).into();
        }
        if let Some(wanted) = role.role() {
            let is_member = self.roles.map(|it| it.iter().any(|it| it == wanted));
            let why = || format!("whether {} is a member of {}", lossy(self.user), lossy(wanted));
            return match is_member {
                _ if wanted == self.user => Answer::Yes,
                Some(yes) => yes.into(),
                None => Answer::Unknown { why: why(), may_end: false },
            };
        }
        match role.pattern() {
            _ if role.is_keyword("all") => Answer::Yes,
            None => (role.text == self.user).into(),
            Some(pattern) => match find(pattern, self.user, self.major) {
                Found::Yes => Answer::Yes,
                Found::No => Answer::No,
                Found::Unknown => Answer::Unknown { why: finds(pattern), may_end: false },
            },
        }
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn finds(pattern: &[u8]) -> String {
    format!("what the pattern `{}` finds", lossy(pattern))
}

/// A file of mappings on disk, as it was when it was opened.
#[derive(Debug)]
pub struct IdentFile {
    original: Original,
    server: Server,
}

impl IdentFile {
    /// Reads a file; links are followed.
    ///
    /// # Errors
    ///
    /// [`HbaError::File`].
    pub fn open(path: &Path, server: &Server) -> Result<Self, HbaError> {
        Ok(Self { original: Original::read(path)?, server: server.clone() })
    }

    /// Returns the content, to be edited.
    pub fn document(&self) -> Document {
        Document::parse(self.original.content(), &self.server)
    }

    /// Takes an edited document. Nothing is written.
    pub fn plan(&self, document: Document) -> IdentPlan<'_> {
        IdentPlan { file: self, document }
    }
}

/// An edited file that is not yet written. Dropping it is the dry run.
#[derive(Debug)]
pub struct IdentPlan<'a> {
    file: &'a IdentFile,
    document: Document,
}

impl IdentPlan<'_> {
    /// Returns the difference in the unified format.
    pub fn diff(&self) -> Vec<u8> {
        let name = self.file.original.path().as_os_str().as_bytes();
        unified(name, self.file.original.content(), &self.document.to_bytes())
    }

    /// Writes the file, unless the server would then refuse its mappings.
    /// `main` is the file that the server begins with.
    ///
    /// # Errors
    ///
    /// [`HbaError::Refused`], [`HbaError::File`]; the file is then as it was.
    pub fn write(&self, main: &Path, tree: &dyn Tree) -> Result<(), HbaError> {
        self.write_keeping(main, tree, None)
    }

    /// The same, and keeps the old content in the file `backup`, which must
    /// not be there yet. There is none if nothing changes.
    ///
    /// # Errors
    ///
    /// As [`Self::write`].
    pub fn write_keeping(
        &self,
        main: &Path,
        tree: &dyn Tree,
        backup: Option<&Path>,
    ) -> Result<(), HbaError> {
        let content = self.document.to_bytes();
        let after = Overlay::new(tree).with(self.file.original.path(), content.clone());
        let problems = Mappings::load(main, &self.file.server, &after)?.problems();
        if !problems.is_empty() {
            return Err(HbaError::Refused { problems });
        }
        if content == self.file.original.content() {
            return Ok(());
        }
        self.file.original.replace(&content, |_| {
            backup.map_or(Ok(()), |it| Ok(self.file.original.copy_to(it)?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Nothing;

    fn permits(text: &str, system: &str, user: &str, major: u32) -> Permission {
        let tree = Overlay::new(&Nothing).with("/i", text);
        let mappings = Mappings::load(Path::new("/i"), &Server::of(major), &tree).unwrap();
        assert_eq!(mappings.problems(), [""; 0]);
        mappings.permits(b"m", system.as_bytes(), user.as_bytes(), None)
    }

    #[test]
    fn users_of_the_system_become_roles() {
        let granted = Permission::Granted { index: 0 };
        let cases = [
            ("m ann bob", "ann", "bob", 15, true),
            ("m ann bob", "Ann", "bob", 15, false),
            ("x ann bob", "ann", "bob", 15, false),
            (r"m /^(.*)@x$ \1", "ann@x", "ann", 15, true),
            (r"m /^(.*)@x$ \1", "ann@x", "bob", 15, false),
            (r"m /^(.*)@x$ db_\1", "ann@x", "db_ann", 15, true),
            ("m /^a guest", "ann", "guest", 15, true),
            ("m ann all", "ann", "bob", 16, true),
            ("m ann all", "ann", "bob", 15, false),
            ("m ann \"all\"", "ann", "bob", 16, false),
            ("m ann /^b", "ann", "bob", 16, true),
            ("m ann /^b", "ann", "bob", 15, false),
            ("m ann +bob", "ann", "bob", 16, true),
        ];
        for (text, system, user, major, good) in cases {
            let expected = if good { granted.clone() } else { Permission::Denied };
            assert_eq!(permits(text, system, user, major), expected, "{text}");
        }
        assert!(matches!(permits("m ann +g", "ann", "bob", 16), Permission::Undecided { .. }));
    }
    #[test]
    fn the_first_group_stands_in_for_its_mark_in_names_only() {
        let granted = |index| Permission::Granted { index };
        let cases = [
            // The server goes no further where a group is wanted and there is none.
            ("m /^ann$ \\1\nm ann bob\n", "ann", "bob", 16, Permission::Denied),
            ("m ann bob\nm /^ann$ \\1\n", "ann", "bob", 16, granted(0)),
            ("m /^(x)?ann \\1\nm ann bob\n", "ann", "bob", 15, Permission::Denied),
            // What comes out is a name, also if it looks like something else.
            ("m /^(.*)$ \\1\n", "all", "bob", 16, Permission::Denied),
            ("m /^(.*)$ \\1\n", "+bob", "bob", 16, Permission::Denied),
            ("m /^(.*)$ x\\1\\1\n", "a", "xa\\1", 16, granted(0)),
            // In what is no name it is no mark.
            ("m /^(.*)$ +\\1\n", "bob", "\\1", 16, granted(0)),
            ("m /^(.*)$ \"/^b\\\\1\"\n", "x", "b\\1", 16, granted(0)),
        ];
        for (text, system, user, major, expected) in cases {
            assert_eq!(permits(text, system, user, major), expected, "{text} {system} {user}");
        }
        // If it were the group that is missing, the second line would not be asked.
        let unsure = permits("m /^x?(y)*$ \\1\nm x bob\n", "x", "bob", 16);
        assert!(matches!(unsure, Permission::Denied), "{unsure:?}");
        let unsure = permits("m /^x?(.*)$ \\1\nm xy bob\n", "xy", "bob", 16);
        assert!(matches!(unsure, Permission::Undecided { index: 0, .. }), "{unsure:?}");
        // Whoever is a member or not: the second line allows it.
        assert_eq!(permits("m ann +g\nm ann bob\n", "ann", "bob", 16), granted(1));
    }
}
