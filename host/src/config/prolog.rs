//! What comes before the root element, and after it.

mod declaration;
mod doctype;

use super::{
    flaw::{Flaw, Found},
    strict::{Checked, Scanner, is_blank},
};

pub(super) use self::doctype::{Entities, Entity, character};

/// Reads everything before the root element, and returns where that begins.
pub(super) fn read(text: &str) -> Checked<(usize, Entities)> {
    let mut offset = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut entities = Entities::default();
    let mut doctype = false;
    if let Some(end) = declaration::check(text, offset)? {
        offset = end;
    }
    loop {
        let mut scanner = Scanner::new(text, offset);
        match thing(&mut scanner)? {
            Thing::Nothing => offset = scanner.offset,
            Thing::Element => return Ok((offset, entities)),
            Thing::Doctype if !doctype => {
                entities = doctype::read(&mut scanner)?;
                doctype = true;
                offset = scanner.offset;
            }
            Thing::Doctype | Thing::Other => return Err(Found::new(Flaw::Syntax, offset)),
            Thing::End => return Err(Found::new(Flaw::NoElement { open: None }, text.len())),
        }
    }
}

/// Checks everything after the root element.
pub(super) fn check_rest(text: &str, mut offset: usize) -> Checked<()> {
    loop {
        let mut scanner = Scanner::new(text, offset);
        match thing(&mut scanner) {
            Ok(Thing::Nothing) => offset = scanner.offset,
            Ok(Thing::End) => return Ok(()),
            Err(found) if found.flaw != Flaw::MisplacedDeclaration => return Err(found),
            _ => return Err(Found::new(Flaw::Junk, offset)),
        }
    }
}

enum Thing {
    /// Blanks, a comment or an instruction, stepped over.
    Nothing,
    /// A start tag begins here.
    Element,
    /// A document type; the scanner is behind `<!DOCTYPE`.
    Doctype,
    /// Something that belongs elsewhere.
    Other,
    /// The end of the text.
    End,
}

fn thing(scanner: &mut Scanner<'_>) -> Checked<Thing> {
    let Some(c) = scanner.peek() else { return Ok(Thing::End) };
    if is_blank(c) {
        scanner.offset += 1;
        return Ok(Thing::Nothing);
    }
    if c != '<' {
        return other(scanner, c);
    }
    scanner.offset += 1;
    match scanner.need()? {
        '?' => {
            scanner.offset += 1;
            scanner.instruction().map(|()| Thing::Nothing)
        }
        '!' => {
            scanner.offset += 1;
            if scanner.need()? == '-' {
                scanner.offset += 1;
                return scanner.comment().map(|()| Thing::Nothing);
            }
            keyword(scanner)
        }
        c if c == '_' || c.is_alphabetic() => Ok(Thing::Element),
        _ => scanner.invalid(),
    }
}

/// Reads what follows `<!`.
fn keyword(scanner: &mut Scanner<'_>) -> Checked<Thing> {
    if scanner.need()? == '[' {
        return Ok(Thing::Other);
    }
    let start = scanner.offset;
    while scanner.need()?.is_alphabetic() {
        let c = scanner.need()?;
        scanner.step(c);
    }
    if scanner.offset == start || !is_blank(scanner.need()?) {
        return scanner.invalid();
    }
    let doctype = &scanner.text[start..scanner.offset] == "DOCTYPE";
    Ok(if doctype { Thing::Doctype } else { Thing::Other })
}

/// Text outside of elements. A word or a quoted text is a token of its own
/// that is merely misplaced, unless it ends in an impossible way.
fn other(scanner: &mut Scanner<'_>, c: char) -> Checked<Thing> {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    if matches!(c, '"' | '\'') {
        doctype::literal(scanner)?;
        return match scanner.peek() {
            None | Some('>' | '%' | '[') => Ok(Thing::Other),
            Some(c) if is_blank(c) => Ok(Thing::Other),
            _ => scanner.invalid(),
        };
    }
    if is_word(c) && c != ':' {
        while let Some(c) = scanner.peek() {
            if matches!(c, '>' | ')' | ',' | '|' | '[' | '%' | '+' | '*' | '?') || is_blank(c) {
                return Ok(Thing::Other);
            }
            if !is_word(c) {
                return scanner.invalid();
            }
            scanner.step(c);
        }
        return Ok(Thing::Other);
    }
    if matches!(c, '>' | '(' | ',' | '|' | '[' | ']' | '#') {
        return Ok(Thing::Other);
    }
    scanner.invalid()
}
