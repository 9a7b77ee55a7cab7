//! What all sections have in common.

use super::{
    Cause, Names, Options, Peers, Place, Problem,
    document::ROOT,
    reader::{Findings, Reader},
};
use crate::config::{Configuration, Decoded, Diagnostic, Node};

/// What the rules of one section need of others.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context<'a> {
    /// The options, if they are known here; rules that need them are not
    /// applied otherwise.
    pub options: Option<&'a Options>,
    /// The peers, if there is such a section.
    pub peers: Option<&'a Peers>,
}

/// A section of the configuration, one of Cedar Backup's own or one of its
/// official extensions.
///
/// This is not for plugins to implement: theirs are ordinary
/// [`Configuration`] types.
pub trait Section: Sized {
    /// The name of the element.
    const NAME: &'static str;

    /// The first pass: reads the values and checks each one on its own.
    #[doc(hidden)]
    fn read(reader: &Reader<'_>) -> Self;

    /// The second pass: what is missing, and what does not fit together.
    #[doc(hidden)]
    fn validate(&self, findings: &Findings<'_>, context: &Context<'_>);
}

/// Reads a section from its element, with both passes; the problems come in
/// the order in which Cedar Backup would find them.
pub fn read_section<S: Section>(
    node: &Node,
    names: &Names,
    context: &Context<'_>,
) -> (S, Vec<Problem>) {
    let findings = Findings::new(names);
    let section = S::read(&Reader::new(node, S::NAME, &findings));
    section.validate(&findings, context);
    (section, findings.into_problems())
}

/// Finds and reads the section of an extension in the document. That it is
/// missing is a problem: only the extension's action asks for it.
pub fn required_section<S: Section>(root: &Node, names: &Names) -> (Option<S>, Vec<Problem>) {
    let known = root.name == ROOT;
    if let Some(node) = root.child(S::NAME).filter(|_| known) {
        let (section, problems) = read_section(node, names, &Context::default());
        return (Some(section), problems);
    }
    let findings = Findings::new(names);
    let place = Place { position: root.position, path: root.name.to_string() };
    findings.invalid(Cause::SectionMissing, S::NAME, place.position, &place.path);
    (None, findings.into_problems())
}

pub(super) fn decode<S: Section>(node: &Node) -> Decoded<S> {
    let (section, problems) = read_section(node, &Names::any(), &Context::default());
    let failed = problems.iter().any(|it| !it.warning);
    Decoded {
        value: (!failed).then_some(section),
        diagnostics: problems.into_iter().map(Diagnostic::from).collect(),
    }
}

macro_rules! sections_are_configurations {
    ($($section:ty),* $(,)?) => { $(
        impl Configuration for $section {
            fn decode(node: &Node) -> Decoded<Self> {
                decode(node)
            }
        }
    )* };
}

sections_are_configurations! {
    super::Reference, super::Extensions, Options, Peers, super::Collect,
    super::Stage, super::Store, super::Purge, super::AmazonS3, super::Capacity, super::Encrypt,
    super::Mbox, super::Mysql, super::Postgresql, super::Split, super::Subversion,
}
