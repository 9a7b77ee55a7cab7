//! What all types of storage share.

use std::{collections::BTreeSet, path::PathBuf, time};

use hayloft_plugin_api::{Diagnostic, Node, config::ByteSize};
use serde::Deserialize;

use super::{
    s3::Tags,
    value::{Address, Count, PartSize, Positive, Prefix},
};

/// The elements that every type of storage takes.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Common {
    /// What the keys of all objects begin with; nothing if it is not given.
    pub prefix: Prefix,
    /// A proxy for all requests. Without it, the variables `HTTPS_PROXY`,
    /// `HTTP_PROXY` and `NO_PROXY` count.
    pub proxy: Option<Address>,
    /// A file with certificates of authorities in PEM that are trusted besides
    /// those of the system.
    pub ca_file: Option<PathBuf>,
    /// How many parts of one object are on their way at the same time.
    pub concurrency: Count<1, 64>,
    /// What is larger is sent and fetched in parts of this size.
    pub part_size: PartSize,
    /// How many bytes a second are sent and fetched, all together.
    pub rate_limit: Option<ByteSize>,
    /// How long one request may take; by default what a part needs at 256 KB a
    /// second, and a minute.
    pub timeout: Option<Positive>,
    /// How long it may take to connect.
    pub connect_timeout: Positive,
    /// How often something is tried again that may pass.
    pub retries: Count<0, 20>,
    /// Whether what was sent is read back and compared. Without the element:
    /// where the store itself confirms nothing.
    pub check_uploads: Option<bool>,
    /// After what time something half sent counts as left over by a run that
    /// crashed, and is removed.
    pub abandoned_after: Positive,
}

impl Default for Common {
    fn default() -> Self {
        let seconds = |it| Positive::of(time::Duration::from_secs(it));
        Self {
            prefix: Prefix::default(),
            proxy: None,
            ca_file: None,
            concurrency: Count::new(4),
            part_size: PartSize::default(),
            rate_limit: None,
            timeout: None,
            connect_timeout: seconds(10),
            retries: Count::new(6),
            check_uploads: None,
            abandoned_after: seconds(3 * 24 * 3600),
        }
    }
}

impl Common {
    /// The names of the elements.
    pub(super) const NAMES: [&str; 11] = [
        "prefix",
        "proxy",
        "ca_file",
        "concurrency",
        "part_size",
        "rate_limit",
        "timeout",
        "connect_timeout",
        "retries",
        "check_uploads",
        "abandoned_after",
    ];

    /// Finds what is wrong though each element is right.
    pub(super) fn check(&self, node: &Node, found: &mut Vec<Diagnostic>) {
        if self.rate_limit.is_some_and(|it| it.bytes() < 1024) {
            found.push(wrong(node, "rate_limit", "less than 1 KB a second takes for ever"));
        }
        check_file(node, "ca_file", self.ca_file.as_ref(), found);
    }

    /// How long a request with that many bytes may take.
    pub(crate) fn timeout(&self) -> time::Duration {
        const SLOWEST: u64 = 256 << 10;
        let needed = || time::Duration::from_secs(60 + self.part_size.bytes() / SLOWEST);
        self.timeout.map_or_else(needed, Positive::get)
    }
}

/// Says what is wrong with an element of a section.
pub(super) fn wrong(node: &Node, element: &str, message: impl Into<String>) -> Diagnostic {
    let child = node.child(element);
    let position = child.map_or(node.position, |it| it.text_position);
    Diagnostic::error(position, format!("{}/{element}", node.name), message)
}

/// Makes sure that a secret comes from one place at most, and returns the first
/// element that says where.
pub(super) fn check_sources(node: &Node, found: &mut Vec<Diagnostic>) -> Option<&'static str> {
    let sources = ["password", "password_file", "password_command", "password_env"];
    let mut given = sources.into_iter().filter(|it| node.child(it).is_some());
    let first = given.next();
    if let Some(second) = given.next() {
        found.push(wrong(node, second, "the secret comes from one place only"));
    }
    first
}

/// Makes sure that a file is found from everywhere.
pub(super) fn check_file(
    node: &Node,
    element: &str,
    file: Option<&PathBuf>,
    found: &mut Vec<Diagnostic>,
) {
    if let Some(file) = file.filter(|it| !it.is_absolute()) {
        let message = format!("{} is not an absolute path", file.display());
        found.push(wrong(node, element, message));
    }
}

/// Keeps to what stores restrict tags to.
pub(super) fn check_tags(node: &Node, tags: &Tags, found: &mut Vec<Diagnostic>) {
    let nodes = node.child("tags").into_iter().flat_map(|it| it.children_named("tag"));
    let mut names = BTreeSet::new();
    for (at, (tag, element)) in tags.tag.iter().zip(nodes).enumerate() {
        let mut say = |message: &str| {
            let path = format!("{}/tags/tag", node.name);
            found.push(Diagnostic::error(element.position, path, message));
        };
        if at >= 10 {
            say("an object has ten tags at most");
        }
        if tag.name.is_empty() || tag.name.chars().count() > 128 {
            say("the name of a tag has 1 to 128 characters");
        }
        if tag.value.chars().count() > 256 {
            say("the value of a tag has 256 characters at most");
        }
        if !names.insert(&tag.name) {
            say("there is a tag of that name already");
        }
    }
}

/// Warns of an address whose conversation others can read.
pub(super) fn warn_of_clear_text(
    node: &Node,
    element: &str,
    address: &Address,
    found: &mut Vec<Diagnostic>,
) {
    if address.is_encrypted() || address.is_local() {
        return;
    }
    let child = node.child(element);
    let position = child.map_or(node.position, |it| it.text_position);
    let message = "everybody on the way can read and change what is sent to http://";
    let path = format!("{}/{element}", node.name);
    found.push(Diagnostic::warning(position, path, message).help("use https://"));
}
