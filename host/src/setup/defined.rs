//! What plugins define for themselves, beside what the configuration names.

use std::sync::PoisonError;

use hayloft_plugin_api::{Diagnostic, Error, ErrorKind, Node, Result};

use super::{
    Setup,
    names::{self, Named},
};
use crate::plugins::PluginError;

impl Setup {
    /// Gives a name of its own to a compressor or encryptor with further
    /// elements in its section, which replace those of the same names.
    /// `name` is one of the configuration, or the plugin's own.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NOT_FOUND`] if there is none,
    /// [`ErrorKind::UNSUPPORTED`] if the plugin does not know an element.
    pub fn define(&self, kind: &str, name: &str, elements: &[(String, String)]) -> Result<String> {
        let base = self.named(kind, name);
        self.registry.find(kind, &base.plugin).map_err(PluginError::into_error)?;
        let node = with_elements(base.node, elements);
        let found = self.registry.check(kind, &base.plugin, &node);
        if let Some(element) = elements.iter().map(|it| &it.0).find(|it| is_unknown(&found, it)) {
            let message = format!("the {kind} `{name}` takes no <{element}>");
            return Err(Error::new(ErrorKind::UNSUPPORTED, message));
        }
        let mut defined = self.defined.lock().unwrap_or_else(PoisonError::into_inner);
        // No name of the configuration: XML has no such character.
        let handle = format!("\u{1}{}", defined.len());
        defined.push(Named { name: handle.clone(), node, ..base });
        Ok(handle)
    }

    /// Returns the plugin's own name for something, and its section: of what
    /// was defined, of the configuration, or none of its own.
    pub(super) fn named(&self, kind: &str, name: &str) -> Named {
        self.defined_as(name)
            .or_else(|| {
                names::all(self.root(), &format!("{kind}s"), kind).find(|it| it.name == name)
            })
            .unwrap_or_else(|| Named {
                name: name.to_owned(),
                plugin: name.to_owned(),
                node: Node::empty(kind, self.root().position),
                type_position: self.root().position,
            })
    }

    /// Returns what was defined under this name.
    fn defined_as(&self, name: &str) -> Option<Named> {
        let defined = self.defined.lock().unwrap_or_else(PoisonError::into_inner);
        defined.iter().find(|it| it.name == name).cloned()
    }
}

fn with_elements(mut node: Node, elements: &[(String, String)]) -> Node {
    let position = node.position;
    let replaced = |it: &Node| elements.iter().any(|(name, _)| it.name == name.as_str());
    let kept = node.children.into_iter().filter(|it| !replaced(it));
    let added = elements.iter().map(|(name, text)| Node {
        text: text.as_str().into(),
        first_text: text.as_str().into(),
        ..Node::empty(name, position)
    });
    node.children = kept.chain(added).collect();
    node
}

/// A warning about an element that is in order otherwise: the plugin would
/// ignore it.
fn is_unknown(found: &[Diagnostic], element: &str) -> bool {
    let about = |it: &Diagnostic| it.path.rsplit('/').next() == Some(element);
    found.iter().any(|it| about(it) && it.message.starts_with("unknown element"))
}
