//! Every line that a server reads: the main file and what it includes.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    line::logical,
    word::{Word, fields},
};
use crate::tree::{DEEPEST, Tree, files_in, reason, resolve};

/// How deep `@` files go before this gives up, in versions that have no
/// limit but the number of open files.
const DEEPEST_UP_TO_15: usize = 50;

/// Why a line could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    TooLong,
    TooDeep { file: PathBuf },
    Unreadable { file: PathBuf, why: String },
    UnreadableDirectory { directory: PathBuf, why: String },
}

/// A line with its fields, `@` files expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) file: PathBuf,
    /// From 1; of a continued line the first.
    pub(crate) line: usize,
    pub(crate) fields: Result<Vec<Vec<Word>>, Vec<Trouble>>,
    /// Files of `@` words that hold no words.
    pub(crate) empty: Vec<PathBuf>,
}

/// Reads a main file and all that it includes.
///
/// # Errors
///
/// If the main file itself cannot be read.
pub(crate) fn expand(main: &Path, major: u32, tree: &dyn Tree) -> io::Result<Vec<Entry>> {
    let content = tree.read(main)?;
    let mut reader = Reader { major, tree, entries: Vec::new() };
    reader.lines(main, &content, 0);
    Ok(reader.entries)
}

struct Reader<'a> {
    major: u32,
    tree: &'a dyn Tree,
    entries: Vec<Entry>,
}

impl Reader<'_> {
    fn lines(&mut self, file: &Path, content: &[u8], depth: usize) {
        for line in logical(content, self.major) {
            let mut empty = Vec::new();
            let fields = self.fields(file, &line.text, depth, &mut empty);
            let result = match &fields {
                Ok(fields) if fields.is_empty() => continue,
                Ok(fields) => match include(fields, self.major) {
                    Some((kind, name)) => match self.include(kind, name, file, depth + 1) {
                        Ok(()) => continue,
                        Err(troubles) => Err(troubles),
                    },
                    None => Ok(fields.clone()),
                },
                Err(trouble) => Err(vec![trouble.clone()]),
            };
            let line = line.lines.start + 1;
            self.entries.push(Entry { file: file.to_owned(), line, fields: result, empty });
        }
    }

    fn fields(
        &self,
        file: &Path,
        text: &[u8],
        depth: usize,
        empty: &mut Vec<PathBuf>,
    ) -> Result<Vec<Vec<Word>>, Trouble> {
        let raw = fields(text, self.major);
        let mut result = Vec::new();
        for field in raw.fields {
            let mut words = Vec::new();
            for word in field.words {
                match word.file() {
                    None => words.push(word),
                    Some(name) => {
                        let path = resolve(name, file);
                        let found = self.words_of(&path, depth + 1)?;
                        if found.is_empty() {
                            empty.push(path);
                        }
                        words.extend(found);
                    }
                }
            }
            // A field of nothing but empty files is none at all.
            if !words.is_empty() {
                result.push(words);
            }
        }
        if raw.too_long { Err(Trouble::TooLong) } else { Ok(result) }
    }

    fn words_of(&self, file: &Path, depth: usize) -> Result<Vec<Word>, Trouble> {
        let content = self.open(file, depth)?;
        let mut inner = Reader { major: self.major, tree: self.tree, entries: Vec::new() };
        inner.lines(file, &content, depth);
        let mut words = Vec::new();
        for entry in inner.entries {
            match entry.fields {
                Ok(fields) => words.extend(fields.into_iter().flatten()),
                Err(mut troubles) => return Err(troubles.swap_remove(0)),
            }
        }
        Ok(words)
    }

    fn include(
        &mut self,
        kind: Kind,
        name: &[u8],
        from: &Path,
        depth: usize,
    ) -> Result<(), Vec<Trouble>> {
        let path = resolve(name, from);
        if kind != Kind::Directory {
            return self.include_file(&path, kind == Kind::IfExists, depth).map_err(|it| vec![it]);
        }
        let files = files_in(&path, self.tree).map_err(|error| {
            vec![Trouble::UnreadableDirectory { directory: path.clone(), why: reason(&error) }]
        })?;
        let results = files.iter().map(|file| self.include_file(file, false, depth));
        let troubles: Vec<_> = results.filter_map(Result::err).collect();
        if troubles.is_empty() { Ok(()) } else { Err(troubles) }
    }

    fn include_file(
        &mut self,
        file: &Path,
        may_be_missing: bool,
        depth: usize,
    ) -> Result<(), Trouble> {
        if may_be_missing
            && depth <= DEEPEST
            && self.tree.read(file).is_err_and(|it| it.kind() == io::ErrorKind::NotFound)
        {
            return Ok(());
        }
        let content = self.open(file, depth)?;
        self.lines(file, &content, depth);
        Ok(())
    }

    fn open(&self, file: &Path, depth: usize) -> Result<Vec<u8>, Trouble> {
        let deepest = if self.major >= 16 { DEEPEST } else { DEEPEST_UP_TO_15 };
        if depth > deepest {
            return Err(Trouble::TooDeep { file: file.to_owned() });
        }
        match self.tree.read(file) {
            Ok(content) => Ok(content),
            // The server opens a directory, and takes it for a file of nothing.
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => Ok(Vec::new()),
            Err(error) => Err(Trouble::Unreadable { file: file.to_owned(), why: reason(&error) }),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    IfExists,
    Directory,
}

/// A line of exactly two fields whose first word is a directive (16 and
/// later), quoted or not. Further words do not count.
pub(crate) fn include(fields: &[Vec<Word>], major: u32) -> Option<(Kind, &[u8])> {
    let [first, second] = fields else { return None };
    let kind = match &first.first()?.text[..] {
        b"include" => Kind::File,
        b"include_if_exists" => Kind::IfExists,
        b"include_dir" => Kind::Directory,
        _ => return None,
    };
    (major >= 16).then_some((kind, &second.first()?.text[..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Nothing, Overlay};

    fn lines(main: &str, major: u32) -> Vec<String> {
        let tree = Overlay::new(&Nothing)
            .with("/h/main", main)
            .with("/h/users", "alice, bob # c\n\"Carol D\"\n+grp\n")
            .with("/h/empty", "# nothing\n")
            .with("/h/self", "@self\n")
            .with("/h/inc", "\nincluded x\n")
            .with("/h/loop", "include loop\n");
        let entries = expand(Path::new("/h/main"), major, &tree).unwrap();
        let words = |it: &Vec<Word>| {
            it.iter()
                .map(|it| String::from_utf8_lossy(&it.text).into_owned())
                .collect::<Vec<_>>()
                .join("|")
        };
        let show = |it: &Entry| {
            let name = it.file.file_name().unwrap().to_str().unwrap();
            match &it.fields {
                Ok(fields) => format!(
                    "{name}:{} {}",
                    it.line,
                    fields.iter().map(words).collect::<Vec<_>>().join(" ")
                ),
                Err(troubles) => format!("{name}:{} {:?}", it.line, troubles[0]),
            }
        };
        entries.iter().map(show).collect()
    }

    #[test]
    fn words_of_files_stand_in_for_their_name() {
        assert_eq!(lines("a @users,x b\n", 15), ["main:1 a alice|bob|Carol D|+grp|x b"]);
        assert_eq!(lines("a \"@users\" @\n", 15), ["main:1 a @users @"]);
        assert_eq!(lines("a @empty b\n", 15), ["main:1 a b"], "the columns shift");
        assert!(lines("a @no b\n", 15)[0].contains("Unreadable"));
        for major in [15, 16] {
            assert!(lines("a @self b\n", major)[0].contains("TooDeep"));
        }
    }

    #[test]
    fn files_are_included_from_16_on() {
        assert_eq!(lines("include inc\nx y\n", 15), ["main:1 include inc", "main:2 x y"]);
        assert_eq!(lines("include inc\nx y\n", 16), ["inc:2 included x", "main:2 x y"]);
        assert_eq!(lines("\"include\" inc,other\n", 16), ["inc:2 included x"]);
        assert_eq!(
            lines("include inc x\nINCLUDE inc\n", 16),
            ["main:1 include inc x", "main:2 INCLUDE inc"]
        );
        assert_eq!(lines("include_if_exists no\n", 16), [""; 0]);
        assert!(lines("include no\n", 16)[0].contains("Unreadable"));
        assert!(lines("include_dir no\n", 16)[0].contains("UnreadableDirectory"));
        assert!(lines("include loop\n", 16)[0].starts_with("loop:1 TooDeep"));
    }
}
