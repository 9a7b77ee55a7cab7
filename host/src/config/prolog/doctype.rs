//! The document type: only its entities are of interest.

use std::{collections::HashMap, ops::Range};

use crate::config::{
    flaw::{Flaw, Found},
    strict::{Checked, Scanner, is_blank, is_character},
};

/// The entities that a document declares.
#[derive(Debug, Default)]
pub(in crate::config) struct Entities {
    known: HashMap<String, Entity>,
    /// Whether there are declarations elsewhere, which are never fetched: an
    /// unknown entity may be one of them, and stands for nothing.
    pub(in crate::config) more_elsewhere: bool,
}

/// An entity.
#[derive(Debug, Clone)]
pub(in crate::config) enum Entity {
    /// Its text, to be read as content.
    Internal(String),
    /// Something outside of the document, which is never fetched.
    External,
}

impl Entities {
    pub(in crate::config) fn get(&self, name: &str) -> Option<&Entity> {
        self.known.get(name)
    }
}

/// Reads a document type behind `<!DOCTYPE`.
pub(super) fn read(scanner: &mut Scanner<'_>) -> Checked<Entities> {
    let mut entities = Entities::default();
    scanner.skip_blanks()?;
    scanner.name()?;
    scanner.skip_blanks()?;
    if external_id(scanner)?.is_some() {
        entities.more_elsewhere = true;
        scanner.skip_blanks()?;
    }
    if scanner.need()? == '[' {
        scanner.offset += 1;
        subset(scanner, &mut entities)?;
        scanner.skip_blanks()?;
    }
    syntax(scanner, '>')?;
    Ok(entities)
}

/// What is not as the grammar wants it is a syntax error there.
fn syntax(scanner: &mut Scanner<'_>, wanted: char) -> Checked<()> {
    let offset = scanner.offset;
    scanner.expect(wanted).map_err(|it| match it.flaw {
        Flaw::InvalidToken { .. } => Found::new(Flaw::Syntax, offset),
        _ => it,
    })
}

fn external_id(scanner: &mut Scanner<'_>) -> Checked<Option<()>> {
    let literals = match scanner.rest() {
        rest if rest.starts_with("SYSTEM") => 1,
        rest if rest.starts_with("PUBLIC") => 2,
        _ => return Ok(None),
    };
    scanner.offset += "SYSTEM".len();
    for _ in 0..literals {
        scanner.skip_blanks()?;
        literal(scanner)?;
    }
    Ok(Some(()))
}

/// Reads a quoted text.
pub(super) fn literal(scanner: &mut Scanner<'_>) -> Checked<Range<usize>> {
    let quote = scanner.need()?;
    if !matches!(quote, '"' | '\'') {
        return Err(Found::new(Flaw::Syntax, scanner.offset));
    }
    scanner.offset += 1;
    let start = scanner.offset;
    loop {
        let c = scanner.need()?;
        if c == quote {
            break;
        }
        if !is_character(c) {
            return scanner.invalid();
        }
        scanner.step(c);
    }
    let range = start..scanner.offset;
    scanner.offset += 1;
    Ok(range)
}

fn subset(scanner: &mut Scanner<'_>, entities: &mut Entities) -> Checked<()> {
    loop {
        scanner.skip_blanks()?;
        let start = scanner.offset;
        match scanner.need()? {
            ']' if scanner.rest().starts_with("]]>") => {
                return Err(Found::new(Flaw::Syntax, start));
            }
            ']' => {
                scanner.offset += 1;
                return Ok(());
            }
            '%' => {
                scanner.offset += 1;
                scanner.name()?;
                scanner.expect(';')?;
                entities.more_elsewhere = true;
            }
            '<' => {
                let mut token = Scanner::new(scanner.text, start);
                token.offset += 1;
                declaration(&mut token, entities)?;
                scanner.offset = token.offset;
            }
            c => {
                super::other(&mut Scanner::new(scanner.text, start), c)?;
                return Err(Found::new(Flaw::Syntax, start));
            }
        }
    }
}

fn declaration(scanner: &mut Scanner<'_>, entities: &mut Entities) -> Checked<()> {
    match scanner.need()? {
        '?' => {
            scanner.offset += 1;
            scanner.instruction()
        }
        '!' => {
            scanner.offset += 1;
            if scanner.need()? == '-' {
                scanner.offset += 1;
                return scanner.comment();
            }
            let start = scanner.offset;
            let name = scanner.name()?;
            match &scanner.text[name] {
                "ENTITY" => entity(scanner, entities),
                "ELEMENT" | "ATTLIST" | "NOTATION" => skip(scanner),
                _ => Err(Found::new(Flaw::Syntax, start - "<!".len())),
            }
        }
        c if c == '_' || c.is_alphabetic() => Err(Found::new(Flaw::Syntax, scanner.offset - 1)),
        _ => scanner.invalid(),
    }
}

/// Steps over a declaration that is of no interest.
fn skip(scanner: &mut Scanner<'_>) -> Checked<()> {
    loop {
        match scanner.need()? {
            '>' => {
                scanner.offset += 1;
                return Ok(());
            }
            '"' | '\'' => {
                literal(scanner)?;
            }
            c if !is_character(c) || c == '<' => return scanner.invalid(),
            c => scanner.step(c),
        }
    }
}

fn entity(scanner: &mut Scanner<'_>, entities: &mut Entities) -> Checked<()> {
    if !is_blank(scanner.need()?) {
        return scanner.invalid();
    }
    scanner.skip_blanks()?;
    let parameter = scanner.need()? == '%';
    if parameter {
        scanner.offset += 1;
        scanner.skip_blanks()?;
    }
    let name = scanner.name()?;
    let name = scanner.text[name].to_owned();
    scanner.skip_blanks()?;
    let entity = if external_id(scanner)?.is_some() {
        skip(scanner)?;
        Entity::External
    } else {
        let range = literal(scanner)?;
        let text = value(scanner.text, range)?;
        scanner.skip_blanks()?;
        syntax(scanner, '>')?;
        Entity::Internal(text)
    };
    // The first declaration counts.
    if !parameter {
        entities.known.entry(name).or_insert(entity);
    }
    Ok(())
}

/// Resolves the references to characters in the value of an entity; other
/// references stay for when it is used.
fn value(text: &str, range: Range<usize>) -> Checked<String> {
    let mut value = String::new();
    let mut scanner = Scanner::new(text, range.start);
    while scanner.offset < range.end {
        let Some(c) = scanner.peek() else { break };
        if c != '&' {
            value.push(c);
            scanner.step(c);
            continue;
        }
        let start = scanner.offset;
        let reference = scanner.reference().map_err(|it| Found { offset: start, ..it })?;
        match character(&text[reference.clone()]) {
            // A `<` or `&` made in this way is markup again when it is used.
            Some(c) => value.push(c),
            None => value.push_str(&text[start..scanner.offset]),
        }
    }
    Ok(value)
}

/// Returns the character that `#233` or `#xe9` stands for.
pub(in crate::config) fn character(reference: &str) -> Option<char> {
    let digits = reference.strip_prefix('#')?;
    let code = match digits.strip_prefix('x') {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => digits.parse(),
    };
    code.ok().and_then(char::from_u32)
}
