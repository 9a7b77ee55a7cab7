//! Everything that a server reads: the main file and what it includes.

use std::path::{Path, PathBuf};

use super::{
    error::{HbaError, RuleError},
    parse::parse_rule,
    rule::{ConnectionKind, Rule, Server},
};
use crate::{
    auth::{
        expand::{Entry, Trouble, expand},
        word::Word,
    },
    file::FileError,
    tree::Tree,
};

/// A line of one of the files: a rule, or why it is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedRule {
    /// The file.
    pub file: PathBuf,
    /// The line in it, from 1; of a continued line the first.
    pub line: usize,
    /// The rule, words of `@` files in their place; or each mistake.
    pub rule: Result<Rule, Vec<RuleError>>,
    pub(super) words: Vec<Vec<Word>>,
    /// Files of `@` words that hold no words.
    pub(super) empty: Vec<PathBuf>,
}

impl LoadedRule {
    /// Tells whether the rule can never match with this server, as TLS or
    /// GSSAPI is off.
    pub fn is_idle(&self, server: &Server) -> bool {
        match self.rule.as_ref().map(|it| it.kind) {
            Ok(ConnectionKind::HostSsl) => !server.tls,
            Ok(ConnectionKind::HostGssEnc) => !server.gss,
            _ => false,
        }
    }
}

/// The rules of a server, in the order in which it goes through them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    server: Server,
    lines: Vec<LoadedRule>,
}

impl Rules {
    /// Reads the main file (`hba_file`) and all that it includes. Mistakes in
    /// the files are in the result.
    ///
    /// # Errors
    ///
    /// [`HbaError::File`] if the main file cannot be read.
    pub fn load(main: &Path, server: &Server, tree: &dyn Tree) -> Result<Self, HbaError> {
        let entries = expand(main, server.major, tree)
            .map_err(|source| FileError::Read { path: main.to_owned(), source })?;
        let lines = entries.into_iter().map(|it| loaded(it, server)).collect();
        Ok(Self { server: server.clone(), lines })
    }

    /// Returns the server that the rules are for.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Returns every line that is a rule or a mistake, in order.
    pub fn lines(&self) -> &[LoadedRule] {
        &self.lines
    }

    /// Returns the rules, in order: what `pg_hba_file_rules` numbers from 1.
    pub fn rules(&self) -> impl Iterator<Item = (&LoadedRule, &Rule)> {
        self.lines.iter().filter_map(|it| Some((it, it.rule.as_ref().ok()?)))
    }

    /// Returns why the server would refuse the files; empty if it would take
    /// them. One mistake is enough for it to keep the old rules, or not to
    /// start. Files without a rule are a mistake too.
    pub fn problems(&self) -> Vec<String> {
        let show = |it: &LoadedRule| {
            let errors = it.rule.as_ref().err()?;
            let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Some(format!("{}:{}: {}", it.file.display(), it.line, texts.join(", ")))
        };
        let mut problems: Vec<_> = self.lines.iter().filter_map(show).collect();
        if self.lines.is_empty() {
            problems.push("there are no rules: nobody could connect".to_owned());
        }
        problems
    }
}

fn loaded(entry: Entry, server: &Server) -> LoadedRule {
    let (rule, words) = match entry.fields {
        Ok(words) => (parse_rule(&words, server).map_err(|it| vec![it]), words),
        Err(troubles) => (Err(troubles.into_iter().map(RuleError::from).collect()), Vec::new()),
    };
    LoadedRule { file: entry.file, line: entry.line, rule, words, empty: entry.empty }
}

impl From<Trouble> for RuleError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::TooLong => Self::TooLong,
            Trouble::TooDeep { file } => Self::TooDeep { file },
            Trouble::Unreadable { file, why } => Self::Unreadable { file, why },
            Trouble::UnreadableDirectory { directory, why } => {
                Self::UnreadableDirectory { directory, why }
            }
        }
    }
}
