//! What comes before the root element, and after it.

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
    if let Some(end) = declaration(text, offset)? {
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
        match thing(&mut scanner)? {
            Thing::Nothing => offset = scanner.offset,
            Thing::End => return Ok(()),
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
            if !scanner.need()?.is_ascii_alphabetic() {
                return scanner.invalid();
            }
            let name = scanner.name()?;
            let doctype = &scanner.text[name] == "DOCTYPE" && is_blank(scanner.need()?);
            Ok(if doctype { Thing::Doctype } else { Thing::Other })
        }
        c if c == '_' || c.is_alphabetic() => Ok(Thing::Element),
        _ => scanner.invalid(),
    }
}

/// Text outside of elements. A word is a token of its own that is merely
/// misplaced, unless it ends in an impossible way.
fn other(scanner: &mut Scanner<'_>, c: char) -> Checked<Thing> {
    if c.is_alphanumeric() || matches!(c, '_' | '-' | '.') {
        while let Some(c) = scanner.peek() {
            if matches!(c, '>' | ')' | ',' | '|' | '[' | '%' | '+' | '*' | '?') || is_blank(c) {
                return Ok(Thing::Other);
            }
            if !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':')) {
                return scanner.invalid();
            }
            scanner.step(c);
        }
        return Ok(Thing::Other);
    }
    if matches!(c, '>' | '(' | ',' | '|' | '[' | '#') {
        return Ok(Thing::Other);
    }
    scanner.invalid()
}

/// Checks an XML declaration at the very beginning, and returns its end. What
/// it says about the encoding is ignored.
fn declaration(text: &str, start: usize) -> Checked<Option<usize>> {
    let Some(rest) = text[start..].strip_prefix("<?xml") else { return Ok(None) };
    if !rest.starts_with(is_blank) {
        return Ok(None);
    }
    let Some(end) = rest.find("?>") else { return Err(Found::new(Flaw::Unclosed, start)) };
    let bad = || Found::new(Flaw::BadDeclaration, start);
    let mut left = rest[..end].trim_matches(is_blank);
    let mut allowed: &[&str] = &["version", "encoding", "standalone"];
    while !left.is_empty() {
        let (name, value) = left.split_once('=').ok_or_else(bad)?;
        let name = name.trim_matches(is_blank);
        let place = allowed.iter().position(|it| *it == name).ok_or_else(bad)?;
        // The version comes first, and must be there.
        if allowed.len() == 3 && place != 0 {
            return Err(bad());
        }
        allowed = &allowed[place + 1..];
        let value = value.trim_start_matches(is_blank);
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or_else(bad)?;
        let (_, after) = value[1..].split_once(quote).ok_or_else(bad)?;
        left = after.trim_start_matches(is_blank);
        if after.len() == left.len() && !left.is_empty() {
            return Err(bad());
        }
    }
    if allowed.len() == 3 {
        return Err(bad());
    }
    Ok(Some(start + "<?xml".len() + end + "?>".len()))
}
