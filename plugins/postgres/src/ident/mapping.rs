//! A line of `pg_ident.conf`.

use crate::{
    auth::{
        document::Record,
        layout::Slot,
        pattern,
        word::{Word, fields, write_word},
    },
    hba::{HbaError, RuleError, Server},
};

/// One file of mappings. What is not edited stays as it is, to the byte.
pub type Document = crate::auth::document::Document<Mapping>;

/// A mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// The name of the map, which rules of `pg_hba.conf` name (`map=`).
    pub map: Word,
    /// The system's user, or a pattern.
    pub system_user: Word,
    /// The role.
    pub user: Word,
}

impl Mapping {
    /// Reads one mapping from text, as it would stand in the file.
    ///
    /// # Errors
    ///
    /// [`HbaError::Rule`] if the server would refuse it;
    /// [`HbaError::NotOneRule`] for anything but one line with a mapping.
    pub fn parse(text: &[u8], server: &Server) -> Result<Self, HbaError> {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let found = fields(text, server.major);
        if text.contains(&b'\n') || text.contains(&0) || found.fields.is_empty() || found.too_long {
            return Err(HbaError::NotOneRule);
        }
        let words: Vec<_> = found.fields.into_iter().map(|it| it.words).collect();
        Self::from_words(&words, server).map_err(|source| HbaError::Rule { source })
    }
}

fn one(field: Option<&Vec<Word>>, name: &'static str) -> Result<Word, RuleError> {
    match field.map(Vec::as_slice) {
        None | Some([]) => Err(RuleError::Missing { field: name }),
        Some([word]) => Ok(word.clone()),
        Some(_) => Err(RuleError::Several { field: name }),
    }
}

impl Record for Mapping {
    type Fields = IdentFields;

    /// Fields after the third do not count.
    fn from_words(fields: &[Vec<Word>], server: &Server) -> Result<Self, RuleError> {
        let mut fields = fields.iter();
        let map = one(fields.next(), "name of the map")?;
        let system_user = one(fields.next(), "system's user")?;
        let user = one(fields.next(), "role")?;
        let role_pattern = user.pattern().filter(|_| server.major >= 16);
        for found in [system_user.pattern(), role_pattern].into_iter().flatten() {
            pattern::check(found, server.major).map_err(|why| RuleError::BadPattern {
                pattern: String::from_utf8_lossy(found).into_owned(),
                why,
            })?;
        }
        Ok(Self { map, system_user, user })
    }

    fn to_fields(&self) -> Result<Vec<(Slot, Vec<u8>)>, RuleError> {
        let words = [
            (Slot::First, &self.map),
            (Slot::Second, &self.system_user),
            (Slot::Third, &self.user),
        ];
        let written = words.into_iter().map(|(slot, it)| Some((slot, write_word(it)?)));
        written.collect::<Option<_>>().ok_or(RuleError::LineEnd)
    }

    fn slots(&self, fields: &[Vec<Word>]) -> Vec<Slot> {
        let mut slots = vec![Slot::First, Slot::Second, Slot::Third];
        slots.resize(fields.len().max(3), Slot::Option);
        slots.truncate(fields.len());
        slots
    }

    fn usual() -> Vec<(Slot, usize)> {
        vec![(Slot::First, 0), (Slot::Second, 16), (Slot::Third, 40)]
    }

    fn has(&self, fields: &IdentFields) -> bool {
        let same = |wanted: &Option<Vec<u8>>, word: &Word| {
            wanted.as_ref().is_none_or(|it| *it == word.text)
        };
        same(&fields.map, &self.map)
            && same(&fields.system_user, &self.system_user)
            && same(&fields.user, &self.user)
    }

    fn own_fields(&self) -> IdentFields {
        let text = |it: &Word| Some(it.text.clone());
        IdentFields {
            map: text(&self.map),
            system_user: text(&self.system_user),
            user: text(&self.user),
        }
    }
}

/// What a mapping is looked for by: the texts of any of its fields, without
/// quotes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IdentFields {
    map: Option<Vec<u8>>,
    system_user: Option<Vec<u8>>,
    user: Option<Vec<u8>>,
}

impl IdentFields {
    /// Matches every mapping.
    pub fn new() -> Self {
        Self::default()
    }

    /// Matches one map.
    #[must_use]
    pub fn map(self, name: impl AsRef<[u8]>) -> Self {
        Self { map: Some(name.as_ref().to_vec()), ..self }
    }

    /// Matches one user of the system, or one pattern.
    #[must_use]
    pub fn system_user(self, name: impl AsRef<[u8]>) -> Self {
        Self { system_user: Some(name.as_ref().to_vec()), ..self }
    }

    /// Matches one role.
    #[must_use]
    pub fn user(self, name: impl AsRef<[u8]>) -> Self {
        Self { user: Some(name.as_ref().to_vec()), ..self }
    }
}
