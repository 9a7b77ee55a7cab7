//! Provisional reader; the real one replaces it.
use hayloft_plugin_api::{Error, ErrorKind, Node, Position, Result};
use quick_xml::{Reader, events::Event};
use std::path::{Path, PathBuf};

/// A configuration file.
#[derive(Debug, Clone)]
pub struct Document {
    /// Where it was read from.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Its root element.
    pub root: Node,
}

impl Document {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// If it is no configuration.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| {
            Error::from(e)
                .with_kind(ErrorKind::CONFIGURATION)
                .context(format!("cannot read {}", path.display()))
        })?;
        let root = parse(&text)?;
        Ok(Self { path: path.to_owned(), text, root })
    }
}

fn parse(text: &str) -> Result<Node> {
    let mut reader = Reader::from_str(text);
    let mut stack: Vec<Node> = vec![Node::empty("", Position::default())];
    loop {
        let event = reader.read_event()?;
        match event {
            Event::Start(e) => {
                stack.push(Node::empty(e.name().as_ref(), Position { line: 1, column: 1 }))
            }
            Event::Empty(e) => {
                let node = Node::empty(e.name().as_ref(), Position { line: 1, column: 1 });
                if let Some(top) = stack.last_mut() {
                    top.children.push(node);
                }
            }
            Event::End(_) => {
                if let Some(node) = stack.pop()
                    && let Some(top) = stack.last_mut()
                {
                    top.children.push(node);
                }
            }
            Event::Text(t) => {
                if let Some(top) = stack.last_mut() {
                    let t = t.xml10_content();
                    top.text.push_str(&t);
                    top.first_text = top.text.clone();
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    stack.pop().and_then(|mut it| it.children.pop()).ok_or_else(|| Error::msg("empty"))
}

impl Document {
    /// An empty configuration.
    pub fn none() -> Self {
        Self {
            path: PathBuf::new(),
            text: String::new(),
            root: Node::empty("cb_config", Position::default()),
        }
    }
}

/// Provisional.
pub fn check(_: &Document, _: &[String]) -> Vec<hayloft_plugin_api::Diagnostic> {
    Vec::new()
}
/// Provisional.
pub fn pictures<'a>(
    document: &Document,
    found: impl IntoIterator<Item = &'a hayloft_plugin_api::Diagnostic>,
) -> String {
    found.into_iter().map(|it| format!("{}:{it}\n", document.path.display())).collect()
}
/// Provisional.
pub fn effective(_: &Document) -> String {
    String::new()
}
/// Provisional.
pub fn effective_text(_: &str) -> String {
    String::new()
}
/// Provisional.
pub mod schema {
    /// Provisional.
    pub fn json() -> String {
        String::new()
    }
    /// Provisional.
    pub fn markdown() -> String {
        String::new()
    }
    /// Provisional.
    pub fn text() -> String {
        String::new()
    }
}
