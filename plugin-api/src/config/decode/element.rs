//! The serde deserializer over elements.

mod access;

use std::str::FromStr;

use serde::de::{Deserializer, IntoDeserializer, Visitor, value::StrDeserializer};

use self::access::{Items, Members, Variant};
use super::{
    State,
    failure::{Failure, Place},
    pretend::Pretend,
};
use crate::config::{Attribute, Node, Position};

/// What is to be decoded.
#[derive(Debug, Clone)]
pub(super) enum Content<'a> {
    /// An element.
    One(&'a Node),
    /// All elements of one name within their parent, at least one.
    Many(Vec<&'a Node>),
    /// The text of an element as its `$text` field.
    Text(&'a Node),
    /// An attribute.
    Attribute(&'a Attribute),
    /// A field that is missing, in a later attempt.
    Missing,
}

#[derive(Debug, Clone)]
pub(super) struct Element<'a, 's> {
    content: Content<'a>,
    path: String,
    state: &'s State,
}

impl<'a, 's> Element<'a, 's> {
    pub(super) fn new(content: Content<'a>, path: impl Into<String>, state: &'s State) -> Self {
        Self { content, path: path.into(), state }
    }

    fn place(&self) -> Option<Place> {
        match &self.content {
            Content::One(node) | Content::Text(node) => Some(Place::node(node)),
            Content::Many(nodes) => nodes.first().map(|node| Place::node(node)),
            Content::Attribute(attribute) => Some(Place::attribute(attribute)),
            Content::Missing => None,
        }
    }

    fn is_pretended(&self) -> bool {
        self.place().is_none_or(|place| self.state.pretends(&place))
    }

    fn text(&self) -> &'a str {
        match &self.content {
            Content::One(node) | Content::Text(node) => node.text.as_str().trim(),
            Content::Many(nodes) => nodes.first().map_or("", |node| node.text.as_str().trim()),
            Content::Attribute(attribute) => attribute.value.as_str().trim(),
            Content::Missing => "",
        }
    }

    fn position(&self) -> Position {
        let of_node = |node: &Node| {
            if node.text.trim().is_empty() { node.position } else { node.text_position }
        };
        match &self.content {
            Content::One(node) | Content::Text(node) => of_node(node),
            Content::Many(nodes) => nodes.first().map_or_else(Position::default, |it| of_node(it)),
            Content::Attribute(attribute) => attribute.position,
            Content::Missing => Position::default(),
        }
    }

    fn located(&self, failure: Failure) -> Failure {
        match self.place() {
            Some(place) => failure.at(place, self.position(), &self.path),
            None => failure,
        }
    }

    /// Returns the one element that there is, if it is an element.
    fn single(&self) -> Result<Option<&'a Node>, Failure> {
        let nodes = match &self.content {
            Content::One(node) | Content::Text(node) => return Ok(Some(node)),
            Content::Many(nodes) => nodes,
            Content::Attribute(_) | Content::Missing => return Ok(None),
        };
        let mut nodes = nodes
            .iter()
            .enumerate()
            .filter(|(i, it)| *i == 0 || !self.state.pretends(&Place::node(it)));
        let first = nodes.next().map(|(_, node)| *node);
        if let (Some(first), Some((_, second))) = (first, nodes.next()) {
            let message = format!("<{}> is given more than once", second.name);
            return Err(Failure::new(message)
                .help(format!("the first one is in line {}", first.position.line))
                .at(Place::node(second), second.position, &self.path));
        }
        Ok(first)
    }

    /// Text is wanted: there may be no elements inside.
    fn plain(&self) -> Result<&'a str, Failure> {
        if let (Some(node), true) = (self.single()?, !matches!(self.content, Content::Text(_)))
            && let Some(child) = node.children.first()
        {
            return Err(Failure::new(format!("<{}> takes text, not elements", node.name)).at(
                Place::node(node),
                child.position,
                &self.path,
            ));
        }
        Ok(self.text())
    }

    fn number<T: FromStr>(&self, what: &str) -> Result<T, Failure> {
        let text = self.plain()?;
        text.parse().map_err(|_| self.located(Failure::new(format!("`{text}` is not {what}"))))
    }

    fn is_blank(&self) -> bool {
        match &self.content {
            Content::One(node) => is_blank(node),
            Content::Many(nodes) => nodes.len() == 1 && nodes.iter().all(|node| is_blank(node)),
            Content::Text(_) | Content::Attribute(_) => self.text().is_empty(),
            Content::Missing => true,
        }
    }
}

fn is_blank(node: &Node) -> bool {
    node.children.is_empty() && node.attributes.is_empty() && node.text.trim().is_empty()
}

macro_rules! numbers {
    ($($method:ident $visit:ident $what:expr),* $(,)?) => { $(
        fn $method<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Failure> {
            if self.is_pretended() {
                return Pretend.$method(visitor);
            }
            visitor.$visit(self.number(&$what)?).map_err(|it| self.located(it))
        }
    )* };
}

macro_rules! same_as {
    ($($method:ident => $target:ident),* $(,)?) => { $(
        fn $method<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Failure> {
            self.$target(visitor)
        }
    )* };
}

fn whole(least: impl std::fmt::Display, most: impl std::fmt::Display) -> String {
    format!("a whole number from {least} to {most}")
}

impl<'a> Deserializer<'a> for Element<'a, '_> {
    type Error = Failure;

    numbers! {
        deserialize_i8 visit_i8 whole(i8::MIN, i8::MAX),
        deserialize_i16 visit_i16 whole(i16::MIN, i16::MAX),
        deserialize_i32 visit_i32 whole(i32::MIN, i32::MAX),
        deserialize_i64 visit_i64 whole(i64::MIN, i64::MAX),
        deserialize_i128 visit_i128 whole(i128::MIN, i128::MAX),
        deserialize_u8 visit_u8 whole(0, u8::MAX),
        deserialize_u16 visit_u16 whole(0, u16::MAX),
        deserialize_u32 visit_u32 whole(0, u32::MAX),
        deserialize_u64 visit_u64 whole(0, u64::MAX),
        deserialize_u128 visit_u128 whole(0, u128::MAX),
        deserialize_f32 visit_f32 "a number",
        deserialize_f64 visit_f64 "a number",
        deserialize_char visit_char "a single character",
    }

    same_as! {
        deserialize_string => deserialize_str,
        deserialize_identifier => deserialize_str,
        deserialize_bytes => deserialize_str,
        deserialize_byte_buf => deserialize_str,
    }

    fn deserialize_bool<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.is_pretended() {
            return Pretend.deserialize_bool(visitor);
        }
        let text = self.plain()?;
        let value = match text.to_ascii_lowercase().as_str() {
            "y" | "true" | "yes" | "on" | "1" => true,
            "n" | "false" | "no" | "off" | "0" => false,
            _ => return Err(self.located(Failure::new(format!("`{text}` is neither Y nor N")))),
        };
        visitor.visit_bool(value).map_err(|it| self.located(it))
    }

    fn deserialize_str<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.is_pretended() {
            return Pretend.deserialize_str(visitor);
        }
        visitor.visit_borrowed_str(self.plain()?).map_err(|it| self.located(it))
    }

    /// Reached by types without a fixed shape only.
    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.content {
            Content::Many(nodes) if nodes.len() > 1 => self.deserialize_seq(visitor),
            Content::One(node) if !node.children.is_empty() => self.deserialize_map(visitor),
            Content::Many(nodes) if nodes.iter().any(|it| !it.children.is_empty()) => {
                self.deserialize_map(visitor)
            }
            _ => self.deserialize_str(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.is_pretended() || self.is_blank() {
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.is_pretended() {
            return visitor.visit_unit();
        }
        if let Some(node) = self.single()? {
            for child in &node.children {
                self.state.unknown(child, &format!("{}/{}", self.path, child.name), &[]);
            }
        }
        visitor.visit_unit().map_err(|it| self.located(it))
    }

    fn deserialize_unit_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self.clone()).map_err(|it| self.located(it))
    }

    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Failure> {
        let Self { content, path, state } = self;
        let contents: Vec<_> = match content {
            Content::Many(nodes) => nodes.into_iter().map(Content::One).collect(),
            Content::Missing => return Pretend.deserialize_seq(visitor),
            one => vec![one],
        };
        let elements: Vec<_> =
            contents.into_iter().map(|it| Element::new(it, path.clone(), state)).collect();
        visitor.visit_seq(Items(elements.into_iter()))
    }

    fn deserialize_tuple<V: Visitor<'a>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if self.is_pretended() {
            return Pretend.deserialize_tuple(length, visitor);
        }
        self.clone().deserialize_seq(visitor).map_err(|it| self.located(it))
    }

    fn deserialize_tuple_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.members(None, visitor)
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if self.is_pretended() {
            return Pretend.deserialize_struct("", fields, visitor);
        }
        self.members(Some(fields), visitor)
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if self.is_pretended() {
            return Pretend.deserialize_enum("", variants, visitor);
        }
        let variant =
            match self.single()?.map(|node| (node, node.children.as_slice())) {
                Some((_, [child])) => Variant::element(&self, child),
                Some((node, [_, second, ..])) => {
                    return Err(Failure::new(format!("<{}> takes one element only", node.name))
                        .at(Place::node(node), second.position, &self.path));
                }
                _ => Variant::text(&self),
            };
        visitor.visit_enum(variant).map_err(|it| self.located(it))
    }

    /// An element, attribute or text that no field of the type takes.
    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }
}

impl<'a> Element<'a, '_> {
    fn members<V: Visitor<'a>>(
        self,
        fields: Option<&'static [&'static str]>,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if self.is_pretended() {
            return Pretend.deserialize_map(visitor);
        }
        let Some(node) = self.single()? else {
            return Err(self.located(Failure::new("an element is needed here, not an attribute")));
        };
        let members = Members::new(node, &self.path, fields, self.state);
        visitor.visit_map(members).map_err(|it| it.within(node, &self.path))
    }
}

impl<'a> IntoDeserializer<'a, Failure> for Element<'a, '_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

fn key(name: &str) -> StrDeserializer<'_, Failure> {
    name.into_deserializer()
}
