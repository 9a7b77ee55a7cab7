//! One section, decoded into two types: serde's `flatten` would lose positions.

use hayloft_plugin_api::{
    Configuration, Diagnostic, Node,
    config::{Decoded, nearest},
};

/// Decodes the children named in `shared` into `A`, all others into `B`.
pub(super) fn decode<A: Configuration, B: Configuration>(
    node: &Node,
    shared: &[&str],
    own: &[&str],
) -> (Option<A>, Option<B>, Vec<Diagnostic>) {
    let (mut first, mut second) = (node.clone(), node.clone());
    first.children.retain(|it| shared.contains(&it.name.as_str()));
    second.children.retain(|it| !shared.contains(&it.name.as_str()));
    let Decoded { value: a, mut diagnostics } = A::decode(&first);
    let Decoded { value: b, diagnostics: more } = B::decode(&second);
    for mut diagnostic in more {
        // It knows only half of the names.
        if let Some(unknown) = unknown_element(&diagnostic) {
            let names = || shared.iter().chain(own).copied();
            diagnostic.help = Some(match nearest(unknown, names()) {
                Some(name) => format!("did you mean <{name}>?"),
                None => format!("known here: <{}>", names().collect::<Vec<_>>().join(">, <")),
            });
        }
        // Attributes and text of the section are seen by both.
        if !diagnostics.contains(&diagnostic) {
            diagnostics.push(diagnostic);
        }
    }
    diagnostics.sort_by_key(|it| it.position);
    (a, b, diagnostics)
}

fn unknown_element(diagnostic: &Diagnostic) -> Option<&str> {
    let name = diagnostic.message.strip_prefix("unknown element <")?.strip_suffix('>')?;
    // Deeper ones have names of their own around them.
    (diagnostic.path.matches('/').count() == 1).then_some(name)
}
