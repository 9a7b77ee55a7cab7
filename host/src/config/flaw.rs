//! Why a text is no XML document.

use thiserror::Error;

/// What is wrong with the text of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Flaw {
    /// The bytes are not UTF-8, in which the file is always read, whatever
    /// its first line says.
    #[error("the file is not UTF-8: {reason} at byte {offset}, 0x{byte:02x}")]
    NotUtf8 {
        /// Where the damaged character begins, in bytes from 0.
        offset: usize,
        /// How many bytes are damaged.
        length: usize,
        /// The first of them.
        byte: u8,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is no element, or the text ends before the last one does.
    #[error("the document ends before its elements do")]
    NoElement {
        /// The innermost element that is still open.
        open: Option<String>,
    },
    /// There is something after the root element.
    #[error("there is something after the end of the root element")]
    Junk,
    /// There is something other than an element where the root must be.
    #[error("the document does not begin with an element")]
    Syntax,
    /// An end tag does not belong to the element.
    #[error("</{found}> does not close <{open}>")]
    Mismatched {
        /// The element.
        open: String,
        /// The end tag.
        found: String,
    },
    /// A character that may not be there.
    #[error("{found} may not be here")]
    InvalidToken {
        /// The character, readable.
        found: String,
    },
    /// The text ends within a tag, a comment or a reference.
    #[error("this never ends")]
    Unclosed,
    /// The text ends within a CDATA section.
    #[error("the CDATA section never ends")]
    UnclosedCdata,
    /// An entity that is not declared.
    #[error("the entity &{name}; is not known")]
    UndefinedEntity {
        /// Its name.
        name: String,
    },
    /// An entity that contains itself.
    #[error("the entity &{name}; contains itself")]
    RecursiveEntity {
        /// Its name.
        name: String,
    },
    /// An entity that begins an element and does not end it, or the other way
    /// round.
    #[error("an element begins or ends within an entity only")]
    AsyncEntity,
    /// A reference to a character that XML does not have.
    #[error("there is no such character")]
    BadCharacterReference,
    /// An attribute that is there twice.
    #[error("the attribute {name} is given twice")]
    DuplicateAttribute {
        /// Its name.
        name: String,
    },
    /// A prefix without a namespace.
    #[error("the prefix {prefix}: has no xmlns:{prefix}")]
    UnboundPrefix {
        /// The prefix.
        prefix: String,
    },
    /// An XML declaration that is not at the very beginning.
    #[error("<?xml …?> is not at the very beginning")]
    MisplacedDeclaration,
    /// An XML declaration that is not well-formed.
    #[error("<?xml …?> is not well-formed")]
    BadDeclaration,
    /// Ours: elements within elements, without end.
    #[error("elements are nested more than {limit} deep")]
    TooDeep {
        /// How deep they may be.
        limit: usize,
    },
    /// Ours: more elements, or a larger file, than any configuration has.
    #[error("this is too large for a configuration")]
    TooLarge,
    /// Ours: entities that grow without end.
    #[error("entities expand to too much text")]
    TooMuchExpansion,
}

impl Flaw {
    /// Returns what to do about it, if that is not obvious.
    pub fn help(&self) -> Option<String> {
        let help = match self {
            Self::NotUtf8 { .. } => "convert it with iconv -t UTF-8".to_owned(),
            Self::NoElement { open: Some(name) } => format!("</{name}> is missing"),
            Self::NoElement { open: None } => "the root element is <cb_config>".to_owned(),
            Self::Mismatched { open, .. } => format!("write </{open}> first"),
            Self::InvalidToken { found } if found == "`&`" => "write &amp;".to_owned(),
            Self::InvalidToken { found } if found == "`<`" => "write &lt;".to_owned(),
            Self::UndefinedEntity { .. } => "to write a plain & use &amp;".to_owned(),
            Self::MisplacedDeclaration => {
                "remove what is in front of it, blank lines too".to_owned()
            }
            _ => return None,
        };
        Some(help)
    }
}

/// A flaw, and where it is, in bytes of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) flaw: Flaw,
    pub(super) offset: usize,
}

impl Found {
    pub(super) fn new(flaw: Flaw, offset: usize) -> Self {
        Self { flaw, offset }
    }

    pub(super) fn invalid(text: &str, offset: usize) -> Self {
        let found = match text.get(offset..).and_then(|it| it.chars().next()) {
            Some(c) if c.is_control() => format!("the control character U+{:04X}", u32::from(c)),
            Some(c) => format!("`{c}`"),
            None => "the end".to_owned(),
        };
        Self::new(Flaw::InvalidToken { found }, offset)
    }
}
