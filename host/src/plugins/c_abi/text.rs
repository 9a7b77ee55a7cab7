//! Text in the forms that C wants and gives.

use std::ffi::c_char;

use hayloft_plugin_api::Node;

/// Reads what a plugin wrote into a buffer, as far as the first NUL.
pub(super) fn from_c(buffer: &[c_char]) -> String {
    let bytes: Vec<u8> =
        buffer.iter().take_while(|c| **c != 0).map(|c| c.cast_unsigned()).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Writes an element as the lines that the header describes.
pub(super) fn flatten(node: &Node) -> String {
    let mut lines = String::new();
    for attribute in &node.attributes {
        push(&mut lines, &format!("@{}", attribute.name), &attribute.value);
    }
    add(&mut lines, node, "");
    lines
}

fn add(lines: &mut String, node: &Node, prefix: &str) {
    for child in &node.children {
        let path = format!("{prefix}{}", child.name);
        for attribute in &child.attributes {
            push(lines, &format!("{path}@{}", attribute.name), &attribute.value);
        }
        if child.children.is_empty() {
            push(lines, &path, &child.text);
        } else {
            add(lines, child, &format!("{path}."));
        }
    }
}

fn push(lines: &mut String, key: &str, value: &str) {
    lines.push_str(key);
    lines.push('=');
    for character in value.trim().chars() {
        match character {
            '\\' => lines.push_str("\\\\"),
            '\n' => lines.push_str("\\n"),
            other => lines.push(other),
        }
    }
    lines.push('\n');
}

#[cfg(test)]
mod tests {
    use hayloft_plugin_api::Position;

    use super::*;

    fn element(name: &str, text: &str, children: Vec<Node>) -> Node {
        let mut node = Node::empty(name, Position::default());
        node.text = text.into();
        node.children = children.into();
        node
    }

    #[test]
    fn a_section_becomes_lines_that_cannot_be_mistaken() {
        let section = element(
            "storage",
            "",
            vec![
                element("root", "  /srv/x \n", vec![]),
                element("path", "a", vec![]),
                element("path", "b\\\nroot=c", vec![]),
                element("retry", "", vec![element("count", "3", vec![])]),
                element("empty", "", vec![]),
            ],
        );
        assert_eq!(
            flatten(&section),
            "root=/srv/x\npath=a\npath=b\\\\\\nroot=c\nretry.count=3\nempty=\n"
        );
    }

    #[test]
    fn what_a_plugin_writes_ends_at_the_nul_or_with_the_buffer() {
        let text =
            |bytes: &[u8]| from_c(&bytes.iter().map(|byte| byte.cast_signed()).collect::<Vec<_>>());
        assert_eq!(text(b"no room\0junk"), "no room");
        assert_eq!(text(b"full"), "full");
        assert_eq!(text(b"\xff\0"), "\u{fffd}");
    }
}
