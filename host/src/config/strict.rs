//! Checks tokens to the letter, before the lenient reader gets them.
//!
//! The places of errors are those that expat reports, and so Cedar Backup.

use std::ops::Range;

use super::flaw::{Flaw, Found};

pub(super) type Checked<T> = Result<T, Found>;

/// A place in a text, while a token is checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scanner<'t> {
    pub(super) text: &'t str,
    pub(super) offset: usize,
    /// Where the token begins.
    start: usize,
}

/// An attribute of a start tag: the ranges of its name and of its value.
#[derive(Debug, Clone)]
pub(super) struct RawAttribute {
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
}

/// A start tag.
#[derive(Debug)]
pub(super) struct StartTag {
    pub(super) name: Range<usize>,
    pub(super) attributes: Vec<RawAttribute>,
}

pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_name_start(c: char) -> bool {
    c == '_' || c.is_alphabetic()
}

fn is_name(c: char) -> bool {
    is_name_start(c)
        || c.is_alphanumeric()
        || matches!(c, '-' | '.' | '\u{b7}')
        || ('\u{300}'..='\u{36f}').contains(&c)
}

/// Tells whether XML has that character.
pub(super) fn is_character(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r') || c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}')
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t str, start: usize) -> Self {
        Self { text, offset: start, start }
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.text[self.offset..].chars().next()
    }

    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.offset..]
    }

    /// Returns the next character; the end of the text is an error.
    pub(super) fn need(&self) -> Checked<char> {
        self.peek().ok_or_else(|| Found::new(Flaw::Unclosed, self.start))
    }

    pub(super) fn invalid<T>(&self) -> Checked<T> {
        Err(Found::invalid(self.text, self.offset))
    }

    pub(super) fn step(&mut self, c: char) {
        self.offset += c.len_utf8();
    }

    /// Steps over one wanted character.
    pub(super) fn expect(&mut self, wanted: char) -> Checked<()> {
        if self.need()? != wanted {
            return self.invalid();
        }
        self.step(wanted);
        Ok(())
    }

    pub(super) fn skip_blanks(&mut self) -> Checked<()> {
        while is_blank(self.need()?) {
            self.offset += 1;
        }
        Ok(())
    }

    /// Reads a name, with one prefix at most.
    pub(super) fn name(&mut self) -> Checked<Range<usize>> {
        let start = self.offset;
        let mut prefixed = false;
        let c = self.need()?;
        if !is_name_start(c) {
            return self.invalid();
        }
        self.step(c);
        loop {
            let c = self.need()?;
            if c == ':' {
                if prefixed {
                    return self.invalid();
                }
                prefixed = true;
                self.offset += 1;
                if !is_name_start(self.need()?) {
                    return self.invalid();
                }
            } else if !is_name(c) {
                return Ok(start..self.offset);
            } else {
                self.step(c);
            }
        }
    }

    /// Checks a start tag after its `<`.
    pub(super) fn start_tag(&mut self) -> Checked<StartTag> {
        let name = self.name()?;
        let mut attributes = Vec::new();
        loop {
            let before = self.offset;
            self.skip_blanks()?;
            match self.need()? {
                '>' => break,
                '/' => {
                    self.offset += 1;
                    self.expect('>')?;
                    return Ok(StartTag { name, attributes });
                }
                c if is_name_start(c) && self.offset > before => {
                    attributes.push(self.attribute()?);
                }
                _ => return self.invalid(),
            }
        }
        self.offset += 1;
        Ok(StartTag { name, attributes })
    }

    fn attribute(&mut self) -> Checked<RawAttribute> {
        let name = self.name()?;
        self.skip_blanks()?;
        self.expect('=')?;
        self.skip_blanks()?;
        let quote = self.need()?;
        if !matches!(quote, '"' | '\'') {
            return self.invalid();
        }
        self.offset += 1;
        let start = self.offset;
        loop {
            match self.need()? {
                c if c == quote => break,
                '<' => return self.invalid(),
                '&' => {
                    self.reference()?;
                }
                c if !is_character(c) => return self.invalid(),
                c => self.step(c),
            }
        }
        let value = start..self.offset;
        self.offset += 1;
        Ok(RawAttribute { name, value })
    }

    /// Checks an end tag after its `</`, and returns its name.
    pub(super) fn end_tag(&mut self) -> Checked<Range<usize>> {
        let name = self.name()?;
        self.skip_blanks()?;
        self.expect('>')?;
        Ok(name)
    }

    /// Checks a reference at its `&`, and returns what is between that and the
    /// `;`.
    pub(super) fn reference(&mut self) -> Checked<Range<usize>> {
        let ampersand = self.offset;
        self.offset += 1;
        let start = self.offset;
        if self.need()? != '#' {
            let name = self.name()?;
            self.expect(';')?;
            return Ok(name);
        }
        self.offset += 1;
        let radix = if self.need()? == 'x' { 16 } else { 10 };
        self.offset += usize::from(radix == 16);
        let digits = self.offset;
        while self.need()?.is_digit(radix) {
            self.offset += 1;
        }
        if self.offset == digits {
            return self.invalid();
        }
        let end = self.offset;
        self.expect(';')?;
        let code = u32::from_str_radix(&self.text[digits..end], radix).ok();
        match code.and_then(char::from_u32).filter(|c| is_character(*c)) {
            Some(_) => Ok(start..end),
            None => Err(Found::new(Flaw::BadCharacterReference, ampersand)),
        }
    }

    /// Checks text up to the next tag or reference.
    pub(super) fn characters(&mut self) -> Checked<()> {
        while let Some(c) = self.peek() {
            if matches!(c, '<' | '&') {
                break;
            }
            if c == ']' && self.rest().starts_with("]]>") {
                self.offset += 2;
                return self.invalid();
            }
            if !is_character(c) {
                return self.invalid();
            }
            self.step(c);
        }
        Ok(())
    }

    /// Checks a comment after its `<!-`.
    pub(super) fn comment(&mut self) -> Checked<()> {
        self.expect('-')?;
        loop {
            let c = self.need()?;
            if !is_character(c) {
                return self.invalid();
            }
            self.step(c);
            if c != '-' || self.need()? != '-' {
                continue;
            }
            self.offset += 1;
            return self.expect('>');
        }
    }

    /// Checks a CDATA section after its `<![`.
    pub(super) fn cdata(&mut self) -> Checked<()> {
        for wanted in "CDATA[".chars() {
            self.expect(wanted)?;
        }
        loop {
            if self.rest().starts_with("]]>") {
                self.offset += 3;
                return Ok(());
            }
            match self.peek() {
                None => return Err(Found::new(Flaw::UnclosedCdata, self.offset)),
                Some(c) if !is_character(c) => return self.invalid(),
                Some(c) => self.step(c),
            }
        }
    }

    /// Checks a processing instruction after its `<?`.
    pub(super) fn instruction(&mut self) -> Checked<()> {
        let target = self.name()?;
        let target = &self.text[target];
        let declaration = target == "xml";
        if !declaration && target.eq_ignore_ascii_case("xml") || target.contains(':') {
            return self.invalid();
        }
        if self.need()? != '?' && !is_blank(self.need()?) {
            return self.invalid();
        }
        loop {
            let c = self.need()?;
            if !is_character(c) {
                return self.invalid();
            }
            self.step(c);
            if c == '?' && self.need()? == '>' {
                self.offset += 1;
                if declaration {
                    return Err(Found::new(Flaw::MisplacedDeclaration, self.start));
                }
                return Ok(());
            }
        }
    }
}
