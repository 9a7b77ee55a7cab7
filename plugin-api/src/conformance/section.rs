//! A configuration section without a file.

use crate::config::{Attribute, Node, Position};

/// A section of the configuration, for tests.
///
/// Every element gets a position, as if each stood in a line of its own,
/// indented by two columns for each element around it.
///
/// ```
/// use hayloft_plugin_api::conformance::Section;
///
/// let section = Section::new("storage").set("root", "/mnt/tape").set("retry.tries", 3);
/// assert_eq!(section.node().children[1].children[0].text, "3");
/// assert_eq!(section.node().children[0].position.line, 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    node: Node,
}

const COLUMNS: u32 = 2;

impl Section {
    /// Creates an empty section of that name.
    pub fn new(name: &str) -> Self {
        Self { node: Node::empty(name, Position { line: 1, column: COLUMNS }) }
    }

    /// Adds an element with that text. `outer.inner` is an element in another
    /// one, which is made if it is not there; `element@name` is an attribute.
    /// What is set twice is there twice.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "callers give paths' displays and numbers")]
    pub fn set(mut self, path: &str, value: impl ToString) -> Self {
        let (path, attribute) = path.split_once('@').unwrap_or((path, ""));
        let segments: Vec<&str> = path.split('.').filter(|it| !it.is_empty()).collect();
        place(&mut self.node, &segments, attribute, &value.to_string());
        self.number();
        self
    }

    /// Returns it as a plugin gets it.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Adds an element at a place among the children.
    pub(super) fn with_child(mut self, at: usize, name: &str) -> Self {
        let at = at.min(self.node.children.len());
        self.node.children.insert(at, Node::empty(name, Position::default()));
        self.number();
        self
    }

    fn number(&mut self) {
        let mut line = 0;
        number(&mut self.node, &mut line, COLUMNS);
    }
}

fn place(node: &mut Node, path: &[&str], attribute: &str, value: &str) {
    let Some((first, rest)) = path.split_first() else {
        if attribute.is_empty() {
            node.text = value.into();
            node.first_text = value.into();
        } else {
            let position = Position::default();
            node.attributes.push(Attribute {
                name: attribute.into(),
                value: value.into(),
                position,
            });
        }
        return;
    };
    // An attribute belongs to an element that is there, a value to a new one.
    let reused = !rest.is_empty() || !attribute.is_empty();
    let known = node.children.iter().rposition(|child| child.name == *first);
    let at = known.filter(|_| reused).unwrap_or_else(|| {
        node.children.push(Node::empty(first, Position::default()));
        node.children.len() - 1
    });
    if let Some(child) = node.children.get_mut(at) {
        place(child, rest, attribute, value);
    }
}

fn number(node: &mut Node, line: &mut u32, column: u32) {
    *line += 1;
    node.position = Position { line: *line, column };
    let mut at = column + u32::try_from(node.name.len()).unwrap_or(u32::MAX / 2);
    for attribute in &mut node.attributes {
        attribute.position = Position { line: *line, column: at + 1 };
        at += u32::try_from(attribute.name.len() + attribute.value.len()).unwrap_or(0) + 1;
    }
    node.text_position = Position { line: *line, column: at + 1 };
    for child in &mut node.children {
        number(child, line, column + COLUMNS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_nest_repeat_and_have_attributes() {
        let section = Section::new("storage")
            .set("root", "/x")
            .set("login.user", "a")
            .set("login.group", "b")
            .set("root", "/y")
            .set("login@kind", "c");
        let node = section.node();
        let names: Vec<_> = node.children.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["root", "login", "root"]);
        assert_eq!(node.children[1].children.len(), 2);
        assert_eq!(node.children[1].attributes[0].value, "c");
        assert_eq!(node.children[2].position, Position { line: 6, column: 4 });
        let more = section.with_child(0, "x");
        assert_eq!(more.node().children[0].position.line, 2);
        assert_eq!(more.node().children[3].position.line, 7);
    }
}
