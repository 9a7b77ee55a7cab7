//! One element of the configuration file.

use abi_stable::{
    StableAbi,
    std_types::{RString, RVec},
};

/// A place in the configuration file. The host knows which file.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

/// An attribute of an element.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The name, with its prefix if it has one.
    pub name: RString,
    /// The value with entities resolved.
    pub value: RString,
    /// Where the value begins.
    pub position: Position,
}

/// An XML element with everything in it.
///
/// The host parses the file once; entities are resolved already. Nothing is
/// trimmed.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The element's name, with its prefix if it has one.
    pub name: RString,
    /// All text directly in the element, CDATA included, in one piece.
    pub text: RString,
    /// The first piece of text directly in the element: it ends at a child, a
    /// comment or a CDATA section. This is what Cedar Backup takes for the
    /// value.
    pub first_text: RString,
    /// The attributes, in the order of the file.
    pub attributes: RVec<Attribute>,
    /// The child elements, in the order of the file.
    pub children: RVec<Node>,
    /// Where the element's name begins.
    pub position: Position,
    /// Where the first visible character of the text is; the first character
    /// if none is visible, and the name's position if there is no text.
    pub text_position: Position,
}

impl Node {
    /// Creates an element with nothing in it, as a section that is absent
    /// from the file is handed to a plugin.
    pub fn empty(name: &str, position: Position) -> Self {
        Self {
            name: name.into(),
            text: RString::new(),
            first_text: RString::new(),
            attributes: RVec::new(),
            children: RVec::new(),
            position,
            text_position: position,
        }
    }

    /// Returns the first child of that name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Returns all children of that name, in the order of the file.
    pub fn children_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }
}
