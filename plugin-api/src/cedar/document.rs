//! All standard sections together.

use super::{
    Cause, Collect, Context, Extensions, Names, Options, Peers, Place, Problem, Purge, Reference,
    Section, Stage, Store,
    reader::{Findings, Reader},
};
use crate::config::Node;

/// The name of the root element.
pub(super) const ROOT: &str = "cb_config";

/// Sections that Cedar Backup does not know and that give a configuration
/// something to do without any of its four.
const BEYOND: [&str; 3] = ["plugins", "storages", "postgres_servers"];

/// The standard sections of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// Who wrote it.
    pub reference: Option<Reference>,
    /// Actions of plugins.
    pub extensions: Option<Extensions>,
    /// What concerns all actions.
    pub options: Option<Options>,
    /// The machines whose data is staged.
    pub peers: Option<Peers>,
    /// What is collected.
    pub collect: Option<Collect>,
    /// Where data is gathered.
    pub stage: Option<Stage>,
    /// Where data is written to.
    pub store: Option<Store>,
    /// What is deleted.
    pub purge: Option<Purge>,
    /// Where the root element is.
    pub place: Place,
}

/// Reads the standard sections of a document. All problems are returned, in
/// Cedar Backup's order: the first pass over all sections, then the second,
/// sections and fields in a fixed order each time. The document is of use
/// only if none of them is more than a warning.
///
/// Where there is a section that Cedar Backup does not know, such as
/// `<postgres_servers>`, none of its four sections for actions is needed, and
/// `<options>` only by actions.
///
/// A section that occurs twice counts once, and its first occurrence wins. A
/// root of another name is not wrong in itself, but nothing is found in it.
pub fn read(root: &Node, names: &Names) -> (Document, Vec<Problem>) {
    let findings = Findings::new(names);
    let nothing = Node::empty(&root.name, root.position);
    let root = if root.name == ROOT { root } else { &nothing };
    let place = Place { position: root.position, path: root.name.to_string() };
    let document = Document {
        reference: section(root, &findings),
        extensions: section(root, &findings),
        options: section(root, &findings),
        peers: section(root, &findings),
        collect: section(root, &findings),
        stage: section(root, &findings),
        store: section(root, &findings),
        purge: section(root, &findings),
        place,
    };
    let beyond = BEYOND.iter().any(|it| root.child(it).is_some());
    document.validate(&findings, beyond);
    (document, findings.into_problems())
}

fn section<S: Section>(root: &Node, findings: &Findings<'_>) -> Option<S> {
    root.child(S::NAME).map(|node| S::read(&Reader::new(node, S::NAME, findings)))
}

impl Document {
    fn validate(&self, findings: &Findings<'_>, beyond: bool) {
        let actions = [
            self.collect.is_some(),
            self.stage.is_some(),
            self.store.is_some(),
            self.purge.is_some(),
        ];
        let idle = !actions.contains(&true);
        if idle && !beyond {
            findings.missing(Cause::NoActionSection, &self.place);
        }
        let needed = !(idle && beyond && self.extensions.is_none());
        if self.options.is_none() && needed {
            findings.missing(Cause::NoOptions, &self.place);
        }
        let context = Context { options: self.options.as_ref(), peers: self.peers.as_ref() };
        validate(self.extensions.as_ref(), findings, &context);
        validate(self.options.as_ref(), findings, &context);
        validate(self.peers.as_ref(), findings, &context);
        validate(self.collect.as_ref(), findings, &context);
        validate(self.stage.as_ref(), findings, &context);
        validate(self.store.as_ref(), findings, &context);
        validate(self.purge.as_ref(), findings, &context);
    }
}

fn validate<S: Section>(section: Option<&S>, findings: &Findings<'_>, context: &Context<'_>) {
    if let Some(section) = section {
        section.validate(findings, context);
    }
}
