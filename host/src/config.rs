//! The configuration file: read, checked, shown and described.

mod check;
mod flaw;
mod modes;
mod picture;
mod position;
mod prolog;
pub mod schema;
mod secrets;
mod show;
mod strict;
mod tree;

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Diagnostic, Error, ErrorKind, Node, Position, Result};

pub use self::{
    check::{check, check_with},
    flaw::Flaw,
    modes::check_modes,
    picture::{pictures, pictures_of},
    show::{Shown, effective, effective_text},
};
use self::{flaw::Found, position::Positions};

/// A configuration file.
#[derive(Debug, Clone)]
pub struct Document {
    /// Where it was read from.
    pub path: PathBuf,
    /// Its text, kept to show what is wrong in it.
    pub text: String,
    /// Its root element.
    pub root: Node,
}

/// Why the text of a file is no document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// What is wrong.
    pub flaw: Flaw,
    /// Where it is; line and column begin at 1.
    pub position: Position,
}

/// A configuration has some kilobytes; this bounds the memory of a mistake.
const LARGEST: u64 = 16 << 20;

impl Document {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`] if it cannot be read or is not well-formed;
    /// with the place, and a picture of it as the last cause.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = read(path).map_err(|e| {
            let hint = match e.kind() {
                std::io::ErrorKind::NotFound => "name the file with --config",
                _ => "the file must be readable for this user",
            };
            Error::from(e)
                .context(format!("cannot read the configuration {}", path.display()))
                .with_kind(ErrorKind::CONFIGURATION)
                .hint(hint)
        })?;
        Self::from_bytes(path, &bytes).map_err(|error| {
            let diagnostic = error.diagnostic();
            let Position { line, column } = diagnostic.position;
            let place = format!("{}:{line}:{column}", path.display());
            let hint = diagnostic.help.clone();
            let error = Error::configuration(vec![diagnostic])
                .context(format!("{place}: the configuration is not well-formed"));
            match hint {
                Some(hint) => error.hint(hint),
                None => error,
            }
        })
    }

    /// Reads the content of a file.
    ///
    /// # Errors
    ///
    /// [`SyntaxError`] if it is not UTF-8 or not well-formed.
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> std::result::Result<Self, SyntaxError> {
        let text = utf8(bytes)?;
        let root = parse(text)?;
        Ok(Self { path: path.to_owned(), text: text.to_owned(), root })
    }

    /// An empty configuration, for commands that can do without.
    pub fn none() -> Self {
        let root = Node::empty(ROOT, Position::default());
        Self { path: PathBuf::new(), text: String::new(), root }
    }
}

/// The name of the root element. Of another one nothing is read.
pub const ROOT: &str = "cb_config";

impl SyntaxError {
    /// Returns it as it is shown.
    pub fn diagnostic(&self) -> Diagnostic {
        let mut diagnostic = Diagnostic::error(self.position, "", self.flaw.to_string());
        diagnostic.help = self.flaw.help();
        diagnostic
    }
}

/// Reads a document into a tree.
///
/// # Errors
///
/// [`SyntaxError`] with the first thing that is wrong, where expat, and so
/// Cedar Backup, would find it.
pub fn parse(text: &str) -> std::result::Result<Node, SyntaxError> {
    tree::parse(text).map_err(|Found { flaw, offset }| SyntaxError {
        flaw,
        position: Positions::new(text).at(offset),
    })
}

/// Feeds any bytes to the reader and the decoder, for fuzzing; they are to
/// come back, whatever the bytes are.
pub fn fuzz(bytes: &[u8]) {
    if let Ok(document) = Document::from_bytes(Path::new("fuzz"), bytes) {
        let found = check(&document, &[]);
        drop(pictures(&document, &found));
        drop(effective_text(&effective(&document)));
    }
}

/// Reads the bytes of a file, not more than are looked at.
pub(crate) fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn utf8(bytes: &[u8]) -> std::result::Result<&str, SyntaxError> {
    if bytes.len() as u64 > LARGEST {
        let position = Position { line: 1, column: 1 };
        return Err(SyntaxError { flaw: Flaw::TooLarge, position });
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let offset = error.valid_up_to();
        let damaged = &bytes[offset..];
        let byte = damaged.first().copied().unwrap_or_default();
        let reason = match error.error_len() {
            None => "unexpected end of data",
            Some(_) if !(0xc2..0xf5).contains(&byte) => "invalid start byte",
            Some(_) => "invalid continuation byte",
        };
        let length = error.error_len().unwrap_or(damaged.len());
        let before = String::from_utf8_lossy(&bytes[..offset]);
        SyntaxError {
            flaw: Flaw::NotUtf8 { offset, length, byte, reason },
            position: Positions::new(&before).at(before.len()),
        }
    })
}

#[cfg(test)]
mod tests;
