//! The storages of the configuration.

use std::sync::Arc;

use hayloft_plugin_api::{Host, Node, Result, StorageHandle};

use crate::place::Place;

/// A storage as the configuration names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Configured {
    pub(crate) name: String,
    /// The type, which is what its plugin calls it.
    pub(crate) kind: String,
}

/// Returns all, in the order of the configuration.
pub(crate) fn all(host: &Host) -> Result<Vec<Configured>> {
    let root = host.document();
    let kind_of = |name: &str| {
        let all = root.child("storages").into_iter().flat_map(|it| it.children.iter());
        let text = |it: &Node, element| it.child(element).map(|it| it.text.trim().to_owned());
        let mut found = all.filter(|it| text(it, "name").as_deref() == Some(name));
        found.next().and_then(|it| text(it, "type")).unwrap_or_default()
    };
    let names = host.settings()?.storages;
    Ok(names.into_iter().map(|name| Configured { kind: kind_of(&name), name }).collect())
}

/// Reads `STORAGE:KEY`.
pub(crate) fn place(host: &Host, text: &str) -> Result<Place> {
    Place::parse(text, &host.settings()?.storages)
}

/// Opens the storage of a place.
pub(crate) fn open(host: &Host, place: &Place) -> Result<Arc<StorageHandle>> {
    host.storage(&place.storage).map(Arc::new)
}
