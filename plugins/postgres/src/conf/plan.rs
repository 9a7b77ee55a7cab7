//! A file on disk and the edits made to it: planned first, then written.

use std::{
    os::unix::ffi::OsStrExt,
    path::Path,
    process::{Command, Output, Stdio},
};

use super::{
    AUTO_CONF, Catalogue, ConfError, Configuration, Document, Edit, Effect, Location, Policy,
    Problem, Setting, Sources, name::canonical_name,
};
use crate::{
    diff::unified,
    file::Original,
    tree::{Overlay, Tree},
    version::ServerVersion,
};

/// A configuration file on disk, as it was when it was opened.
#[derive(Debug)]
pub struct ConfFile {
    original: Original,
    document: Document,
}

impl ConfFile {
    /// Reads a file; links are followed.
    ///
    /// # Errors
    ///
    /// [`ConfError::AutoConf`] for `postgresql.auto.conf`, [`ConfError::File`].
    pub fn open(path: &Path) -> Result<Self, ConfError> {
        Self::of(Original::read(path)?)
    }

    /// Reads a file that need not be there yet, such as one in `conf.d`.
    ///
    /// # Errors
    ///
    /// As [`ConfFile::open`].
    pub fn open_or_new(path: &Path) -> Result<Self, ConfError> {
        Self::of(Original::read_or_new(path)?)
    }

    fn of(original: Original) -> Result<Self, ConfError> {
        if original.path().file_name().is_some_and(|it| it == AUTO_CONF) {
            return Err(ConfError::AutoConf { path: original.path().to_owned() });
        }
        let document = Document::parse(original.content());
        Ok(Self { original, document })
    }

    /// Returns the path, free of links.
    pub fn path(&self) -> &Path {
        self.original.path()
    }

    /// Returns the content.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Works out what edits would do, all of them or none. Nothing is
    /// written.
    ///
    /// # Errors
    ///
    /// As [`Document::apply`].
    pub fn plan(&self, edits: &[Edit], policy: &Policy) -> Result<Plan<'_>, ConfError> {
        let mut document = self.document.clone();
        let effects = document.apply(edits, policy)?;
        Ok(Plan { file: self, document, edits: edits.to_vec(), effects })
    }
}

/// Edits of a file that were worked out and not yet written. Dropping it is
/// the dry run.
#[derive(Debug)]
pub struct Plan<'a> {
    file: &'a ConfFile,
    document: Document,
    edits: Vec<Edit>,
    effects: Vec<Effect>,
}

/// An edit that will not have the effect one may expect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shadow {
    /// The parameter.
    pub name: Vec<u8>,
    /// What counts instead, and where it is.
    pub by: Setting,
}

impl Plan<'_> {
    /// Returns the content as it would be.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Returns what each edit does, in the order of the edits.
    pub fn effects(&self) -> &[Effect] {
        &self.effects
    }

    /// Tells whether anything would change.
    pub fn is_change(&self) -> bool {
        self.document != self.file.document
    }

    /// Returns the difference in the unified format.
    pub fn diff(&self) -> Vec<u8> {
        let name = self.file.path().as_os_str().as_bytes();
        unified(name, self.file.original.content(), &self.document.to_bytes())
    }

    /// Returns the whole configuration as it would be.
    pub fn configuration(&self, sources: &Sources, tree: &dyn Tree) -> Configuration {
        let tree = Overlay::new(tree).with(self.file.path(), self.document.to_bytes());
        Configuration::load(sources, &tree)
    }

    /// Returns the edits that something elsewhere overrides: an include
    /// further down, `postgresql.auto.conf`, the command line. Of a parameter
    /// that was unset or removed, this is where it still has a value.
    pub fn shadows(&self, sources: &Sources, tree: &dyn Tree) -> Vec<Shadow> {
        let after = self.configuration(sources, tree);
        let mut shadows: Vec<Shadow> = Vec::new();
        for edit in &self.edits {
            let name = canonical_name(edit.name());
            let Some(by) = after.get(&name) else { continue };
            if !self.is_ours(edit, by) && !shadows.iter().any(|it| it.name == name) {
                shadows.push(Shadow { name, by: by.clone() });
            }
        }
        shadows
    }

    fn is_ours(&self, edit: &Edit, by: &Setting) -> bool {
        let path = self.file.path();
        let is_this =
            |at: &Location| at.file == path || at.file.canonicalize().is_ok_and(|it| it == path);
        let here = by.origin.location().is_some_and(is_this);
        matches!(edit, Edit::Set { .. }) && here
    }

    /// Checks the configuration as it would be against the parameters that
    /// the server has. Mistakes that are there already count too: with them
    /// the edit would have no effect.
    pub fn check(&self, sources: &Sources, catalogue: &Catalogue, tree: &dyn Tree) -> Vec<Problem> {
        catalogue.check(&self.configuration(sources, tree))
    }

    /// Writes the file. See [`Original::replace`] for what is kept and what
    /// happens if somebody else changes it at the same time.
    ///
    /// # Errors
    ///
    /// [`ConfError::File`], or what the `check` returns; the file is then as
    /// it was.
    pub fn write(&self, check: Check<'_>) -> Result<(), ConfError> {
        self.write_keeping(check, None)
    }

    /// The same, and keeps the old content in the file `backup`, which must
    /// not be there yet. There is none if nothing changes.
    ///
    /// # Errors
    ///
    /// As [`Plan::write`].
    pub fn write_keeping(&self, check: Check<'_>, backup: Option<&Path>) -> Result<(), ConfError> {
        if let Check::Catalogue { sources, catalogue, tree } = check {
            let problems = self.check(sources, catalogue, tree);
            if !problems.is_empty() {
                return Err(ConfError::Refused { problems });
            }
        }
        if !self.is_change() {
            return Ok(());
        }
        let content = self.document.to_bytes();
        self.file.original.replace(&content, |candidate| {
            match check {
                Check::Program { postgres, data } => try_file(postgres, data, candidate)?,
                Check::Syntax => syntax(&self.document, self.file.path())?,
                Check::Nothing | Check::Catalogue { .. } => {}
            }
            backup.map_or(Ok(()), |it| Ok(self.file.original.copy_to(it)?))
        })
    }
}

/// How a file is checked before it takes the place of the old one.
#[derive(Debug, Clone, Copy)]
pub enum Check<'a> {
    /// Not at all.
    Nothing,
    /// Each line by itself must be one that servers read.
    Syntax,
    /// Everything, with all includes, against a list of parameters.
    Catalogue {
        /// The files of the server.
        sources: &'a Sources,
        /// Its parameters.
        catalogue: &'a Catalogue,
        /// Where files are read from.
        tree: &'a dyn Tree,
    },
    /// The file must be the main one. The server's own program reads it
    /// (`postgres -C`), which also finds what only the server knows: names of
    /// time zones or locales, for instance. It needs a data directory of its
    /// version, whether the server runs or not, and may read it as this user.
    Program {
        /// The program `postgres`.
        postgres: &'a Path,
        /// The data directory.
        data: &'a Path,
    },
}

fn syntax(document: &Document, path: &Path) -> Result<(), ConfError> {
    let at = |line| Some(Location { file: path.to_owned(), line });
    let problem = |line| Problem { at: at(line), kind: super::ProblemKind::Syntax };
    let problems: Vec<_> = document.invalid_lines().map(problem).collect();
    if problems.is_empty() { Ok(()) } else { Err(ConfError::Refused { problems }) }
}

fn try_file(postgres: &Path, data: &Path, candidate: &Path) -> Result<(), ConfError> {
    check_version(postgres, data)?;
    let mut setting = std::ffi::OsString::from("config_file=");
    setting.push(candidate);
    // `-C` must come first: only then the program runs for root too.
    let mut command = program(postgres);
    command.args(["-C", "config_file", "-D"]).arg(data).arg("-c").arg(setting);
    let output = run(&mut command)?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr)
        .replace(&*candidate.to_string_lossy(), "the new file");
    Err(ConfError::RefusedByServer { message: text.trim().to_owned() })
}

/// A program of another version knows other parameters, and would not mind the
/// directory.
fn check_version(postgres: &Path, data: &Path) -> Result<(), ConfError> {
    let refused = |message: String| ConfError::RefusedByServer { message };
    let of_data = std::fs::read_to_string(data.join("PG_VERSION"));
    let needed = of_data.ok().and_then(|it| ServerVersion::parse(&it));
    let needed = needed
        .ok_or_else(|| refused(format!("{} holds no cluster to read it for", data.display())))?;
    let output = run(program(postgres).arg("--version"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let found = ServerVersion::of_program(&said)
        .ok_or_else(|| refused("it does not tell its version".to_owned()))?;
    if found.major_text() == needed.major_text() {
        return Ok(());
    }
    Err(ConfError::VersionMismatch {
        program: postgres.to_owned(),
        found: found.major_text(),
        needed: needed.major_text(),
    })
}

/// Prepares a program whose messages we read, and which nothing in our
/// environment leads astray.
fn program(path: &Path) -> Command {
    let mut command = Command::new(path);
    command.stdin(Stdio::null()).env("LC_ALL", "C");
    for name in ["PGDATA", "PGOPTIONS", "PGPORT", "PGDATESTYLE", "PGCLIENTENCODING"] {
        command.env_remove(name);
    }
    command
}

fn run(command: &mut Command) -> Result<Output, ConfError> {
    let refused =
        |error| ConfError::RefusedByServer { message: format!("cannot be started: {error}") };
    command.output().map_err(refused)
}
