//! What the two files of rules and mappings have in common, for commands.

use std::path::{Path, PathBuf};

use hayloft_postgres::{
    hba::{
        self, Fields, HbaError, HbaFile, Position, Record, Rule, RuleError, Rules, Server, Slot,
        Warning,
    },
    ident::{self, IdentFields, IdentFile, Mapping, Mappings},
    tree::Disk,
};

use super::words;
use crate::commands::place::What;

/// A line that a server reads, of any of the files.
#[derive(Debug)]
pub(crate) struct Line<R> {
    pub(crate) file: PathBuf,
    pub(crate) number: usize,
    pub(crate) record: Result<R, Vec<RuleError>>,
}

/// One of the two kinds of files.
pub(crate) trait Kind {
    /// A rule or a mapping.
    type Record: Record<Fields = Self::Fields>;
    /// What it is looked for by.
    type Fields;
    /// One file's content.
    type Document;
    /// One file on disk.
    type File;

    /// Which file.
    const WHAT: What;
    /// The command's name.
    const COMMAND: &'static str;
    /// What a record is called.
    const NOUN: &'static str;
    /// The fields of a record, for people.
    const FIELDS: &'static str;
    /// A record, for examples.
    const EXAMPLE: &'static str;
    /// The headings of a list.
    const HEADINGS: &'static [(&'static str, &'static [Slot])];

    fn parse(text: &[u8], server: &Server) -> Result<Self::Record, HbaError>;
    fn fields(words: &[String]) -> Result<Self::Fields, String>;
    fn load(main: &Path, server: &Server) -> Result<Vec<Line<Self::Record>>, HbaError>;
    fn open(path: &Path, server: &Server) -> Result<Self::File, HbaError>;
    fn document(file: &Self::File) -> Self::Document;
    /// Line number and record of each.
    fn records(document: &Self::Document) -> Vec<(usize, Self::Record)>;
    fn ensure(document: &mut Self::Document, it: &Self::Record) -> Result<(usize, bool), HbaError>;
    fn insert(
        document: &mut Self::Document,
        index: isize,
        it: &Self::Record,
        position: Position,
    ) -> Result<usize, HbaError>;
    fn replace(
        document: &mut Self::Document,
        index: isize,
        it: &Self::Record,
    ) -> Result<(), HbaError>;
    fn pop(document: &mut Self::Document, index: isize) -> Result<Self::Record, HbaError>;
    fn diff(file: &Self::File, document: &Self::Document) -> Vec<u8>;
    /// Writes it, and keeps the old content in `backup`.
    fn write(
        file: &Self::File,
        document: Self::Document,
        main: &Path,
        backup: Option<&Path>,
    ) -> Result<(), HbaError>;
    /// Why the server would refuse the files with this edit.
    fn problems(
        file: &Self::File,
        path: &Path,
        document: &Self::Document,
        main: &Path,
        server: &Server,
    ) -> Result<Vec<String>, HbaError>;
    /// What is suspicious about the files with this edit.
    fn warnings(
        file: &Self::File,
        document: &Self::Document,
        main: &Path,
    ) -> Result<Vec<Warning>, HbaError>;
}

/// `pg_hba.conf`.
#[derive(Debug)]
pub(crate) struct Hba;

/// `pg_ident.conf`.
#[derive(Debug)]
pub(crate) struct Ident;

/// What is the same but for the types.
macro_rules! editing {
    ($document:ty, $file:ty, $record:ty) => {
        fn parse(text: &[u8], server: &Server) -> Result<$record, HbaError> {
            <$record>::parse(text, server)
        }

        fn open(path: &Path, server: &Server) -> Result<$file, HbaError> {
            <$file>::open(path, server)
        }

        fn document(file: &$file) -> $document {
            file.document()
        }

        fn records(document: &$document) -> Vec<(usize, $record)> {
            document.rules().iter().map(|it| (it.line, it.rule.clone())).collect()
        }

        fn ensure(document: &mut $document, it: &$record) -> Result<(usize, bool), HbaError> {
            document.ensure(it)
        }

        fn insert(
            document: &mut $document,
            index: isize,
            it: &$record,
            position: Position,
        ) -> Result<usize, HbaError> {
            document.insert(index, it, position)
        }

        fn replace(document: &mut $document, index: isize, it: &$record) -> Result<(), HbaError> {
            document.replace(index, it)
        }

        fn pop(document: &mut $document, index: isize) -> Result<$record, HbaError> {
            document.pop(index)
        }

        fn diff(file: &$file, document: &$document) -> Vec<u8> {
            file.plan(document.clone()).diff()
        }

        fn write(
            file: &$file,
            document: $document,
            main: &Path,
            backup: Option<&Path>,
        ) -> Result<(), HbaError> {
            file.plan(document).write_keeping(main, &Disk, backup)
        }
    };
}

impl Kind for Hba {
    type Record = Rule;
    type Fields = Fields;
    type Document = hba::Document;
    type File = HbaFile;

    const WHAT: What = What::Hba;
    const COMMAND: &'static str = "hba";
    const NOUN: &'static str = "rule";
    const FIELDS: &'static str = "TYPE DATABASE USER [ADDRESS] METHOD [OPTION…]";
    const EXAMPLE: &'static str = "host app app 10.0.0.0/8 scram-sha-256";
    const HEADINGS: &'static [(&'static str, &'static [Slot])] = &[
        ("TYPE", &[Slot::First]),
        ("DATABASE", &[Slot::Second]),
        ("USER", &[Slot::Third]),
        ("ADDRESS", &[Slot::Address, Slot::Mask]),
        ("METHOD", &[Slot::Method]),
        ("OPTIONS", &[Slot::Option]),
    ];

    editing!(hba::Document, HbaFile, Rule);

    fn fields(words: &[String]) -> Result<Fields, String> {
        let fields = words::pattern(words);
        let texts: Vec<Option<&str>> = fields.iter().map(Option::as_deref).collect();
        Ok(Fields::prefix(&texts))
    }

    fn load(main: &Path, server: &Server) -> Result<Vec<Line<Rule>>, HbaError> {
        let rules = Rules::load(main, server, &Disk)?;
        let line = |it: &hba::LoadedRule| Line {
            file: it.file.clone(),
            number: it.line,
            record: it.rule.clone(),
        };
        Ok(rules.lines().iter().map(line).collect())
    }

    fn problems(
        file: &HbaFile,
        _: &Path,
        document: &hba::Document,
        main: &Path,
        _: &Server,
    ) -> Result<Vec<String>, HbaError> {
        Ok(file.plan(document.clone()).rules(main, &Disk)?.problems())
    }

    fn warnings(
        file: &HbaFile,
        document: &hba::Document,
        main: &Path,
    ) -> Result<Vec<Warning>, HbaError> {
        file.plan(document.clone()).warnings(main, &Disk)
    }
}

impl Kind for Ident {
    type Record = Mapping;
    type Fields = IdentFields;
    type Document = ident::Document;
    type File = IdentFile;

    const WHAT: What = What::Ident;
    const COMMAND: &'static str = "ident";
    const NOUN: &'static str = "mapping";
    const FIELDS: &'static str = "MAP SYSTEM-USER ROLE";
    const EXAMPLE: &'static str = "staff ann app";
    const HEADINGS: &'static [(&'static str, &'static [Slot])] =
        &[("MAP", &[Slot::First]), ("SYSTEM-USER", &[Slot::Second]), ("ROLE", &[Slot::Third])];

    editing!(ident::Document, IdentFile, Mapping);

    fn fields(words: &[String]) -> Result<IdentFields, String> {
        let texts = words::split(words);
        if texts.len() > 3 {
            return Err("a mapping has three fields: MAP SYSTEM-USER ROLE".to_owned());
        }
        let mut fields = IdentFields::new();
        for (number, text) in texts.iter().enumerate().filter(|it| *it.1 != "*") {
            let bare = words::unquoted(text);
            fields = match number {
                0 => fields.map(bare),
                1 => fields.system_user(bare),
                _ => fields.user(bare),
            };
        }
        Ok(fields)
    }

    fn load(main: &Path, server: &Server) -> Result<Vec<Line<Mapping>>, HbaError> {
        let mappings = Mappings::load(main, server, &Disk)?;
        let line = |it: &ident::LoadedMapping| Line {
            file: it.file.clone(),
            number: it.line,
            record: it.mapping.clone(),
        };
        Ok(mappings.lines().iter().map(line).collect())
    }

    fn problems(
        _: &IdentFile,
        path: &Path,
        document: &ident::Document,
        main: &Path,
        server: &Server,
    ) -> Result<Vec<String>, HbaError> {
        let after = hayloft_postgres::tree::Overlay::new(&Disk).with(path, document.to_bytes());
        Ok(Mappings::load(main, server, &after)?.problems())
    }

    fn warnings(_: &IdentFile, _: &ident::Document, _: &Path) -> Result<Vec<Warning>, HbaError> {
        Ok(Vec::new())
    }
}
