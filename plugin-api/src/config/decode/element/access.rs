//! The fields of an element, and the variants of an enumeration.

use serde::de::{self, Visitor};

use super::{Content, Element, key};
use crate::config::{
    Diagnostic, Node, Position,
    decode::{
        State,
        failure::{Failure, Place},
    },
    nearest,
};

/// The attributes, child elements and text of an element, as a map.
pub(super) struct Members<'a, 'p> {
    entries: std::vec::IntoIter<(String, Content<'a>)>,
    current: Option<(String, Content<'a>)>,
    node: &'a Node,
    path: &'p str,
    fields: Option<&'static [&'static str]>,
    state: &'p State,
}

impl<'a, 'p> Members<'a, 'p> {
    pub(super) fn new(
        node: &'a Node,
        path: &'p str,
        fields: Option<&'static [&'static str]>,
        state: &'p State,
    ) -> Self {
        let mut entries: Vec<(String, Content<'a>)> = Vec::new();
        for attribute in &node.attributes {
            if attribute.name != "xmlns" && !attribute.name.starts_with("xml") {
                entries.push((format!("@{}", attribute.name), Content::Attribute(attribute)));
            }
        }
        let left_out = state.left_out.borrow();
        for child in node.children.iter().filter(|it| !left_out.contains(&Place::node(it))) {
            let same = entries.iter_mut().find(|(name, _)| *name == child.name.as_str());
            match same {
                Some((_, Content::Many(nodes))) => nodes.push(child),
                _ => entries.push((child.name.to_string(), Content::Many(vec![child]))),
            }
        }
        if !node.text.trim().is_empty() {
            if fields.is_none_or(|it| it.contains(&"$text")) {
                entries.push(("$text".to_owned(), Content::Text(node)));
            } else {
                state.stray(node, path);
            }
        }
        for field in fields.unwrap_or_default() {
            if state.pretends(&Place::missing(node, field)) {
                entries.push(((*field).to_owned(), Content::Missing));
            }
        }
        Self { entries: entries.into_iter(), current: None, node, path, fields, state }
    }

    /// Warns of what the type does not take. A map takes everything.
    fn warn(&self, name: &str, content: &Content<'_>) {
        let Some(fields) = self.fields else { return };
        if fields.contains(&name) {
            return;
        }
        match content {
            Content::Many(nodes) => {
                for node in nodes {
                    self.state.unknown(node, &format!("{}/{name}", self.path), fields);
                }
            }
            Content::Attribute(attribute) => {
                if !self.state.warned.borrow_mut().insert(Place::attribute(attribute)) {
                    return;
                }
                let path = format!("{}/{name}", self.path);
                let message = format!("unknown attribute {}", attribute.name);
                let mut warning = Diagnostic::warning(attribute.position, path, message);
                if let Some(known) = nearest(name, fields.iter().copied()) {
                    warning = warning.help(format!("did you mean {known}?"));
                }
                self.state.diagnostics.borrow_mut().push(warning);
            }
            _ => {}
        }
    }

    fn position(&self, content: &Content<'_>) -> (Place, Position) {
        match content {
            Content::Attribute(attribute) => (Place::attribute(attribute), attribute.position),
            Content::Many(nodes) => nodes.first().map_or_else(
                || (Place::node(self.node), self.node.position),
                |it| (Place::node(it), it.position),
            ),
            _ => (Place::node(self.node), self.node.position),
        }
    }
}

impl<'a> de::MapAccess<'a> for Members<'a, '_> {
    type Error = Failure;

    fn next_key_seed<K: de::DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Failure> {
        let known = self.fields.unwrap_or_default();
        while let Some((name, content)) = self.entries.next() {
            let (place, position) = self.position(&content);
            // An element refused by `deny_unknown_fields` in an earlier attempt.
            let refused = !known.is_empty() && !known.contains(&name.as_str());
            if refused && self.state.pretends(&place) {
                continue;
            }
            let path = format!("{}/{name}", self.path);
            let decoded =
                seed.deserialize(key(&name)).map_err(|it| it.at(place, position, &path))?;
            self.warn(&name, &content);
            self.current = Some((name, content));
            return Ok(Some(decoded));
        }
        Ok(None)
    }

    fn next_value_seed<S: de::DeserializeSeed<'a>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, Failure> {
        let Some((name, content)) = self.current.take() else {
            return Err(Failure::new("a value was asked for before its name"));
        };
        let element = Element::new(content, format!("{}/{name}", self.path), self.state);
        seed.deserialize(element.clone()).map_err(|it| element.located(it))
    }
}

/// The elements of a list.
pub(super) struct Items<'a, 's>(pub(super) std::vec::IntoIter<Element<'a, 's>>);

impl<'a> de::SeqAccess<'a> for Items<'a, '_> {
    type Error = Failure;

    fn next_element_seed<T: de::DeserializeSeed<'a>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Failure> {
        let Some(element) = self.0.next() else { return Ok(None) };
        seed.deserialize(element.clone()).map(Some).map_err(|it| element.located(it))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// A variant's name and what belongs to it.
pub(super) struct Variant<'a, 's> {
    name: &'a str,
    content: Option<Element<'a, 's>>,
}

impl<'a, 's> Variant<'a, 's> {
    pub(super) fn text(element: &Element<'a, 's>) -> Self {
        Self { name: element.text(), content: None }
    }

    pub(super) fn element(element: &Element<'a, 's>, child: &'a Node) -> Self {
        let path = format!("{}/{}", element.path, child.name);
        let content = Element::new(Content::One(child), path, element.state);
        Self { name: child.name.as_str(), content: Some(content) }
    }

    fn needed(self) -> Result<Element<'a, 's>, Failure> {
        self.content.ok_or_else(|| {
            Failure::new(format!("`{}` needs an element <{}> here, not text", self.name, self.name))
        })
    }
}

impl<'a> de::EnumAccess<'a> for Variant<'a, '_> {
    type Error = Failure;
    type Variant = Self;

    fn variant_seed<S: de::DeserializeSeed<'a>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self), Failure> {
        Ok((seed.deserialize(key(self.name))?, self))
    }
}

impl<'a> de::VariantAccess<'a> for Variant<'a, '_> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        Ok(())
    }

    fn newtype_variant_seed<S: de::DeserializeSeed<'a>>(
        self,
        seed: S,
    ) -> Result<S::Value, Failure> {
        seed.deserialize(self.needed()?)
    }

    fn tuple_variant<V: Visitor<'a>>(self, length: usize, visitor: V) -> Result<V::Value, Failure> {
        de::Deserializer::deserialize_tuple(self.needed()?, length, visitor)
    }

    fn struct_variant<V: Visitor<'a>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        de::Deserializer::deserialize_struct(self.needed()?, "", fields, visitor)
    }
}
