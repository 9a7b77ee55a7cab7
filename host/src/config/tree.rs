//! Turns the text of a document into a tree of elements.

use std::ops::Range;

use hayloft_plugin_api::{Node, config::Attribute};
use quick_xml::{Reader, events::Event};

use super::{
    flaw::{Flaw, Found},
    position::Positions,
    prolog::{self, Entities, Entity, character},
    strict::{Checked, RawAttribute, Scanner, StartTag},
};

/// Bounds for hostile input, far above any configuration.
const DEEPEST: usize = 128;
const MOST_ELEMENTS: usize = 200_000;
const MOST_EXPANSION: usize = 1 << 20;

/// Reads a document.
pub(super) fn parse(text: &str) -> Checked<Node> {
    let (start, entities) = prolog::read(text)?;
    let mut builder = Builder {
        positions: Positions::new(text),
        entities: &entities,
        stack: Vec::new(),
        root: None,
        elements: 0,
        expanded: 0,
        expanding: Vec::new(),
    };
    let end = builder.content(text, start, None)?;
    prolog::check_rest(text, end)?;
    builder.root.ok_or_else(|| Found::new(Flaw::NoElement { open: None }, text.len()))
}

struct Builder<'t> {
    positions: Positions<'t>,
    entities: &'t Entities,
    stack: Vec<Open>,
    root: Option<Node>,
    elements: usize,
    expanded: usize,
    /// The names of the entities that are being expanded.
    expanding: Vec<String>,
}

/// An element that has not ended.
struct Open {
    node: Node,
    text: String,
    first_text: String,
    /// Whether the first piece of text has begun, and whether it has ended.
    first: Piece,
    /// Whether a visible character of text was seen.
    visible: bool,
    /// The prefixes that it declares.
    prefixes: Vec<String>,
    /// How many entities were being expanded where it began.
    within: usize,
}

#[derive(PartialEq)]
enum Piece {
    Awaited,
    Open,
    Ended,
}

/// A token that was checked.
enum Token {
    Start { tag: StartTag, empty: bool },
    End(Range<usize>),
    Reference(Range<usize>),
    Text,
    Cdata,
    Other,
}

fn token(text: &str, start: usize) -> Checked<(Token, usize)> {
    let mut scanner = Scanner::new(text, start);
    let token = match scanner.need()? {
        '&' => Token::Reference(scanner.reference()?),
        '<' => {
            scanner.offset += 1;
            markup(&mut scanner)?
        }
        _ => {
            scanner.characters()?;
            Token::Text
        }
    };
    Ok((token, scanner.offset))
}

fn markup(scanner: &mut Scanner<'_>) -> Checked<Token> {
    let token = match scanner.need()? {
        '/' => {
            scanner.offset += 1;
            Token::End(scanner.end_tag()?)
        }
        '?' => {
            scanner.offset += 1;
            scanner.instruction()?;
            Token::Other
        }
        '!' => {
            scanner.offset += 1;
            match scanner.need()? {
                '-' => {
                    scanner.offset += 1;
                    scanner.comment()?;
                    Token::Other
                }
                '[' => {
                    scanner.offset += 1;
                    scanner.cdata()?;
                    Token::Cdata
                }
                _ => return scanner.invalid(),
            }
        }
        _ => {
            let tag = scanner.start_tag()?;
            let empty = scanner.text[..scanner.offset].ends_with("/>");
            Token::Start { tag, empty }
        }
    };
    Ok(token)
}

impl Builder<'_> {
    /// Reads content: that of the document until its root ends, or all of an
    /// entity, which counts as being where its reference is. Returns where it
    /// ended.
    fn content(&mut self, text: &str, start: usize, place: Option<usize>) -> Checked<usize> {
        let depth = self.stack.len();
        let mut reader = Reader::from_str(&text[start..]);
        reader.config_mut().check_end_names = false;
        reader.config_mut().allow_unmatched_ends = true;
        let mut offset = start;
        loop {
            let here = place.unwrap_or(offset);
            let relocated = |it: Found| Found { offset: place.unwrap_or(it.offset), ..it };
            if offset == text.len() {
                return self.ended(depth, here, place.is_some()).map(|()| offset);
            }
            let (token, end) = token(text, offset).map_err(relocated)?;
            let event = reader.read_event().map_err(|_| Found::invalid(text, here))?;
            match (&token, event) {
                (Token::Start { tag, empty }, Event::Start(_) | Event::Empty(_)) => {
                    self.start(text, tag, place)?;
                    if *empty {
                        self.close();
                    }
                }
                (Token::End(name), Event::End(_)) => {
                    self.end(&text[name.clone()], place.unwrap_or(name.start))?;
                }
                (Token::Reference(name), Event::GeneralRef(_)) => {
                    self.reference(&text[name.clone()], here)?;
                }
                (Token::Text, Event::Text(it)) => {
                    self.text(&it.xml10_content(), here, place.is_some());
                }
                (Token::Cdata, Event::CData(it)) => {
                    self.interrupt();
                    let start = here + if place.is_some() { 0 } else { "<![CDATA[".len() };
                    self.cdata(&it.xml10_content(), start, place.is_some());
                }
                (Token::Other, Event::Comment(_) | Event::PI(_)) => self.interrupt(),
                _ => return Err(Found::invalid(text, here)),
            }
            offset = end;
            if self.stack.is_empty() && place.is_none() {
                return Ok(offset);
            }
        }
    }

    fn ended(&self, depth: usize, offset: usize, entity: bool) -> Checked<()> {
        if !entity {
            let open = self.stack.last().map(|it| it.node.name.to_string());
            return Err(Found::new(Flaw::NoElement { open }, offset));
        }
        if self.stack.len() != depth {
            return Err(Found::new(Flaw::AsyncEntity, offset));
        }
        Ok(())
    }

    fn start(&mut self, text: &str, tag: &StartTag, place: Option<usize>) -> Checked<()> {
        let at = |offset: usize| place.unwrap_or(offset);
        let tag_start = at(tag.name.start - 1);
        self.elements += 1;
        if self.elements > MOST_ELEMENTS {
            return Err(Found::new(Flaw::TooLarge, tag_start));
        }
        if self.stack.len() >= DEEPEST {
            return Err(Found::new(Flaw::TooDeep { limit: DEEPEST }, tag_start));
        }
        let mut node = Node::empty(&text[tag.name.clone()], self.positions.at(at(tag.name.start)));
        let mut prefixes = Vec::new();
        for RawAttribute { name, value } in &tag.attributes {
            let key = &text[name.clone()];
            if node.attributes.iter().any(|it| it.name == key) {
                let flaw = Flaw::DuplicateAttribute { name: key.to_owned() };
                return Err(Found::new(flaw, at(name.start)));
            }
            if let Some(prefix) = key.strip_prefix("xmlns:") {
                prefixes.push(prefix.to_owned());
            }
            let value_text = self.attribute(&text[value.clone()], tag_start)?;
            node.attributes.push(Attribute {
                name: key.into(),
                value: value_text.into(),
                position: self.positions.at(at(value.start)),
            });
        }
        self.interrupt();
        self.stack.push(Open {
            node,
            text: String::new(),
            first_text: String::new(),
            first: Piece::Awaited,
            visible: false,
            prefixes,
            within: self.expanding.len(),
        });
        let names = tag.attributes.iter().map(|it| &it.name).chain([&tag.name]);
        for name in names {
            self.check_prefix(&text[name.clone()], tag_start)?;
        }
        Ok(())
    }

    fn check_prefix(&self, name: &str, offset: usize) -> Checked<()> {
        let Some((prefix, _)) = name.split_once(':') else { return Ok(()) };
        let declared = self.stack.iter().any(|it| it.prefixes.iter().any(|it| it == prefix));
        if declared || matches!(prefix, "xml" | "xmlns") {
            return Ok(());
        }
        Err(Found::new(Flaw::UnboundPrefix { prefix: prefix.to_owned() }, offset))
    }

    fn end(&mut self, name: &str, offset: usize) -> Checked<()> {
        match self.stack.last() {
            Some(open) if open.within != self.expanding.len() => {
                Err(Found::new(Flaw::AsyncEntity, offset))
            }
            Some(open) if open.node.name != name => {
                let open = open.node.name.to_string();
                Err(Found::new(Flaw::Mismatched { open, found: name.to_owned() }, offset))
            }
            Some(_) => {
                self.close();
                Ok(())
            }
            None => Err(Found::new(Flaw::AsyncEntity, offset)),
        }
    }

    fn close(&mut self) {
        let Some(open) = self.stack.pop() else { return };
        let mut node = open.node;
        node.text = open.text.into();
        node.first_text = open.first_text.into();
        match self.stack.last_mut() {
            Some(parent) => parent.node.children.push(node),
            None => self.root = Some(node),
        }
    }

    /// Something ends the first piece of text.
    fn interrupt(&mut self) {
        if let Some(open) = self.stack.last_mut()
            && open.first == Piece::Open
        {
            open.first = Piece::Ended;
        }
    }

    fn text(&mut self, text: &str, offset: usize, fixed: bool) {
        if let Some(open) = self.stack.last_mut()
            && open.first != Piece::Ended
        {
            open.first = Piece::Open;
            open.first_text.push_str(text);
        }
        self.cdata(text, offset, fixed);
    }

    /// Adds text that Cedar Backup does not see. `fixed` text is all in one
    /// place.
    fn cdata(&mut self, text: &str, offset: usize, fixed: bool) {
        let Some(open) = self.stack.last_mut() else { return };
        let blanks = text.len() - text.trim_start().len();
        let visible = blanks < text.len();
        if !open.visible && (visible || open.text.is_empty()) && !text.is_empty() {
            // Line ends may be shorter here than in the file, so a blank is
            // looked for there.
            let shift = if visible && !fixed { self.positions.blanks(offset) } else { 0 };
            open.node.text_position = self.positions.at(offset + shift);
        }
        open.visible |= visible;
        open.text.push_str(text);
    }

    fn reference(&mut self, name: &str, offset: usize) -> Checked<()> {
        let known = character(name).or_else(|| predefined(name));
        if let Some(c) = known {
            self.text(c.encode_utf8(&mut [0; 4]), offset, true);
            return Ok(());
        }
        if let Some(text) = self.entity(name, offset)? {
            self.expanding.push(name.to_owned());
            self.content(&text, 0, Some(offset))?;
            self.expanding.pop();
        }
        Ok(())
    }

    /// Returns the text of an entity; none if it is nothing that we have.
    fn entity(&mut self, name: &str, offset: usize) -> Checked<Option<String>> {
        let named = || name.to_owned();
        let text = match self.entities.get(name) {
            Some(Entity::Internal(text)) => text.clone(),
            Some(Entity::External) => return Ok(None),
            None if self.entities.more_elsewhere => return Ok(None),
            None => return Err(Found::new(Flaw::UndefinedEntity { name: named() }, offset)),
        };
        if self.expanding.iter().any(|it| it == name) {
            return Err(Found::new(Flaw::RecursiveEntity { name: named() }, offset));
        }
        self.expanded = self.expanded.saturating_add(text.len());
        if self.expanded > MOST_EXPANSION || self.expanding.len() >= DEEPEST {
            return Err(Found::new(Flaw::TooMuchExpansion, offset));
        }
        Ok(Some(text))
    }

    /// Resolves the references in the value of an attribute.
    fn attribute(&mut self, raw: &str, offset: usize) -> Checked<String> {
        let mut value = String::new();
        let mut rest = raw;
        while let Some((before, after)) = rest.split_once('&') {
            value.push_str(before);
            let (name, after) = after.split_once(';').unwrap_or((after, ""));
            rest = after;
            if let Some(c) = character(name).or_else(|| predefined(name)) {
                value.push(c);
            } else if let Some(text) = self.entity(name, offset)? {
                self.expanding.push(name.to_owned());
                let inner = self.attribute(&text, offset)?;
                self.expanding.pop();
                value.push_str(&inner);
            }
        }
        value.push_str(rest);
        Ok(value)
    }
}

fn predefined(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}
