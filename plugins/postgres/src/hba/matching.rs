//! Rules by their fields.

use super::{address::Address, rule::Rule};
use crate::auth::word::{Word, fields};

/// What a rule is looked for by: any of its fields. Those not given match
/// everything.
///
/// Databases and roles are compared as sets. Quotes count where they change
/// the meaning: `"all"` is not `all`. Addresses are compared by what they
/// mean: `127.0.0.1/32` is `127.0.0.1 255.255.255.255`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields {
    kind: Option<Vec<u8>>,
    databases: Option<Vec<Word>>,
    users: Option<Vec<Word>>,
    address: Option<Vec<Word>>,
    method: Option<Vec<u8>>,
    options: Option<Vec<Vec<u8>>>,
}

fn words(text: &[u8]) -> Vec<Word> {
    fields(text, 16).fields.into_iter().flat_map(|it| it.words).collect()
}

fn first(text: &[u8]) -> Vec<u8> {
    words(text).into_iter().next().map(|it| it.text).unwrap_or_default()
}

impl Fields {
    /// Matches every rule.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the beginning of a rule field by field, each as it would stand
    /// in the file; nothing for one that may be anything. An address and its
    /// mask are one field.
    ///
    /// The order is that of a rule with an address; the fifth field is the
    /// method, further ones are options.
    pub fn prefix(texts: &[Option<&str>]) -> Self {
        let get = |number: usize| texts.get(number).copied().flatten();
        let options: Vec<Vec<u8>> =
            texts.iter().skip(5).flatten().map(|it| it.as_bytes().to_vec()).collect();
        let mut it = Self::new();
        it.kind = get(0).map(|it| first(it.as_bytes()));
        it.databases = get(1).map(|it| words(it.as_bytes()));
        it.users = get(2).map(|it| words(it.as_bytes()));
        it.address = get(3).map(|it| words(it.as_bytes()));
        it.method = get(4).map(|it| first(it.as_bytes()));
        it.options = (!options.is_empty()).then_some(options);
        it
    }

    /// Matches rules that are the same as this one, written however.
    pub fn of(rule: &Rule) -> Self {
        let option = |it: &(Vec<u8>, Vec<u8>)| [&it.0[..], b"=", &it.1].concat();
        Self {
            kind: Some(rule.kind.word().into()),
            databases: Some(rule.databases.clone()),
            users: Some(rule.users.clone()),
            address: Some(rule.address.iter().flat_map(Address::words).collect()),
            method: Some(rule.method.word().into()),
            options: Some(rule.options.iter().map(option).collect()),
        }
    }

    /// Matches one kind of connection, such as `host`.
    #[must_use]
    pub fn kind(mut self, kind: &str) -> Self {
        self.kind = Some(first(kind.as_bytes()));
        self
    }

    /// Matches these databases, as they would stand in the file.
    #[must_use]
    pub fn databases(mut self, text: impl AsRef<[u8]>) -> Self {
        self.databases = Some(words(text.as_ref()));
        self
    }

    /// Matches these roles, as they would stand in the file.
    #[must_use]
    pub fn users(mut self, text: impl AsRef<[u8]>) -> Self {
        self.users = Some(words(text.as_ref()));
        self
    }

    /// Matches this address, with its mask, as it would stand in the file.
    #[must_use]
    pub fn address(mut self, text: impl AsRef<[u8]>) -> Self {
        self.address = Some(words(text.as_ref()));
        self
    }

    /// Matches one method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(first(method.as_bytes()));
        self
    }

    /// Tells whether a rule has these fields.
    pub fn matches(&self, rule: &Rule) -> bool {
        let same = |wanted: &Option<Vec<u8>>, word: &str| {
            wanted.as_ref().is_none_or(|it| it == word.as_bytes())
        };
        same(&self.kind, rule.kind.word())
            && self.databases.as_ref().is_none_or(|it| same_set(it, &rule.databases))
            && self.users.as_ref().is_none_or(|it| same_set(it, &rule.users))
            && self.address.as_ref().is_none_or(|it| same_address(it, rule.address.as_ref()))
            && same(&self.method, rule.method.word())
            && self.options.as_ref().is_none_or(|it| same_options(it, rule))
    }
}

/// Quotes matter to what would otherwise be a keyword, a role's members or
/// a file.
pub(super) fn same_word(a: &Word, b: &Word) -> bool {
    let special = crate::auth::word::is_special_name(&a.text);
    a.text == b.text && (a.quoted == b.quoted || !special)
}

fn same_set(a: &[Word], b: &[Word]) -> bool {
    let within = |one: &[Word], other: &[Word]| {
        one.iter().all(|it| other.iter().any(|other| same_word(it, other)))
    };
    within(a, b) && within(b, a)
}

fn same_address(wanted: &[Word], address: Option<&Address>) -> bool {
    let (Some(address), Some((word, rest))) = (address, wanted.split_first()) else {
        return wanted.is_empty() && address.is_none();
    };
    let mask = rest.to_vec();
    let parsed = Address::parse(word, (!mask.is_empty()).then_some(&mask[..]));
    parsed.is_ok_and(|it| it.0.same_as(address))
}

fn same_options(wanted: &[Vec<u8>], rule: &Rule) -> bool {
    let given: Vec<Vec<u8>> =
        rule.options.iter().map(|it| [&it.0[..], b"=", &it.1].concat()).collect();
    wanted.len() == given.len() && wanted.iter().all(|it| given.contains(it))
}
