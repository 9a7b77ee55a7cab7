//! The XML declaration, `<?xml version="1.0"?>`.

use crate::config::{
    flaw::{Flaw, Found},
    strict::{Checked, Scanner, is_blank, is_character},
};

/// Checks a declaration at the very beginning, and returns its end. What it
/// says about the encoding is ignored.
pub(super) fn check(text: &str, start: usize) -> Checked<Option<usize>> {
    let Some(rest) = text[start..].strip_prefix("<?xml") else { return Ok(None) };
    if !rest.starts_with(|c| is_blank(c) || c == '?') {
        return Ok(None);
    }
    let mut scanner = Scanner::new(text, start);
    scanner.offset += "<?xml".len();
    while !scanner.rest().starts_with("?>") {
        let c = scanner.need()?;
        if !is_character(c) {
            return scanner.invalid();
        }
        scanner.step(c);
    }
    let mut fields = Fields { text: &text[..scanner.offset], offset: start + "<?xml".len() };
    fields.check()?;
    Ok(Some(scanner.offset + "?>".len()))
}

struct Fields<'t> {
    /// Up to the end of the declaration.
    text: &'t str,
    offset: usize,
}

/// Where a name and a value begin, and what they are.
struct Field<'t> {
    name: (usize, &'t str),
    value: (usize, &'t str),
}

fn bad<T>(offset: usize) -> Checked<T> {
    Err(Found::new(Flaw::BadDeclaration, offset))
}

impl<'t> Fields<'t> {
    fn check(&mut self) -> Checked<()> {
        let Some(version) = self.next()? else { return bad(self.offset) };
        if version.name.1 != "version" {
            return bad(version.name.0);
        }
        let Some(mut field) = self.next()? else { return Ok(()) };
        if field.name.1 == "encoding" {
            if !field.value.1.starts_with(|c: char| c.is_ascii_alphabetic()) {
                return bad(field.value.0);
            }
            let Some(next) = self.next()? else { return Ok(()) };
            field = next;
        }
        if field.name.1 != "standalone" {
            return bad(field.name.0);
        }
        if !matches!(field.value.1, "yes" | "no") {
            return bad(field.value.0);
        }
        self.skip_blanks();
        if self.offset < self.text.len() { bad(self.offset) } else { Ok(()) }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.offset..].chars().next()
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(is_blank) {
            self.offset += 1;
        }
    }

    /// Steps over characters, and returns them with their place.
    fn take(&mut self, wanted: impl Fn(char) -> bool) -> (usize, &'t str) {
        let start = self.offset;
        while let Some(c) = self.peek().filter(|c| wanted(*c)) {
            self.offset += c.len_utf8();
        }
        (start, &self.text[start..self.offset])
    }

    fn next(&mut self) -> Checked<Option<Field<'t>>> {
        if self.offset == self.text.len() {
            return Ok(None);
        }
        if !self.peek().is_some_and(is_blank) {
            return bad(self.offset);
        }
        self.skip_blanks();
        if self.offset == self.text.len() {
            return Ok(None);
        }
        let name = self.take(|c| c.is_ascii() && c != '=' && !is_blank(c));
        self.skip_blanks();
        if name.1.is_empty() || self.peek() != Some('=') {
            return bad(self.offset);
        }
        self.offset += 1;
        self.skip_blanks();
        let Some(quote) = self.peek().filter(|c| matches!(c, '"' | '\'')) else {
            return bad(self.offset);
        };
        self.offset += 1;
        let value = self.take(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
        if self.peek() != Some(quote) {
            return bad(self.offset);
        }
        self.offset += 1;
        Ok(Some(Field { name, value }))
    }
}
